"""Which atoms are in a layer, and which an image can show."""

from __future__ import annotations

import ase
import numpy as np
from ase.cell import Cell
from ase.data import vdw_radii

from torch_afm.elements import atomic_number
from torch_afm.metrics.structure.neighbors import neighbors, wrap
from torch_afm.utils import InputError, check_finite

_UNKNOWN_RADIUS = 2.0  # Å, for elements without a van der Waals radius in ASE's table


def substrate_height(z: np.ndarray, pos: np.ndarray, element: str) -> float | None:
    """Height of the topmost atom of an element in Å, ``None`` where there is none.

    Shapes:
        z ``[N]``, pos ``[N, 3]``.
    """
    heights = pos[z == atomic_number(element), 2]
    return float(heights.max()) if len(heights) else None


def layers(atoms: ase.Atoms, gap: float = 1.0) -> np.ndarray:
    """Layer of each atom, counted from the top: sorted by height, a new layer begins after every gap wider
    than ``gap``.

    Args:
        atoms: the structure.
        gap: in Å.

    Shapes:
        -> ``[N]``, 0 for the topmost layer.

    Raises:
        InputError: for non-finite positions or a gap that is not above 0.
    """
    heights = np.asarray(atoms.positions)[:, 2]
    check_finite("atoms.positions", heights)
    if not gap > 0:
        raise InputError(f"gap: expected a length in Å above 0, got {gap}")
    order = np.argsort(-heights, kind="stable")
    index = np.empty(len(heights), dtype=int)
    index[order] = np.cumsum(np.diff(-heights[order], prepend=-heights.max(initial=-np.inf)) > gap)
    return index


def visible_mask(
    z: np.ndarray,
    pos: np.ndarray,
    cell: np.ndarray,
    pbc: np.ndarray,
    depth: float | None = None,
    probe: float | None = None,
    bond: float = 1.25,
) -> np.ndarray:
    r"""Atoms that an image can show. Depth: no deeper than ``depth`` below the topmost atom. Shadow: a probe
    sphere of radius :math:`R_p` that comes down on atoms with van der Waals radii :math:`R_j` stops, above
    the point :math:`(x, y)`, with its centre at

    .. math::
        h(x, y) = \max_j \left[ z_j + \sqrt{(R_j + R_p)^2 - (x - x_j)^2 - (y - y_j)^2} \right].

    Atom :math:`i` is seen if it is the one that stops the probe above itself,
    :math:`z_i + R_i + R_p = h(x_i, y_i)`. A hydrogen and the atom that it is bonded to are seen or hidden
    together: the image of one places the other.

    Args:
        z: atomic numbers.
        pos: positions in Å.
        cell: lattice vectors in Å as rows, linearly independent.
        pbc: which of them are repeated; images along those that lie in the surface cast shadows too.
        depth: in Å; ``None`` does not ask.
        probe: :math:`R_p` in Å; ``None`` does not ask.
        bond: longest bond of a hydrogen in Å.

    Shapes:
        z ``[N]``, pos ``[N, 3]``, cell ``[3, 3]``, pbc ``[3]`` -> ``[N]`` of bool.
    """
    mask = np.ones(len(z), dtype=bool)
    if not len(z):
        return mask
    if probe is not None:
        radius = np.nan_to_num(vdw_radii[np.minimum(z, len(vdw_radii) - 1)], nan=_UNKNOWN_RADIUS) + probe
        lateral = pbc & (np.abs(cell[:, 2]) < 1e-6)
        plane = np.array(Cell(cell * lateral[:, None]).complete())
        flat = wrap(pos * [1, 1, 0], plane, lateral)
        every = np.arange(len(z))
        over = neighbors(flat, every, every, radius.max(), plane, lateral)
        above = over.keep(over.distance <= radius[over.other])
        stop = pos[above.other, 2] + np.sqrt(radius[above.other] ** 2 - above.distance**2)
        height = pos[:, 2] + radius
        highest = height.copy()
        np.maximum.at(highest, above.center, stop)
        mask = height >= highest - 1e-9
        hydrogen, heavy = np.flatnonzero(z == 1), np.flatnonzero(z != 1)
        bonds = neighbors(pos, hydrogen, heavy, bond, cell, pbc)
        bonded = bonds.count > 0
        group = every.copy()
        group[hydrogen[bonded]] = bonds.other[bonds.start[:-1][bonded]]
        mask = np.isin(group, group[mask])
    if depth is not None:
        mask &= pos[:, 2] >= pos[:, 2].max() - depth
    return mask
