"""Surface cut, removal of atoms, and the targets that follow: a molecule becomes a training step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch_geometric.transforms import BaseTransform

from torch_afm.data import AFMData
from torch_afm.transforms.base import Drawn
from torch_afm.utils import InputError


class MakeMutant(BaseTransform):
    r"""Leave out atoms below ``z_min`` and the visible atoms named by ``removed``; what is gone from the
    visible part becomes the target (the thesis, sections 2.3 and 4.3).

    The result's graph holds the atoms left (the mutant); ``missing_z``, ``missing_pos`` the removed visible
    atoms; ``missing_edge_index`` their bonds to atoms left.

    Args:
        removed: indices, into the visible atoms in their order in the molecule, of those to remove.
        z_min: depth of the surface cut in Å, the top atom being at z = 0.

    Raises:
        InputError: for an index beyond the visible atoms.
    """

    def __init__(self, removed: Sequence[int], z_min: float = -0.7) -> None:
        self.removed = removed
        self.z_min = z_min

    def forward(self, data: AFMData) -> AFMData:
        z, pos, edge_index = data.z, data.pos, data.edge_index
        visible = np.flatnonzero(pos[:, 2].numpy() >= self.z_min)
        removed = np.asarray(self.removed, dtype=np.int64)
        if len(removed) and not 0 <= removed.min() <= removed.max() < len(visible):
            raise InputError(
                f"removed: expected indices of {len(visible)} visible atoms, got {removed.tolist()}"
            )
        gone = np.zeros(len(visible), dtype=bool)
        gone[removed] = True
        kept, missing = visible[~gone], visible[gone]
        # Of each atom, its number among those left, and among those missing.
        rank, missing_rank = np.full((2, len(z)), -1)
        rank[kept] = np.arange(len(kept))
        missing_rank[missing] = np.arange(len(missing))
        begin, end = edge_index.numpy()
        present, across = (np.stack([r[begin], rank[end]]) for r in (rank, missing_rank))

        left, found = torch.from_numpy(kept), torch.from_numpy(missing)
        data.missing_z, data.missing_pos = z[found], pos[found]
        data.missing_edge_index = torch.from_numpy(across[:, (across >= 0).all(axis=0)])
        data.edge_index = torch.from_numpy(present[:, (present >= 0).all(axis=0)])
        data.z, data.pos = z[left], pos[left]
        if "charge" in data:
            data.charge = data.charge[left]
        return data

    def __repr__(self) -> str:
        return f"{type(self).__name__}(removed={self.removed}, z_min={self.z_min})"


class RandomMutant:
    """Draw :class:`MakeMutant`: how many visible atoms to remove (0 to all, uniformly), and which.

    Args:
        empty: share of draws, besides those, that remove all: every generation starts without atoms.
    """

    applies = MakeMutant

    def __init__(self, empty: float = 0.0) -> None:
        if not 0 <= empty <= 1:
            raise InputError(f"empty: expected a share, got {empty}")
        self.empty = empty

    def draw(self, n_visible: int, rng: np.random.Generator) -> Drawn:
        if self.empty and rng.uniform() < self.empty:
            return {"removed": list(range(n_visible))}
        count = int(rng.integers(0, n_visible + 1))
        return {"removed": np.sort(rng.permutation(n_visible)[:count]).tolist()}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(empty={self.empty})"
