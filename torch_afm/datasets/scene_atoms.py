"""Atoms of scenes: joined, turned, bent, stood on the surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from rdkit import Chem

from torch_afm.data import AFMData
from torch_afm.datasets.packing import Points

#: Å that heavy atoms and hydrogens keep off the surface that molecules stand on.
STANDOFF, HYDROGEN_STANDOFF = 1.7, 1.2


@dataclass(frozen=True)
class SceneAtoms:
    """Atoms in NumPy arrays: ``z`` ``[N]``, ``pos`` ``[N, 3]``, ``charge`` ``[N]``, ``dipole`` ``[N, 3]``,
    ``bonds`` ``[2, E]``."""

    z: np.ndarray
    pos: Points
    charge: np.ndarray
    dipole: np.ndarray
    bonds: np.ndarray

    @classmethod
    def from_graph(cls, data: AFMData) -> SceneAtoms:
        dipole = data.dipole.numpy() if "dipole" in data else np.zeros(data.pos.shape, np.float32)
        pos = data.pos.double().numpy()
        return cls(data.z.numpy(), pos, data.charge.numpy(), dipole, data.edge_index.numpy())

    @classmethod
    def join(cls, parts: Sequence[SceneAtoms]) -> SceneAtoms:
        starts = np.cumsum([0] + [len(p.z) for p in parts])
        return cls(
            z=np.concatenate([p.z for p in parts]),
            pos=np.concatenate([p.pos for p in parts]),
            charge=np.concatenate([p.charge for p in parts]),
            dipole=np.concatenate([p.dipole for p in parts]),
            bonds=np.concatenate([p.bonds + s for p, s in zip(parts, starts, strict=False)], axis=1),
        )

    @cached_property
    def radii(self) -> np.ndarray:
        """Van der Waals radii in Å."""
        table = Chem.GetPeriodicTable()
        values = {n: table.GetRvdw(n) for n in np.unique(self.z).tolist()}
        return np.array([values[n] for n in self.z.tolist()])

    def turned(self, matrix: Points) -> SceneAtoms:
        dipole = (self.dipole @ matrix.T).astype(np.float32)
        return replace(self, pos=self.pos @ matrix.T, dipole=dipole)

    def moved(self, shift: Points) -> SceneAtoms:
        return replace(self, pos=self.pos + shift)

    def bent(self, direction: Points, normal: Points, sag: float) -> SceneAtoms:
        r"""Bent along a direction in the plane of the molecule, by :math:`s (u / L)^2` along its normal:
        :math:`u` from :math:`-L` to :math:`L` counts along the direction from the middle, :math:`s` is the
        ``sag`` in Å of both ends. Dipoles stay as they are."""
        along = self.pos @ direction
        low, high = along.min(), along.max()
        half = max((high - low) / 2, 1e-6)
        rise = sag * ((along - (low + high) / 2) / half) ** 2
        return replace(self, pos=self.pos + rise[:, None] * normal)

    def standing(self, rng: np.random.Generator, spread: float) -> SceneAtoms:
        """With its middle at x = y = 0, on the surface at z = 0."""
        standoff = np.where(self.z == 1, HYDROGEN_STANDOFF, STANDOFF)
        middle = (self.pos.min(axis=0) + self.pos.max(axis=0)) / 2
        bottom = (self.pos[:, 2] - standoff).min() - rng.uniform(0, spread)
        return self.moved(-np.array([middle[0], middle[1], bottom]))

    def chosen(self, mask: np.ndarray) -> SceneAtoms:
        number = np.cumsum(mask) - 1
        bonds = number[self.bonds[:, mask[self.bonds].all(axis=0)]]
        return SceneAtoms(self.z[mask], self.pos[mask], self.charge[mask], self.dipole[mask], bonds)
