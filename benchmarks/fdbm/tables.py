"""Make the tables that the full-density-based model ships: the density of CO and of free atoms (PySCF, PBE,
GTH pseudopotentials), and the dispersion coefficients of DFT-D3 (from tad-dftd3).

    python -m benchmarks.fdbm.tables            # needs pyscf, tad-dftd3

Writes torch_afm/ppm/resources/{co,atoms,d3}.safetensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase.data import chemical_symbols
from ase.units import Bohr, Hartree
from safetensors.numpy import save_file

import torch_afm.ppm
from torch_afm.ppm.dft import basis_of

FOLDER = Path(torch_afm.ppm.__file__).parent / "resources"
#: Elements with a free-atom density, and unpaired electrons.
ATOMS = {"H": 1, "B": 1, "C": 2, "N": 3, "O": 2, "F": 1, "Si": 2, "P": 3, "S": 2, "Cl": 1, "Br": 1, "I": 1}
#: Å: spacing of profiles, reach of atoms, and what the profile of CO covers aside and along its axis.
SPACING, REACH, ASIDE, AXIS = 0.05, 5.0, 4.0, (-4.0, 5.5)


def main() -> None:
    """Write the three files."""
    FOLDER.mkdir(exist_ok=True)
    origin = {"origin": "PySCF, PBE, GTH pseudopotentials: benchmarks/fdbm/tables.py"}
    r, z = np.arange(0, ASIDE + 1e-6, SPACING), np.arange(AXIS[0], AXIS[1] + 1e-6, SPACING)
    at_z, at_r = np.meshgrid(z, r, indexing="ij")
    points = np.stack([at_r, 0 * at_r, at_z], -1).reshape(-1, 3)
    density = _density([("O", (0, 0, 0)), ("C", (0, 0, 1.128))], 0, points).reshape(at_z.shape)
    profile = {"density": density.astype(np.float32), "r": r.astype(np.float32), "z": z.astype(np.float32)}
    save_file(profile, FOLDER / "co.safetensors", origin | {"bond": "1.128"})

    r = np.arange(0, REACH + 1e-6, SPACING)
    # Spherical average over the six directions of a cube's faces, eight corners and twelve edges.
    corners = np.array(np.meshgrid([-1, 0, 1], [-1, 0, 1], [-1, 0, 1])).reshape(3, -1).T
    directions = corners[np.abs(corners).sum(1) > 0]
    order = np.abs(directions).sum(1)
    weights = np.array([0, 1 / 21, 4 / 105, 9 / 280])[order]  # Lebedev's rule of 26 points
    directions = directions / np.sqrt(order)[:, None]
    tables = {"r": r.astype(np.float32)}
    for element, spin in ATOMS.items():
        points = (directions[:, None] * r[:, None]).reshape(-1, 3)
        values = _density([(element, (0, 0, 0))], spin, points).reshape(len(directions), -1)
        tables[element] = (weights @ values).astype(np.float32)
        print(element, (4 * np.pi * r**2 * tables[element]).sum() * SPACING)
    save_file(tables, FOLDER / "atoms.safetensors", origin)
    _dispersion()


def _density(atoms: list, spin: int, points: np.ndarray) -> np.ndarray:
    """Valence density at ``points`` ``[P, 3]`` Å, e/Å³."""
    from pyscf import dft, gto

    basis = {name: basis_of(name) for name, _ in atoms}
    molecule = gto.M(atom=atoms, basis=basis, pseudo="gth-pbe", spin=spin, verbose=0)
    scf = (dft.UKS if spin else dft.RKS)(molecule)
    scf.xc, scf.conv_tol = "pbe", 1e-9
    scf.kernel()
    matrix = scf.make_rdm1()
    matrix = matrix.sum(0) if spin else matrix
    parts = np.array_split(points, max(1, len(points) // 10000))
    values = [dft.numint.eval_rho(molecule, dft.numint.eval_ao(molecule, p / Bohr), matrix) for p in parts]
    return np.concatenate(values) / Bohr**3


def _dispersion() -> None:
    """Reference coefficients under a probe without neighbors, of which the coordination number is 0:
    C6(k of i; p) = Σ_l C6_kl L_l / Σ_l L_l, L_l = exp(-4 CN_l²)."""
    from tad_dftd3.data import R4R2
    from tad_dftd3.reference import Reference
    from tad_mctc.data import radii

    n = 95
    reference = Reference()
    c6, cn = reference.c6.double().numpy()[:n, :n], reference.cn.double().numpy()[:n]
    weight = np.where(cn >= 0, np.exp(-4 * np.clip(cn, 0, None) ** 2), 0)
    reduced = np.einsum("ipkl,pl->ipk", c6, weight / np.maximum(weight.sum(1, keepdims=True), 1e-300))
    tables = {
        "c6": reduced * Hartree * Bohr**6,
        "coordination": cn,
        "r4r2": R4R2(dtype=reference.c6.dtype).numpy()[:n] * Bohr,
        "radius": radii.COV_D3(dtype=reference.c6.dtype).numpy()[:n] * Bohr,
    }
    origin = "Grimme et al., J. Chem. Phys. 132, 154104 (2010), as tabulated by tad-dftd3 (Apache-2.0)"
    save_file(
        {k: np.ascontiguousarray(v, dtype=np.float32) for k, v in tables.items()},
        FOLDER / "d3.safetensors",
        {"origin": origin},
    )
    print(chemical_symbols[8], tables["c6"][8, 8] / (Hartree * Bohr**6))


if __name__ == "__main__":
    main()
