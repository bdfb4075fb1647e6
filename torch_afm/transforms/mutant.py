"""Surface cut, removal of atoms, and the targets that follow: a molecule becomes a training step."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import subgraph

from torch_afm.data import AFMData
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

    def __init__(self, removed: Tensor, z_min: float = -0.7) -> None:
        self.removed = removed
        self.z_min = z_min

    def forward(self, data: AFMData) -> AFMData:
        z, pos, edge_index = data.z, data.pos, data.edge_index
        visible = torch.nonzero(pos[:, 2] >= self.z_min).flatten()
        if self.removed.numel() and int(self.removed.max()) >= len(visible):
            raise InputError(
                f"removed: expected indices below {len(visible)} (visible), got {int(self.removed.max())}"
            )
        gone = torch.zeros(len(visible), dtype=torch.bool)
        gone[self.removed] = True
        kept, missing = visible[~gone], visible[gone]

        rank = torch.full((len(z),), -1, dtype=torch.long)
        rank[kept] = torch.arange(len(kept))
        missing_rank = torch.full((len(z),), -1, dtype=torch.long)
        missing_rank[missing] = torch.arange(len(missing))
        across = (missing_rank[edge_index[0]] >= 0) & (rank[edge_index[1]] >= 0)

        data.missing_z = z[missing]
        data.missing_pos = pos[missing]
        data.missing_edge_index = torch.stack(
            [missing_rank[edge_index[0, across]], rank[edge_index[1, across]]]
        )
        data.edge_index = subgraph(kept, edge_index, relabel_nodes=True, num_nodes=len(z))[0]
        data.z, data.pos = z[kept], pos[kept]
        if "charge" in data:
            data.charge = data.charge[kept]
        return data


class RandomMutant(BaseTransform):
    """Draw how many visible atoms to remove (0 to all, uniformly) and which, then apply :class:`MakeMutant`.

    Args:
        rng: source of randomness.
        z_min: depth of the surface cut in Å.
    """

    def __init__(self, rng: np.random.Generator, z_min: float = -0.7) -> None:
        self.rng = rng
        self.z_min = z_min

    def forward(self, data: AFMData) -> AFMData:
        n = int((data.pos[:, 2] >= self.z_min).sum())
        count = int(self.rng.integers(0, n + 1))
        removed = torch.from_numpy(np.sort(self.rng.permutation(n)[:count]))
        return MakeMutant(removed, self.z_min)(data)
