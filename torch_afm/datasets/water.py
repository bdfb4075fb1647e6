"""Generated layers of water on a metal, as in films that AFM images."""

from __future__ import annotations

import ase
import numpy as np
from ase.build import fcc111
from ase.neighborlist import neighbor_list
from scipy.spatial.transform import Rotation

from torch_afm.datasets.ice import donors
from torch_afm.utils import InputError

#: Distances in Å of neighboring molecules that a honeycomb can have.
FITS = 2.65, 2.95

#: Å: that distance on a metal whose atoms are nearer to each other.
_ICE = 2.77

#: Heights in Å of the first layer above the metal and of the second above the first.
HEIGHT, SPACING = 3.2, 2.85

#: e: charge of a hydrogen (TIP3P, Jorgensen et al., J. Chem. Phys. 79, 926 (1983)).
CHARGE = 0.417

#: Å: a hydrogen bond is no shorter and no longer, other oxygens are no nearer; and least distances of atoms
#: of two molecules.
_BOND, _NONBONDED = (2.65, 3.15), 3.35
_MIN_DISTANCES = {(8, 8): 2.5, (1, 8): 1.5, (1, 1): 1.65}

#: Draws of all places before giving up, and of the turns of molecules in the way for each.
_TRIES, _TURNS = 30, 4


def water_bilayer(
    seed: int | tuple[int, ...] = 0,
    metal: str = "Au",
    size: int = 12,
    metal_layers: int = 1,
    second: float | None = None,
    vacancies: float = 0.04,
    edge: float = 0.3,
    domains: bool = False,
    h_down: float = 0.5,
    jitter: float = 1.0,
) -> ase.Atoms:
    r"""A random layer of water on fcc(111), periodic along x and y.

    The first layer is the ice-like honeycomb, commensurate as (√3 x √3)R30 (Doering and Madey, Surf. Sci.
    123, 305 (1982)): two molecules for three atoms of the metal, on top of these, the two sublattices
    0.2 to 0.8 Å apart in height. A second one lies on part of it, each molecule above one of the first, as in
    two-dimensional ice on gold (Ma et al., Nature 577, 60 (2020)), in an island with a random outline. Some
    molecules are missing, and sometimes a whole side of the layer. On a metal with nearer neighbors, such as
    copper, the honeycomb is incommensurate: the cell has more atoms of the metal than places of the layer.

    Protons obey the ice rules (Bernal and Fowler, J. Chem. Phys. 1, 515 (1933)): two hydrogens for each
    oxygen, one hydrogen on each bond between neighbors, drawn by :func:`~torch_afm.datasets.ice.donors`;
    hydrogens without a neighbor to point at point up, down to the metal, or into a gap. Molecules are rigid,
    O-H 0.96 to 1.00 Å and H-O-H 104 to 107°, displaced and turned at random (a second layer more than the
    first), hydrogen bonds 2.65 to 3.15 Å long.

    Args:
        seed: of everything drawn.
        metal: symbol of an fcc metal; on Rh, Pd, Ir, Pt, Al, Ag and Au, atoms 2.65 to 2.95 Å apart, the
            honeycomb is commensurate, and the metal has ``size`` atoms along each side of the cell.
        size: places of the layer along each side of the cell, a multiple of 3 from 6 on.
        metal_layers: of the metal; a probe does not feel the second.
        second: share of the first layer that the second one covers; by default none in two of five draws,
            else 5 to 100 %.
        vacancies: largest share of molecules missing from the first layer.
        edge: how often the first layer ends within the cell.
        domains: whether the first layer has a stripe in which the honeycomb is shifted by a neighbor of the
            metal, with antiphase boundaries on either side.
        h_down: how often a hydrogen of the first layer that points away from the layer points down.
        jitter: factor on displacements and turns.

    Returns:
        atoms with ``cell``, ``pbc``, charges (TIP3P; the metal's are 0) and ASE's tags: 0 for water. Each
        molecule is whole: its atoms are not wrapped into the cell.

    Raises:
        InputError: for another metal, and settings out of range.
    """
    if size < 6 or size % 3 or metal_layers < 1:
        raise InputError(
            "size, metal_layers: expected a multiple of 3 from 6 on, and 1 or more, "
            f"got {size} and {metal_layers}"
        )
    shares = {"second": second or 0.0, "vacancies": vacancies, "edge": edge, "h_down": h_down}
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise InputError(f"{name}: expected a share, got {share}")
    if not 0 <= jitter <= 2:
        raise InputError(f"jitter: expected 0 to 2, got {jitter}")
    try:
        near = np.linalg.norm(fcc111(metal, (1, 1, 1)).cell[0])
    except (ValueError, KeyError) as error:
        raise InputError(f"metal: expected the symbol of an fcc metal, got {metal!r} ({error})") from None
    atoms = size if FITS[0] <= near <= FITS[1] else round(size * _ICE / near)
    side = atoms * near / size
    if not FITS[0] <= side <= FITS[1]:
        raise InputError(
            f"metal, size: expected a cell in which molecules are {FITS[0]} to {FITS[1]} Å apart, got "
            f"{metal!r} and {size} ({side:.2f} Å)"
        )
    slab = fcc111(metal, (atoms, atoms, metal_layers))
    slab.positions[:, 2] -= slab.positions[:, 2].max()
    slab.cell[2] = (0, 0, 30)
    slab.pbc = (True, True, False)
    slab.info = {}  # of sites of the metal's cell, which no file can hold

    rng = np.random.default_rng(seed)
    sites = _Sites(slab, size, rng, second, vacancies, edge, domains)
    for attempt in range(_TRIES):
        water = sites.molecules(rng, h_down, jitter * (1 - attempt / _TRIES))
        if water is not None:
            return slab + water
    raise InputError(f"water_bilayer: found no places without clashes in {_TRIES} draws for seed {seed}")


class _Sites:
    """Which sites of both layers have a molecule, and which of them are neighbors.

    Attributes:
        pos: of the oxygens in the perfect layers, ``[N, 3]`` Å.
        upper: whether a site is of the second layer, ``[N]``.
        bonds: neighbors, each pair once, ``[E, 2]``; ``offset``: to the image of the second, ``[E, 3]``.
        pairs: of ``bonds`` and, after them, of sites that are near to each other without a bond.
        around: of each site, the unit vectors to the places around it that are free.
    """

    def __init__(
        self,
        slab: ase.Atoms,
        size: int,
        rng: np.random.Generator,
        second: float | None,
        vacancies: float,
        edge: float,
        domains: bool,
    ) -> None:
        top = slab.positions[slab.get_tags() == 1]
        side = float(np.linalg.norm(slab.cell[0]) / size)
        if len(top) != size**2:
            steps = np.stack(np.divmod(np.arange(size**2), size), axis=1)
            top = steps / size @ slab.cell.array[:2]
        steps = np.rint(top @ np.linalg.inv(slab.cell) * size).astype(int)[:, :2]
        sublattice = (steps[:, 0] - steps[:, 1]) % 3
        if domains:
            begin, width, axis = rng.integers(size), rng.integers(size // 3, 2 * size // 3), rng.integers(2)
            stripe = (steps[:, axis] - begin) % size < width
            sublattice = np.where(stripe, (sublattice + rng.integers(1, 3)) % 3, sublattice)
        places, sublattice = top[sublattice < 2], sublattice[sublattice < 2]
        # Buckling: the two sublattices differ in height.
        height = (0.5 - sublattice) * rng.uniform(0.2, 0.8)
        lower = rng.random(len(places)) >= rng.uniform(0, vacancies)
        fractions = places @ np.linalg.inv(slab.cell)
        if rng.random() < edge:
            lower &= fractions[:, rng.integers(2)] < rng.uniform(0.4, 0.8) + rng.normal(0, 0.03, len(places))
        if domains:
            lower &= _three_neighbors(slab, places, 1.1 * side, lower)
        if not lower.any():
            lower[0] = True
        share = second if second is not None else rng.choice([0.0, rng.uniform(0.05, 1.0)], p=[0.4, 0.6])
        # An island: the sites nearest to its center, with a ragged outline.
        away = fractions[:, :2] - rng.random(2)
        distance = np.linalg.norm((away - np.rint(away)) @ slab.cell[:2], axis=1) + rng.normal(
            0, 1.5, len(places)
        )
        order = [i for i in np.argsort(distance) if lower[i]]
        upper = np.sort(order[: round(share * len(order))]).astype(int)
        first = np.flatnonzero(lower)
        tilt = (0.5 - sublattice) * rng.uniform(-0.3, 0.3)
        self.cell = slab.cell
        self.pos = np.concatenate(
            [
                np.column_stack([places[first, :2], HEIGHT + height[first]]),
                np.column_stack([places[upper, :2], HEIGHT + SPACING + (height + tilt)[upper]]),
            ]
        )
        self.upper = np.arange(len(self.pos)) >= len(first)
        site = np.concatenate([first, upper])
        self._connect(slab, places, site, len(first), side)

    def _connect(
        self, slab: ase.Atoms, places: np.ndarray, site: np.ndarray, n_first: int, side: float
    ) -> None:
        flat = ase.Atoms(f"O{len(places)}", positions=places * (1, 1, 0), cell=slab.cell, pbc=slab.pbc)
        begin, end, vector = neighbor_list("ijD", flat, 1.1 * side)
        number = {(bool(u), int(s)): k for k, (u, s) in enumerate(zip(self.upper, site, strict=True))}
        near: list[tuple[int, int, np.ndarray]] = []
        across: list[tuple[int, int, np.ndarray]] = []
        self.around: list[list[np.ndarray]] = [[] for _ in site]
        for i, j, v in zip(begin.tolist(), end.tolist(), vector, strict=True):
            if (False, i) in number and (True, j) in number:
                across.append((number[False, i], number[True, j], places[i] + v - places[j]))
            for layer in (False, True):
                site_index, other = number.get((layer, i)), number.get((layer, j))
                if site_index is None:
                    continue
                if other is None:
                    self.around[site_index].append(v / side)
                elif i < j:
                    near.append((site_index, other, places[i] + v - places[j]))
        for k in range(n_first):
            above = number.get((True, int(site[k])))
            if above is not None:
                near.append((k, above, np.zeros(3)))
        self.pairs = np.array([(a, b) for a, b, _ in near + across], dtype=int).reshape(-1, 2)
        self.offset = np.array([o for *_, o in near + across]).reshape(-1, 3)
        self.bonds = self.pairs[: len(near)]
        self.covered = np.isin(np.arange(len(site)), self.bonds[self.upper[self.bonds].any(1)].ravel())

    def molecules(self, rng: np.random.Generator, h_down: float, jitter: float) -> ase.Atoms | None:
        """A draw of the molecules; none where two come too near to each other, however they are turned."""
        pos = self.pos + rng.normal(0, 1, self.pos.shape) * jitter * np.where(self.upper, 0.2, 0.08)[:, None]
        self._relax(pos)
        vector = pos[self.bonds[:, 1]] + self.offset[: len(self.bonds)] - pos[self.bonds[:, 0]]
        donated: list[list[np.ndarray]] = [[] for _ in pos]
        first = donors(self.bonds, len(pos), rng)
        for (a, b), v, from_first in zip(self.bonds, vector, first, strict=True):
            giver, direction = (a, v) if from_first else (b, -v)
            donated[giver].append(direction / np.linalg.norm(direction))
        atoms = ase.Atoms("OHH" * len(pos), cell=self.cell, pbc=(True, True, False))
        atoms.set_initial_charges(np.tile([-2 * CHARGE, CHARGE, CHARGE], len(pos)))
        turned = list(range(len(pos)))
        for _ in range(_TURNS):
            for site in turned:
                both = self._hydrogen_directions(site, donated[site], rng, h_down)
                turn = Rotation.from_rotvec(rng.normal(0, 0.06, 3) * jitter)
                arms = turn.apply(hydrogens(*both, rng))
                atoms.positions[3 * site : 3 * site + 3] = pos[site] + np.stack([np.zeros(3), *arms])
            turned = clashing(atoms)
            if not turned:
                return atoms
        return None

    def _relax(self, pos: np.ndarray) -> None:
        """Bring the lengths of all bonds into their range, and other pairs out of it."""
        bonded = np.arange(len(self.pairs)) < len(self.bonds)
        low, high = np.where(bonded, _BOND[0] + 0.01, _NONBONDED), np.where(bonded, _BOND[1] - 0.01, np.inf)
        for _ in range(60):
            vector = pos[self.pairs[:, 1]] + self.offset - pos[self.pairs[:, 0]]
            length = np.linalg.norm(vector, axis=1)
            move = 0.3 * (length.clip(low, high) / length - 1)[:, None] * vector
            np.add.at(pos, self.pairs[:, 1], move)
            np.add.at(pos, self.pairs[:, 0], -move)

    def _hydrogen_directions(
        self, site: int, donated: list[np.ndarray], rng: np.random.Generator, h_down: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Directions of a molecule's hydrogens: to the neighbors that are given one, and to free places."""
        up, both = np.array([0.0, 0.0, 1.0]), list(donated)
        while len(both) < 2:
            free = list(self.around[site])
            if self.upper[site] or not (self.covered[site] or rng.random() < h_down):
                free.append(up)
            else:
                free.append(-up)
            # Not opposite to the other hydrogen, and not beside it.
            free = [v for v in free if all(-0.87 < v @ g < 0.5 for g in both)] or [up]
            both.append(free[rng.integers(len(free))] + rng.normal(0, 0.05, 3))
            both[-1] /= np.linalg.norm(both[-1])
        return both[0], both[1]


def _three_neighbors(slab: ase.Atoms, places: np.ndarray, reach: float, there: np.ndarray) -> np.ndarray:
    """Which sites to keep so that none has more than three neighbors; those with most go first."""
    keep = there.copy()
    flat = ase.Atoms(f"O{len(places)}", positions=places * (1, 1, 0), cell=slab.cell, pbc=slab.pbc)
    i, j = neighbor_list("ij", flat, reach)
    while True:
        count = np.bincount(i[keep[i] & keep[j]], minlength=len(places)) * keep
        if count.max(initial=0) <= 3:
            return keep
        keep[count.argmax()] = False


def hydrogens(first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Vectors ``[2, 3]`` from an oxygen to its hydrogens, along two directions as far as the angle allows."""
    half = np.radians(rng.uniform(104, 107)) / 2
    middle, across = first + second, first - second
    middle, across = middle / np.linalg.norm(middle), across / np.linalg.norm(across)
    arms = np.stack([middle * np.cos(half) + s * across * np.sin(half) for s in (1, -1)])
    return arms * rng.uniform(0.96, 1.0, (2, 1))


def clashing(water: ase.Atoms) -> list[int]:
    """Molecules with atoms too near to another one's."""
    i, j, d = neighbor_list("ijd", water, max(_MIN_DISTANCES.values()))
    z, molecule = water.numbers, np.arange(len(water)) // 3
    near = np.zeros(len(d), dtype=bool)
    for (a, b), minimum in _MIN_DISTANCES.items():
        near |= (z[i] == a) & (z[j] == b) & (molecule[i] != molecule[j]) & (d < minimum)
    return np.unique(molecule[np.concatenate([i[near], j[near]])]).tolist()
