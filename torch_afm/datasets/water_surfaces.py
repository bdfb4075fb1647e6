"""Relaxed water on Au(111) and Cu(111), from single clusters to bilayers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import ase
import numpy as np
from ase.build import fcc111
from scipy.spatial.transform import Rotation

from torch_afm.data import AFMData
from torch_afm.datasets.base import GraphDataset
from torch_afm.datasets.slabs import read_slabs, slab_from_ase
from torch_afm.datasets.water import CHARGE, HEIGHT, hydrogens, water_bilayer
from torch_afm.datasets.water_clusters import water_cluster
from torch_afm.datasets.water_potential import relax_water
from torch_afm.utils import InputError

#: What a surface shows.
ARRANGEMENTS = ("clusters", "chains", "monolayer", "domains", "edge", "bilayer", "mound")

#: Clusters or chains on 12 x 12 sites, few and many: most windows show one; and molecules of each, at most.
_GROUPS, _CLUSTER, _CHAIN = (4, 9), 12, 10
#: Å: oxygens of two of them are no nearer.
_APART = 4.5

#: Molecules of a mound, heights in Å between which they are put, and distance to any oxygen.
_MOUND, _HEIGHTS, _MIN_DISTANCE = (6, 45), (4.5, 7.0), 2.45

#: Share of free hydrogens that point down: theory's mostly point up.
_H_DOWN = 0.3

#: Annealing: K and ps.
_TEMPERATURE, _TIME = 250.0, 0.3

#: Draws of a place before giving it up.
_TRIES = 30


def water_surface(
    seed: int | tuple[int, ...] = 0, arrangement: str = "bilayer", metal: str = "Au", size: int = 12
) -> ase.Atoms:
    """A random arrangement of water on fcc(111), relaxed by :func:`~torch_afm.datasets.relax_water`; what
    cannot relax from where it begins is annealed before, for 0.3 ps from 250 K on. Protons obey the ice rules
    where a molecule has neighbors.

    - ``clusters`` and ``chains``: 4 to 9 (on 12 x 12 sites) of
      :func:`~torch_afm.datasets.water_clusters.water_cluster` (rings among the clusters), of 1 to 12 and 2 to
      10 molecules;
    - ``monolayer``: one honeycomb layer with vacancies; ``edge``: one that ends within the cell; ``domains``:
      one with antiphase boundaries, annealed; ``bilayer``: one with an island of a second; all from
      :func:`~torch_afm.datasets.water_bilayer`;
    - ``mound``: a full layer with 6 to 45 molecules without order on a part of it, annealed: as in the
      structures by theory that arXiv:2509.02240 compares with.

    Args:
        seed: of everything drawn.
        arrangement: one of these.
        metal: as of :func:`~torch_afm.datasets.water_bilayer`, one atomic layer of it.
        size: likewise.

    Returns:
        atoms as of :func:`~torch_afm.datasets.water_bilayer`.

    Raises:
        InputError: for another arrangement, and as :func:`~torch_afm.datasets.water_bilayer`.
    """
    if arrangement not in ARRANGEMENTS:
        raise InputError(f"arrangement: expected one of {', '.join(ARRANGEMENTS)}, got {arrangement!r}")
    rng = np.random.default_rng(seed)
    layer = {"second": 0.0, "vacancies": 0.1, "edge": 0.0, "h_down": rng.uniform(0, _H_DOWN)}
    layer |= {
        "domains": {"domains": True, "vacancies": 0.0},
        "edge": {"edge": 1.0},
        "bilayer": {"second": rng.uniform(0.05, 1.0)},
        "mound": {"vacancies": 0.0},
    }.get(arrangement, {})
    drawn = int(rng.integers(2**53))
    atoms = water_bilayer(drawn, metal, size, **layer)  # type: ignore[arg-type]
    if arrangement in ("clusters", "chains"):
        metal_alone = atoms[atoms.get_tags() > 0]
        groups = round(rng.uniform(*_GROUPS) * (size / 12) ** 2)
        atoms = metal_alone + _scattered(metal_alone, arrangement, groups, rng)
    elif arrangement == "mound":
        atoms += _mound(atoms, rng)
    lattice = fcc111(metal, (1, 1, 1)).cell.array[:2, :2]
    annealed = arrangement in ("domains", "mound")
    return relax_water(atoms, lattice, _TEMPERATURE if annealed else 0.0, _TIME, drawn)


def _scattered(slab: ase.Atoms, arrangement: str, groups: int, rng: np.random.Generator) -> ase.Atoms:
    """Clusters or chains at random places that keep apart; what finds no place is left out."""
    water = ase.Atoms(cell=slab.cell, pbc=slab.pbc)
    for _ in range(max(groups, 1)):
        if arrangement == "chains":
            n, shape = int(rng.integers(2, _CHAIN + 1)), "chain"
        else:
            n = int(rng.integers(1, _CLUSTER + 1))
            shape = str(rng.choice(["cluster", "ring"])) if 3 <= n <= 6 else "cluster"
        group = water_cluster(n, shape, rng)
        turned = Rotation.from_euler("z", rng.uniform(0, 2 * np.pi)).apply(group.positions)
        for _ in range(_TRIES):
            group.positions = turned + np.append(rng.random(2) @ slab.cell.array[:2, :2], HEIGHT)
            if _distance(slab, group.positions[::3], water.positions[::3]) > _APART:
                water += group
                break
    return water


def _mound(layer: ase.Atoms, rng: np.random.Generator) -> ase.Atoms:
    """Molecules above a disk of a layer, which grows until it holds them, turned at random."""
    center, radius = rng.random(2) @ layer.cell.array[:2, :2], 2.0
    n, below = int(rng.integers(_MOUND[0], _MOUND[1] + 1)), layer.positions[layer.numbers == 8]
    pos: list[np.ndarray] = []
    while len(pos) < n:
        for _ in range(_TRIES):
            away, angle = radius * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
            flat = center + away * np.array([np.cos(angle), np.sin(angle)])
            place = np.array([*flat, rng.uniform(*_HEIGHTS)])
            if _distance(layer, place[None], np.array([*below, *pos])) > _MIN_DISTANCE:
                pos.append(place)
                break
        else:
            radius += 0.4
    water = ase.Atoms("OHH" * n)
    water.set_initial_charges(np.tile([-2 * CHARGE, CHARGE, CHARGE], n))
    for i, place in enumerate(pos):
        turn = Rotation.from_quat(rng.normal(size=4)).as_matrix()
        arms = hydrogens(turn[0], turn[1], rng)
        water.positions[3 * i : 3 * i + 3] = place + np.stack([np.zeros(3), *arms])
    return water


def _distance(slab: ase.Atoms, some: np.ndarray, others: np.ndarray) -> float:
    """The shortest through the sides of the cell; infinite between none."""
    cell = slab.cell.array[:2, :2]
    vector = some[:, None] - others
    vector[..., :2] -= np.rint(vector[..., :2] @ np.linalg.inv(cell)) @ cell
    return float(np.linalg.norm(vector, axis=2).min(initial=np.inf))


class WaterSurfaces(GraphDataset):
    """Generated surfaces with water; item ``i`` is a :func:`water_surface` of the seed ``(seed, i)``, of any
    of the arrangements on any of the metals. Each takes a second or two: keep them where they are needed
    again.

    Args:
        n: number of them.
        seed: of everything drawn.
        arrangements: those drawn from, with equal chances.
        metals: likewise.
        size: as of :func:`water_surface`.
        transform: applied to each surface.
    """

    def __init__(
        self,
        n: int = 100,
        seed: int = 0,
        arrangements: Sequence[str] = ARRANGEMENTS,
        metals: Sequence[str] = ("Au", "Cu"),
        size: int = 12,
        transform: Callable[[AFMData], AFMData] | None = None,
    ) -> None:
        super().__init__(transform=transform)
        if n < 1:
            raise InputError(f"n: expected at least 1, got {n}")
        for name, chosen in (("arrangements", arrangements), ("metals", metals)):
            if isinstance(chosen, str) or not chosen:
                raise InputError(f"{name}: expected a list of at least one, got {chosen!r}")
        self.n, self.seed, self.size = n, seed, size
        self.arrangements, self.metals = tuple(arrangements), tuple(metals)

    def len(self) -> int:
        return self.n

    def atoms(self, index: int) -> ase.Atoms:
        """Item ``index`` as ASE atoms."""
        return self._make(int(self.indices()[index]))

    def get(self, idx: int) -> AFMData:
        return slab_from_ase(self._make(idx))

    def _make(self, number: int) -> ase.Atoms:
        rng = np.random.default_rng((self.seed, number, 4))
        arrangement, metal = str(rng.choice(self.arrangements)), str(rng.choice(self.metals))
        return water_surface((self.seed, number), arrangement, metal, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)}, seed={self.seed})"


def load_surfaces(name: str) -> Sequence[AFMData]:
    """Periodic surfaces: for ``water`` generated ones (:class:`WaterSurfaces`), else those of a file or a
    folder (:func:`~torch_afm.datasets.read_slabs`)."""
    return cast(Sequence[AFMData], WaterSurfaces()) if name == "water" else read_slabs(name)
