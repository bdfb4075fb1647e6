"""One structure, checked, wrapped and cut to what settings ask for, with its tables of neighbors."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import ase
import numpy as np
from ase.cell import Cell
from ase.data import chemical_symbols, vdw_radii

from torch_afm.config.structure import StructureSettings
from torch_afm.elements import atomic_number, max_bond_length
from torch_afm.metrics.structure.neighbors import Pairs, angle, neighbors, wrap
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
    the point :math:`(x, y)`, with its center at

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


class Donated(NamedTuple):
    """Hydrogens and acceptors: indices of donor and hydrogen, distance donor-acceptor in Å, angle at the
    hydrogen in degrees, ``[N]`` each."""

    donor: np.ndarray
    hydrogen: np.ndarray
    distance: np.ndarray
    angle: np.ndarray


class Prepared:
    """What every feature of one structure is computed from. Tables are made when first asked for.

    Args:
        atoms: the structure.
        settings: conventions.

    Raises:
        InputError: for anything but ASE atoms, non-finite positions, an atom of no element, or a cell that
            is flat along a periodic direction.
    """

    def __init__(self, atoms: ase.Atoms, settings: StructureSettings):
        if not isinstance(atoms, ase.Atoms):
            raise InputError(f"atoms: expected ase.Atoms or a sequence of them, got {type(atoms).__name__}")
        self.settings = settings
        self.z = np.array(atoms.numbers)
        self.pos = np.array(atoms.positions, dtype=np.float64)
        check_finite("atoms.positions", self.pos)
        if len(self.z) and not 1 <= self.z.min() <= self.z.max() < len(chemical_symbols):
            bad = self.z[(self.z < 1) | (self.z >= len(chemical_symbols))][0]
            raise InputError(f"atoms.numbers: expected atomic numbers of elements, got {bad}")
        self.pbc = np.array(atoms.pbc) & settings.periodic
        self.cell = np.array(atoms.cell.complete())
        if self.pbc.any():
            check_finite("atoms.cell", self.cell)
            lattice = np.array(atoms.cell)[self.pbc]
            if np.linalg.matrix_rank(lattice) < len(lattice):
                raise InputError(
                    f"atoms.cell: expected independent vectors along periodic axes, got {lattice.tolist()}"
                )
            self.pos = wrap(self.pos, self.cell, self.pbc)
        self.ground = substrate_height(self.z, self.pos, settings.substrate)
        mask = visible_mask(
            self.z,
            self.pos,
            self.cell,
            self.pbc,
            settings.visible_depth,
            settings.shadow,
            settings.oh_cutoff,
        )
        self.z, self.pos = self.z[mask], self.pos[mask]

    def index_of(self, *elements: str) -> np.ndarray:
        """Indices of the atoms of some elements."""
        return np.flatnonzero(np.isin(self.z, [atomic_number(e) for e in elements]))

    def in_layer(self, index: np.ndarray) -> np.ndarray:
        """Those of ``index`` inside the layer of the settings."""
        return index[self._layer[index]]

    def pairs(self, centers: np.ndarray, others: np.ndarray, cutoff: float) -> Pairs:
        """Neighbors ``others`` of ``centers`` within a cutoff; atoms at one place are no neighbors."""
        pairs = neighbors(self.pos, centers, others, cutoff, self.cell, self.pbc)
        return pairs.keep(pairs.distance > 1e-6)

    @cached_property
    def _layer(self) -> np.ndarray:
        if self.settings.layer is None or self.ground is None:
            return np.ones(len(self.z), dtype=bool)
        low, high = self.settings.layer
        height = self.pos[:, 2] - self.ground
        return (height > low) & (height <= high)

    @cached_property
    def centers(self) -> np.ndarray:
        """Indices of the central atoms (all tables below speak of places in this list)."""
        return self.in_layer(self.index_of(self.settings.center))

    @cached_property
    def around(self) -> Pairs:
        """Neighbors of the central atoms up to ``reach``, the longest of the cutoffs."""
        settings = self.settings
        partners = self.index_of(settings.center) if settings.partners == "any" else self.centers
        longest = max(settings.reach, settings.pair_cutoff, settings.order_cutoff)
        return self.pairs(self.centers, partners, longest)

    @cached_property
    def hydrogens(self) -> Pairs:
        """Hydrogens bonded to the central atoms."""
        return self.bonded(self.centers, self.index_of(self.settings.center), self.settings.oh_cutoff)

    @cached_property
    def covalent(self) -> Pairs:
        """Atoms closer than the sum of their covalent radii and a tolerance, the rule of
        :func:`torch_afm.data.covalent_bonds`, across periodic boundaries; every bond from both its ends."""
        every = np.arange(len(self.z))
        tolerance = self.settings.bond_tolerance
        pairs = self.pairs(every, every, max_bond_length(self.z, self.z, tolerance).max(initial=tolerance))
        bonded = max_bond_length(self.z[pairs.center], self.z[pairs.other], tolerance)
        return pairs.keep(pairs.distance < bonded)

    @cached_property
    def molecular(self) -> Pairs:
        """The covalent bonds that do not touch the substrate."""
        metal = self.z == atomic_number(self.settings.substrate)
        return self.covalent.keep(~(metal[self.covalent.center] | metal[self.covalent.other]))

    def bonded(self, centers: np.ndarray, owners: np.ndarray, cutoff: float) -> Pairs:
        """Hydrogens of ``centers``: nearest to one of these among all ``owners``, unless settings say all."""
        pairs = self.pairs(centers, self.index_of(self.settings.hydrogen), cutoff)
        if self.settings.hydrogens == "all":
            return pairs
        owned = self.pairs(self.index_of(self.settings.hydrogen), owners, cutoff)
        nearest = np.full(len(self.z), np.inf)
        some = owned.count > 0
        nearest[self.index_of(self.settings.hydrogen)[some]] = owned.distance[owned.start[:-1][some]]
        # The two distances are of one pair, computed from either end.
        return pairs.keep(pairs.distance <= nearest[pairs.other] + 1e-9)

    @cached_property
    def donated(self) -> Donated:
        """Every donated hydrogen with the acceptors within ``hbond_cutoff`` of its donor, or the one of them
        nearest to the hydrogen, as settings say; however bent."""
        settings = self.settings
        everyone = self.index_of(*settings.donors)
        donors, acceptors = self.in_layer(everyone), self.index_of(*settings.acceptors)
        if settings.partners == "layer":
            acceptors = self.in_layer(acceptors)
        bonds = self.bonded(donors, everyone, settings.donor_cutoff)
        bonds = bonds.keep(bonds.distance < settings.donor_cutoff)
        to = self.pairs(donors, acceptors, settings.hbond_cutoff)
        bond, row = to.join(bonds.center)
        from_hydrogen = to.vector[row] - bonds.vector[bond]
        length = np.sqrt(np.einsum("nk,nk->n", from_hydrogen, from_hydrogen))
        order = np.flatnonzero(length > 1e-6)
        if settings.acceptor == "nearest":
            # Sorted by bond and then by distance, the first row of each bond is the one to keep.
            order = order[np.lexsort((length[order], bond[order]))]
            order = order[np.diff(bond[order], prepend=-1) > 0]
        bond, row, from_hydrogen = bond[order], row[order], from_hydrogen[order]
        return Donated(
            donors[bonds.center[bond]],
            bonds.other[bond],
            to.distance[row],
            angle(-bonds.vector[bond], from_hydrogen),
        )
