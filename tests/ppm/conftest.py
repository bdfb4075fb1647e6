"""The golden scans as the renderers take them, and random molecules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from scipy.interpolate import BSpline
from scipy.spatial.transform import Rotation

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, DensityGrid, from_smiles
from torch_afm.elements import symbol
from torch_afm.ppm.isolated import molecule_potential
from torch_afm.ppm.potential import EnergyField

CASES = ("bcb_pc", "camphor_pc_tilt", "carbon1_lj", "ion1_pc", "nicotine_pc", "ptcda_lj", "ptcda_pc")
SMILES = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "c1ccc2ccccc2c1",
    "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "OCC1OC(O)C(O)C(O)C1O",
    "FC(F)(F)c1ccccc1",
    "C[Si](C)(C)C",
    "ClC(Cl)(Cl)Cl",
    "NS(=O)(=O)c1ccc(Br)cc1",
    "OP(=O)(O)O",
    "N#CC#N",
)


class Golden(NamedTuple):
    name: str
    fields: dict[str, np.ndarray]
    data: AFMData
    scan: Scan
    tip: Tip
    stack: np.ndarray  # [slices, ny, nx]
    valid: np.ndarray  # [ny, nx]

    def errors(self, stack: torch.Tensor) -> tuple[float, float]:
        """Rms and largest error, in units of std(Δf), at the valid pixels."""
        error = (stack[0, 0].double().numpy() - self.stack)[:, self.valid] / self.stack.std()
        return float(np.sqrt(np.mean(error**2))), float(np.abs(error).max())


@pytest.fixture(params=CASES)
def golden_case(request, golden) -> Golden:
    f = {k.split("/")[1]: golden[k] for k in golden.files if k.startswith(f"{request.param}/")}
    # The stored pixels are every 8th of the scan's, which is again a regular scan.
    axes = [np.linspace(*f["scan_window"][:, i], f["scan_dim"][i])[::8] for i in (0, 1)]
    scan = Scan(
        window=tuple((float(a[0]), float(a[-1])) for a in axes),
        pixels=tuple(len(a) for a in axes),
        n_slices=f["df_exact"].shape[2],
        dz=float(f["dz"]),
        n_oscillation=int(f["df_steps"]),
        f0=float(f["f0"]),
        k=float(f["k"]),
        quadrature="ppafm",
    )
    x0, y0, bond_length = map(float, f["tipR0"])
    *stiffness, radial = map(float, f["stiffness_Nm"])
    tip = Tip(
        probe=symbol(int(f["iZPP"])),
        charges=tuple(map(float, f["tip_Qs"])),
        charge_heights=tuple(map(float, f["tip_QZs"])),
        stiffness=tuple(stiffness),
        radial_stiffness=radial,
        bond_length=bond_length,
        tilt=(x0, y0),
    )
    data = AFMData(
        z=torch.from_numpy(f["Z"]).long(),
        pos=torch.from_numpy(f["xyz"]),
        charge=torch.from_numpy(f["charges"]),
        z_top=torch.tensor([f["scan_window"][1, 2]]),
    )
    valid = (f["branch_ambiguous"] == 0) & (f["min_lateral_curvature"] >= 1e-3)
    return Golden(request.param, f, data, scan, tip, f["df_exact"].transpose(2, 1, 0), valid.T)


@pytest.fixture(scope="session")
def molecules() -> list[AFMData]:
    """Ten molecules with all ten elements of the thesis, turned at random, top atom at z = 0."""
    found = []
    for i, smiles in enumerate(SMILES):
        molecule = from_smiles(smiles, seed=i)
        turn = torch.from_numpy(Rotation.random(random_state=i).as_matrix())
        pos = molecule.pos.double() @ turn.T
        pos = pos - torch.cat([pos[:, :2].mean(0), pos[:, 2].max()[None]])
        found.append(AFMData(z=molecule.z, pos=pos, charge=molecule.charge))
    return found


GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session")
def formaldehyde() -> AFMData:
    """CH₂O in the plane z = 0 with the density of PySCF and its potential."""
    found = load_file(GOLDEN / "ch2o_density.safetensors")
    density = DensityGrid(found["density"], found["origin"], found["cell"])
    pos = np.array([(0, 0, 0), (0, 1.205, 0), (0.938, -0.587, 0), (-0.938, -0.587, 0)])
    potential = molecule_potential(density, pos, np.array([4.0, 6.0, 1.0, 1.0]))
    z, at = torch.tensor([6, 8, 1, 1]), torch.from_numpy(pos)
    return AFMData(z=z, pos=at, density=density, potential=potential)


@pytest.fixture(scope="session")
def field_energy() -> Callable[[EnergyField, np.ndarray], np.ndarray]:
    """Function of a field and points ``[P, 3]``: its energies there."""
    return _field_energy


def _field_energy(field: EnergyField, points: np.ndarray) -> np.ndarray:
    """Energy of a field at ``points`` ``[P, 3]``, by cubic splines one after the other along each axis."""
    values = field.coefficients.detach().numpy()
    basis = BSpline.basis_element(np.arange(-2.0, 3.0), extrapolate=False)
    t = (points - field.low.detach().numpy()) / field.spacing.numpy()
    x, y, z = (np.nan_to_num(basis(t[:, a, None] - np.arange(n))) for a, n in enumerate(values.shape))
    return np.einsum("pi,pj,pk,ijk->p", x, y, z, values, optimize=True)
