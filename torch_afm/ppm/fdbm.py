"""The full-density-based model: what takes the place of the Lennard-Jones force field, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.data import AFMData, DensityGrid, PotentialGrid
from torch_afm.data.scalar_grid import ScalarGrid
from torch_afm.ppm.d3 import FUNCTIONALS
from torch_afm.ppm.electrons import effective_charges
from torch_afm.ppm.field_cache import FieldCache
from torch_afm.ppm.periodic import check_cell
from torch_afm.ppm.tip_density import TipDensity
from torch_afm.utils import InputError, check_finite, check_shape

#: Å: what the points of two grids, and the cells of atoms and grids, may differ by.
_SAME, _SAME_CELL = 1e-3, 1e-2


def _carbon_monoxide() -> TipDensity:
    return TipDensity.preset("CO")


@dataclass(frozen=True, eq=False)
class FDBM:
    r"""The full-density-based model (Oinonen et al., Comput. Phys. Commun. 305, 109341 (2024)): Pauli
    repulsion by the overlap of electron densities, electrostatics of the tip's charge density in the sample's
    potential, and dispersion by D3(BJ), of a probe at **R**

    .. math::
        E(R) = A \int ρ_t(r - R)^B ρ_s(r)^B d^3r + \int q_t(r - R) V_s(r) d^3r + E_{D3}(R) .

    In place of a :class:`torch_afm.config.ForceField` in a :class:`torch_afm.ppm.ProbeParticleModel`; the
    charges of the :class:`torch_afm.config.Tip` are not used then, its springs, its tilt and the element of
    its probe are. The sample is an :class:`torch_afm.data.AFMData` with ``density`` and ``potential`` on one
    grid; a stack is differentiable in ``a``, ``b``, springs and heights, and in ``data.pose``, but not in
    atoms.

    A belongs to B, to the tip and to how densities were computed. The defaults were fitted to rigid PBE scans
    of CO over CH₂O, 2.4 to 3.3 Å above it, with the valence densities that
    :func:`torch_afm.ppm.dft.with_densities` makes (12 meV rms, of -12 to 322 meV). In the literature stand A
    18, B 1 (the default of ppafm) and A 12, B 1.2 (Oinonen et al.) for densities of other programs.

    Args:
        a: A, eV Å^(6B-3).
        b: B, the power of the densities.
        d3: functional of the damping, one of :data:`torch_afm.ppm.d3.FUNCTIONALS`; none without dispersion.
        tip: densities of the tip.

    Raises:
        InputError: for A or B that are not positive numbers, and another functional.
    """

    a: float | Tensor = 41.0
    b: float | Tensor = 1.1
    d3: str | None = "PBE"
    tip: TipDensity = field(default_factory=_carbon_monoxide)
    fields: FieldCache = field(default_factory=FieldCache, init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("a", "b"):
            value = torch.as_tensor(getattr(self, name))
            if value.numel() != 1 or not bool(value.isfinite().all()) or float(value.detach()) <= 0:
                raise InputError(f"{name}: expected one positive number, got {getattr(self, name)!r}")
        if self.d3 is not None and self.d3 not in FUNCTIONALS:
            raise InputError(f"d3: expected one of {', '.join(FUNCTIONALS)}, or None, got {self.d3!r}")

    def parameters(self) -> tuple[Tensor, Tensor]:
        """A and B, float64."""
        a, b = (torch.as_tensor(v).double().cpu().reshape(()) for v in (self.a, self.b))
        return a, b


class Sample(NamedTuple):
    """One graph as the model sees it.

    Shapes:
        z ``[N]``; pos ``[N, 3]`` Å, of the atoms where the pose puts them, differentiable in it; pbc ``[3]``,
        along which edges of the grids' cell it repeats; turn ``[3, 3]``, center and shift ``[3]`` Å: a point
        r of the grids is at ``(r - center) turnᵀ + center + shift``.
    """

    z: np.ndarray
    pos: Tensor
    density: DensityGrid
    potential: PotentialGrid
    pbc: np.ndarray
    turn: Tensor
    center: Tensor
    shift: Tensor

    @property
    def atoms(self) -> np.ndarray:
        """Positions of the atoms in the frame of the grids, ``[N, 3]`` Å."""
        with torch.no_grad():
            return ((self.pos - self.center - self.shift) @ self.turn + self.center).numpy()

    def to_grids(self, corner: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """A point and vectors ``[3, 3]`` of the graph's frame in that of the grids."""
        return (corner - self.center - self.shift) @ self.turn + self.center, steps @ self.turn


def samples(data: AFMData | Batch) -> list[Sample]:
    """The graphs of ``data``, checked.

    A ``data.pose`` ``[B, 6]`` (a rotation vector in rad about the middle of the atoms, then a shift in Å)
    moves atoms and grids before anything is computed.

    Raises:
        InputError: for grids that are missing, not the same, of other atoms, or of a potential with the other
            sign; for a pose of a periodic sample that turns it; and where anything of atoms requires a
            gradient.
    """
    for key in ("pos", "charge", "dipole"):
        if data.get(key) is not None and data[key].requires_grad:
            raise InputError(
                f"{key}: expected constants, for densities on a grid have no gradient in atoms; give pose one"
            )
    ptr = data.ptr.tolist() if isinstance(data, Batch) else [0, len(data.z)]
    n_graphs = len(ptr) - 1
    grids = [_grids(data, key, n_graphs) for key in ("density", "potential")]
    pbc, cells = np.zeros((n_graphs, 3), bool), np.zeros((n_graphs, 3, 3))
    if data.get("pbc") is not None or data.get("cell") is not None:
        cells, pbc = check_cell(data.get("cell"), data.get("pbc"), n_graphs)
        pbc = pbc & (True, True, False)
    pose = data.get("pose")
    pose = torch.zeros(n_graphs, 6) if pose is None else pose
    check_shape("pose", pose, (n_graphs, 6))
    check_finite("pose", pose)
    found = []
    for i, (density, potential) in enumerate(zip(*grids, strict=True)):
        part = slice(ptr[i], ptr[i + 1])
        pos = data.pos[part].detach().double().cpu()
        z = data.z[part].cpu().numpy()
        charge = 0.0 if data.get("charge") is None else round(float(data.charge[part].sum()))
        _check_grids(density, potential, z, pos.numpy(), charge, pbc[i])
        if pbc[i].any() and np.abs((density.cell - cells[i])[pbc[i]]).max() > _SAME_CELL:
            raise InputError(
                f"cell: expected the edges of the density's grid, {np.round(density.cell, 3).tolist()}, "
                f"along which the sample repeats, got {np.round(cells[i], 3).tolist()} Å"
            )
        vector, shift = pose[i].double().cpu().split(3)
        if pbc[i].any() and (vector.requires_grad or bool(vector.any())):
            raise InputError("pose: expected no rotation of a sample that repeats; turn it by Orient")
        x, y, zz = vector
        zero = torch.zeros_like(x)
        skew = torch.stack([zero, -zz, y, zz, zero, -x, -y, x, zero]).reshape(3, 3)
        turn = torch.linalg.matrix_exp(skew)
        center = pos.mean(0)
        moved = (pos - center) @ turn.T + center + shift
        found.append(Sample(z, moved, density, potential, pbc[i], turn, center, shift))
    return found


def _grids(data: AFMData | Batch, key: str, n_graphs: int) -> list[ScalarGrid]:
    value, expected = data.get(key), {"density": DensityGrid, "potential": PotentialGrid}[key]
    grids = value if isinstance(value, list) else [value]
    for grid in grids:
        if not isinstance(grid, expected):
            got = "none" if grid is None else type(grid).__name__
            raise InputError(
                f"{key}: expected a {expected.__name__} of each graph beside the other, got {got}"
            )
    if len(grids) != n_graphs:
        raise InputError(f"{key}: expected one of each of {n_graphs} graphs, got {len(grids)}")
    return grids


def _check_grids(
    density: DensityGrid,
    potential: PotentialGrid,
    z: np.ndarray,
    pos: np.ndarray,
    charge: float,
    pbc: np.ndarray,
) -> None:
    same = density.values.shape == potential.values.shape
    if not same or any(
        np.abs(getattr(density, name) - getattr(potential, name)).max() > _SAME for name in ("origin", "cell")
    ):
        raise InputError(
            f"density, potential: expected the same grid, got {density.values.shape} from "
            f"{np.round(density.origin, 3).tolist()} and {potential.values.shape} from "
            f"{np.round(potential.origin, 3).tolist()} Å, or other cells"
        )
    if not len(z):
        raise InputError("z: expected at least one atom, for the densities are those of atoms, got none")
    shape = np.array(density.values.shape)
    index = density.index(pos)
    if ((index < 0) | (index > shape))[:, ~pbc].any():
        raise InputError("density: expected a grid that holds every atom, got one that leaves some outside")
    effective_charges("density", z, density.integral, charge)
    near = np.rint(index).astype(int) % shape
    if potential.values[tuple(near.T)].mean() < potential.values.mean():
        raise InputError(
            "potential: expected that of a positive charge, highest at the nuclei, got one that is lower "
            "there than on average; it is an electron's energy: multiply it by -1"
        )
