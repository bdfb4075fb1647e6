"""Scenes: molecules as they lie on surfaces, drawn from ranges."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from ase.build import fcc111
from scipy.spatial.transform import Rotation

from torch_afm.config import Scan
from torch_afm.config.scenes import ARRANGEMENTS, METALS, SceneConfig
from torch_afm.data import AFMData
from torch_afm.datasets.enumerate import is_planar
from torch_afm.datasets.packing import (
    Points,
    bring_into_contact,
    draw_lattice,
    lattice_points,
    turn_about_z,
)
from torch_afm.datasets.scene_atoms import STANDOFF, SceneAtoms
from torch_afm.datasets.slabs import MARGIN, REACH, cut_window, slab_from_ase
from torch_afm.datasets.sources import CLEARANCE, MoleculeSource, PackedMolecules, check_margin
from torch_afm.datasets.water import water_bilayer
from torch_afm.datasets.water_clusters import water_cluster
from torch_afm.elements import atomic_number
from torch_afm.transforms import flat_rotation
from torch_afm.transforms.rotations import best_rotation_ids, candidate_rotations
from torch_afm.utils import InputError

#: Å beyond the window: atoms of a metal that stacks image.
_METAL_REACH = 4.0

#: Orientations of a bulky molecule that one is drawn from, and those that these are the best of.
_POSES, _POSE_CANDIDATES = 30, 500

#: Different layers of water, which scenes show windows of.
_WATER_LAYERS = 200

#: Depth in Å below the highest atom down to which an image shows atoms well.
_VISIBLE = 1.0

#: Draws of a scene before giving up.
_TRIES = 50

_METALS = [atomic_number(metal) for metal in METALS]


class Scenes(MoleculeSource):
    """Molecules as scans show them: anywhere in the window and cut by its edge, alone, in contact with
    others, in islands and layers, on a metal; and water. Planar molecules lie flat on the surface, or tilted
    by a few degrees, some of them bent; bulky ones in one of their best orientations
    (:func:`~torch_afm.transforms.best_rotations`). All
    stand on one surface. Entry ``i`` is drawn from ``(seed, i)`` alone.

    References image all atoms up to 8 Å beyond the window. Graphs and targets leave out atoms farther than
    ``margin`` outside of the window and those of elements that the classes do not have, such as the metal's.
    Dipoles are turned along with their molecules; those of water and metal are zero.

    Args:
        molecules: molecules with ``z``, ``pos``, ``charge``, ``edge_index`` and, where any has dipoles,
            ``dipole``, zero for the others. Those within 0.3 Å of a plane are planar.
        scan: the scan of the window.
        config: what is drawn.
        scenes: number of scenes.
        margin: in Å.
        seed: seed of everything drawn.

    Raises:
        InputError: as :class:`~torch_afm.datasets.RotatedMolecules` for ``molecules``; for fewer than one
            scene, and a ``margin`` that is no length. :meth:`oriented` raises it for a window in which no
            scene of the ranges finds room.
    """

    def __init__(
        self,
        molecules: Sequence[AFMData],
        scan: Scan | None = None,
        config: SceneConfig | None = None,
        scenes: int = 100_000,
        margin: float = MARGIN,
        seed: int = 0,
    ) -> None:
        if scenes < 1:
            raise InputError(f"scenes: expected at least 1, got {scenes}")
        check_margin(margin)
        self.molecules = PackedMolecules(molecules)
        self.planar = np.array([is_planar(molecules[i]) for i in range(len(molecules))])
        self.scan = scan or Scan()
        self.config = config or SceneConfig()
        self.scenes = scenes
        self.margin: float = margin
        self.seed = seed

    def __len__(self) -> int:
        return self.scenes

    def oriented(self, index: int) -> AFMData:
        rng = np.random.default_rng((self.seed, index, 3))
        weights = np.array([getattr(self.config, name) for name in ARRANGEMENTS])
        arrangement = str(rng.choice(ARRANGEMENTS, p=weights / weights.sum()))
        draw = {
            "alone": self._draw_alone,
            "several": self._draw_several,
            "island": self._draw_island,
            "layer": self._draw_layer,
            "water": self._draw_water,
        }[arrangement]
        for _ in range(_TRIES):
            atoms = draw(rng)
            # The window need not lie around the origin.
            atoms = atoms.moved(np.array([*self.scan.center, 0.0]))
            if self._visible(atoms.pos) >= self.config.min_atoms:
                break
        else:
            raise InputError(
                f"scan, config: expected room for {self.config.min_atoms} atoms of a scene ({arrangement}) "
                f"in the window {self.scan.window}, found none in {_TRIES} draws"
            )
        if rng.random() < self.config.metal and not np.isin(atoms.z, _METALS).any():
            atoms = SceneAtoms.join([atoms, self._draw_metal(rng)])
        return self._graph(atoms.chosen(self._inside(atoms.pos, REACH)))

    def _graph(self, atoms: SceneAtoms) -> AFMData:
        """The graph, the highest atom that the tip could touch at z = 0."""
        data = AFMData(
            z=torch.from_numpy(atoms.z),
            pos=torch.from_numpy(atoms.pos).float(),
            charge=torch.from_numpy(atoms.charge),
            edge_index=torch.from_numpy(np.ascontiguousarray(atoms.bonds)),
        )
        if "dipole" in self.molecules.values:
            data.dipole = torch.from_numpy(atoms.dipole)
        data.pos = data.pos - data.pos.new_tensor([0, 0, self._top(atoms.pos)])
        return data

    def _top(self, pos: Points) -> float:
        """Height of the highest atom that the tip could touch."""
        near = self._inside(pos, max(self.margin, CLEARANCE))
        return float(pos[near, 2].max()) if near.any() else np.inf

    def _visible(self, pos: Points) -> int:
        """Number of atoms in the window that an image shows."""
        return int((self._inside(pos, 0.0) & (pos[:, 2] >= self._top(pos) - _VISIBLE)).sum())

    def _inside(self, pos: Points, margin: float) -> np.ndarray:
        low, high = np.array(self.scan.window).T
        return ((pos[:, :2] >= low - margin) & (pos[:, :2] <= high + margin)).all(axis=1)

    def _place(self, rng: np.random.Generator) -> Points:
        """Somewhere in the window or beyond its edge, from its center."""
        half = np.array(self.scan.extent) / 2 + self.config.beyond
        return np.array([*rng.uniform(-half, half), 0.0])

    def _draw_species(self, rng: np.random.Generator) -> list[int]:
        """The different molecules of a scene."""
        planar, bulky = np.flatnonzero(self.planar), np.flatnonzero(~self.planar)
        share = 1.0 if not len(bulky) else 0.0 if not len(planar) else self.config.planar
        number = rng.integers(1, self.config.species + 1)
        return [int(rng.choice(planar if rng.random() < share else bulky)) for _ in range(number)]

    def _draw_molecule(self, index: int, rng: np.random.Generator) -> SceneAtoms:
        """A molecule in one of its orientations, its middle at x = y = 0, on the surface."""
        atoms = SceneAtoms.from_graph(self.molecules[index])
        if self.planar[index]:
            matrix = flat_rotation(atoms.pos).as_matrix()
            if rng.random() < self.config.bent:
                angle, sag = rng.uniform(0, 2 * np.pi), rng.uniform(-self.config.bend, self.config.bend)
                atoms = atoms.bent(np.cos(angle) * matrix[0] + np.sin(angle) * matrix[1], matrix[2], sag)
            matrix = np.diag([1.0, -1.0, -1.0]) @ matrix if rng.random() < 0.5 else matrix
            if rng.random() < self.config.tilted:
                axis, tilt = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(0, self.config.tilt))
                matrix = (
                    Rotation.from_rotvec(tilt * np.array([np.cos(axis), np.sin(axis), 0])).as_matrix()
                    @ matrix
                )
        else:
            matrix = self._poses(index)[rng.integers(_POSES)]
        atoms = atoms.turned(turn_about_z(rng.uniform(0, 2 * np.pi)) @ matrix)
        return atoms.standing(rng, self.config.spread)

    def _poses(self, index: int) -> Points:
        """The best orientations of a bulky molecule, ``[30, 3, 3]``."""
        if index not in self._known_poses:
            (ids,) = best_rotation_ids(
                [self.molecules[index].pos.numpy()], _POSES, _POSE_CANDIDATES, self.seed
            )
            self._known_poses[index] = self._candidates[ids]
        return self._known_poses[index]

    @cached_property
    def _known_poses(self) -> dict[int, Points]:
        return {}

    @cached_property
    def _known_layers(self) -> dict[int, AFMData]:
        return {}

    @cached_property
    def _candidates(self) -> Points:
        return candidate_rotations(_POSE_CANDIDATES, self.seed).as_matrix()

    def _draw_alone(self, rng: np.random.Generator) -> SceneAtoms:
        return self._draw_molecule(self._draw_species(rng)[0], rng).moved(self._place(rng))

    def _draw_several(self, rng: np.random.Generator) -> SceneAtoms:
        species = self._draw_species(rng)
        number = rng.integers(self.config.molecules[0], self.config.molecules[1] + 1)
        return self._draw_group([species[rng.integers(len(species))] for _ in range(number)], rng).moved(
            self._place(rng)
        )

    def _draw_group(self, species: Sequence[int], rng: np.random.Generator) -> SceneAtoms:
        """Molecules, each in contact with one of those before it, the first in the middle."""
        parts: list[SceneAtoms] = []
        for molecule in species:
            part = self._draw_molecule(molecule, rng)
            if parts:
                start = parts[rng.integers(len(parts))]
                part = part.moved((start.pos.mean(axis=0) - part.pos.mean(axis=0)) * (1, 1, 0))
                others = SceneAtoms.join(parts)
                gap = rng.uniform(*self.config.gap)
                shift = bring_into_contact(
                    part.pos,
                    part.radii + gap / 2,
                    others.pos,
                    others.radii + gap / 2,
                    rng.uniform(0, 2 * np.pi),
                )
                part = part.moved(shift)
            parts.append(part)
        return SceneAtoms.join(parts)

    def _draw_lattice(self, rng: np.random.Generator) -> tuple[SceneAtoms, Points]:
        """A unit cell of one or two molecules, and its copies' places around the window's center."""
        species = self._draw_species(rng)[:2]
        if len(species) == 1 and rng.random() < 0.5:
            species = species * 2
        cell = self._draw_group(species, rng)
        gap = rng.uniform(*self.config.gap)
        vectors = draw_lattice(cell.pos, cell.radii + gap / 2, self.config.slack, rng)
        radius = np.linalg.norm(self.scan.extent) / 2 + REACH + np.ptp(cell.pos[:, :2], axis=0).max()
        origin = rng.random(2) @ vectors
        places = lattice_points(vectors, -origin, float(radius)) + origin
        return cell, places[rng.random(len(places)) >= rng.uniform(0, self.config.vacancies)]

    def _fill(self, cell: SceneAtoms, places: Points) -> SceneAtoms:
        """Copies of a cell, but for atoms far from the window."""
        copies = [cell.moved(np.array([x, y, 0.0])) for x, y in places]
        center = np.array([*self.scan.center, 0.0])
        near = [c for c in copies if self._inside(c.pos + center, REACH).any()]
        return SceneAtoms.join(near or [cell])

    def _draw_layer(self, rng: np.random.Generator) -> SceneAtoms:
        return self._fill(*self._draw_lattice(rng))

    def _draw_island(self, rng: np.random.Generator) -> SceneAtoms:
        cell, places = self._draw_lattice(rng)
        edge, angle = self._place(rng)[:2] * 0.6, rng.uniform(0, 2 * np.pi)
        inner = (places - edge) @ [np.cos(angle), np.sin(angle)] < 0
        return self._fill(cell, places[inner])

    def _draw_water(self, rng: np.random.Generator) -> SceneAtoms:
        if rng.random() < self.config.water_layers:
            slab = self._water_layer(int(rng.integers(_WATER_LAYERS)))
            center = rng.random(2) @ slab.cell[0, :2, :2].double().numpy()
            window = cut_window(slab, center, rng.uniform(0, 2 * np.pi), self.scan)
            atoms = SceneAtoms.from_graph(window)
            return atoms.moved(-np.array([*self.scan.center, 0.0]))
        low, high = self.config.waters
        n = int(rng.integers(low, high + 1))
        shapes = ["cluster", "chain", *(["ring"] if 3 <= n <= 6 else [])]
        water = water_cluster(n, str(rng.choice(shapes)), rng)
        z, pos = water.numbers.astype(np.int64), water.positions
        oxygen = np.arange(0, len(z), 3)
        pairs = np.stack([np.repeat(oxygen, 2), np.flatnonzero(z == 1)])
        bonds = np.concatenate([pairs, pairs[::-1]], axis=1)
        charge = water.get_initial_charges().astype(np.float32)
        atoms = SceneAtoms(
            z, pos, charge, np.zeros((len(z), 3), np.float32), bonds[:, np.lexsort(bonds[::-1])]
        )
        return (
            atoms.turned(turn_about_z(rng.uniform(0, 2 * np.pi))).standing(rng, 0.0).moved(self._place(rng))
        )

    def _water_layer(self, number: int) -> AFMData:
        if number not in self._known_layers:
            metals = [metal for metal in self.config.metals if metal != "Cu"] or ["Au"]
            layer = water_bilayer((self.seed, number), metal=metals[number % len(metals)])
            self._known_layers[number] = slab_from_ase(layer)
        return self._known_layers[number]

    def _draw_metal(self, rng: np.random.Generator) -> SceneAtoms:
        """The uppermost layer of fcc(111) below the window, at a random place and turn."""
        slab = fcc111(str(rng.choice(self.config.metals)), (1, 1, 1))
        half = np.array(self.scan.extent) / 2 + _METAL_REACH
        vectors = slab.cell.array[:2, :2] @ turn_about_z(rng.uniform(0, 2 * np.pi))[:2, :2].T
        origin = rng.random(2) @ vectors
        places = lattice_points(vectors, -origin, float(np.linalg.norm(half))) + origin
        places = places[(np.abs(places) <= half).all(axis=1)] + np.array(self.scan.center)
        depth = STANDOFF - rng.uniform(*self.config.height)
        n = len(places)
        return SceneAtoms(
            np.full(n, slab.numbers[0], dtype=np.int64),
            np.column_stack([places, np.full(n, depth)]),
            np.zeros(n, np.float32),
            np.zeros((n, 3), np.float32),
            np.empty((2, 0), dtype=np.int64),
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.molecules)} molecules, {len(self)} scenes)"
