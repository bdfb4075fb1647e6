"""Surface cut, removal of atoms, and the targets that follow: a molecule becomes a training step (the
graph-AFM thesis, Aalto University, see CITATION.cff, sections 2.3 and 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np
import torch
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.data.checks import check_no_potential
from torch_afm.transforms.base import Drawn
from torch_afm.utils import InputError

#: Standard deviation in Å of a false atom's place along each axis, smallest distance to all atoms, and places
#: tried.
_BESIDE, _ROOM, _TRIES = 0.7, 0.6, 8

#: What atoms left keep, and false atoms have zeros of.
_VALUES = ("charge", "dipole")


def visible_atoms(data: AFMData, z_min: float) -> Tensor:
    """Atoms that graphs may have, ``[N]``: those above ``z_min`` (Å) that are not ``hidden``, a mask ``[N]``
    that data may carry."""
    shown = data.pos[:, 2] >= z_min
    return shown & ~data.hidden if "hidden" in data else shown


class RandomMutant:
    """Draw mutants: partial graphs of a molecule, without some of its visible atoms, which become the target
    (the thesis, sections 2.3 and 4.3). How many atoms are removed is uniform from none to all; which, and how
    far those left are misplaced, is drawn, too.

    Args:
        empty: share of draws, besides those, that remove all: every generation starts without atoms.
        misplaced: largest standard deviation in Å of the moves of atoms left; each sample's is drawn
            uniformly from 0 to it.
        extra: largest number of false atoms, uniform from 0 to it.

    Raises:
        InputError: for what is no share, and a negative distance or number.
    """

    def __init__(self, empty: float = 0.0, misplaced: float = 0.0, extra: int = 0) -> None:
        if not 0 <= empty <= 1:
            raise InputError(f"empty: expected a share, got {empty}")
        if misplaced < 0 or extra < 0:
            raise InputError(
                f"misplaced, extra: expected a distance in Å and a number, got {misplaced}, {extra}"
            )
        self.empty = empty
        self.misplaced = misplaced
        self.extra = extra

    def draw(self, n_visible: int, rng: np.random.Generator) -> Drawn:
        """Parameters of :meth:`apply` for a molecule with ``n_visible`` visible atoms."""
        if self.empty and rng.uniform() < self.empty:
            return {"removed": list(range(n_visible))}
        count = int(rng.integers(0, n_visible + 1))
        drawn: Drawn = {"removed": np.sort(rng.permutation(n_visible)[:count]).tolist()}
        if self.misplaced or self.extra:
            drawn["misplaced"] = rng.uniform(0.0, self.misplaced)
            drawn["extra"] = int(rng.integers(self.extra + 1))
            drawn["seed"] = int(rng.integers(2**53))
        return drawn

    @staticmethod
    def apply(
        data: AFMData,
        removed: Sequence[int],
        z_min: float = -0.7,
        misplaced: float = 0.0,
        extra: int = 0,
        seed: int = 0,
    ) -> AFMData:
        """Leave out atoms below ``z_min`` and the visible atoms named by ``removed``.

        The result's graph holds the atoms left (the mutant); ``missing_z``, ``missing_pos`` the removed
        visible atoms; ``missing_edge_index`` their bonds to atoms left. Atoms of the mask ``hidden``, where
        the molecule has one, are neither in the graph nor in the target.

        The atoms left may be misplaced, and there may be false ones among them, as in the graphs that
        predictions start from: ``true_pos`` says where each atom of the graph really is, and is not a number
        for false ones.

        Args:
            data: one molecule, its top atom at z = 0; it stays as it is.
            removed: indices, into the visible atoms in their order in the molecule, of those to remove.
            z_min: depth of the surface cut in Å.
            misplaced: standard deviation in Å, along each axis, of what the atoms left are moved by.
            extra: number of false atoms to add, each of an element of the molecule, about 1.2 Å from a
                visible atom and at least 0.6 Å from all (fewer, where there is no room).
            seed: seed of these moves and atoms.

        Raises:
            InputError: for an index beyond the visible atoms, and a molecule with a potential on a grid.
        """
        data = copy(data)
        check_no_potential("data", data)
        z, pos, edge_index = data.z, data.pos, data.edge_index
        visible = np.flatnonzero(visible_atoms(data, z_min).numpy())
        indices = np.asarray(removed, dtype=np.int64)
        if len(indices) and not 0 <= indices.min() <= indices.max() < len(visible):
            raise InputError(
                f"removed: expected indices of {len(visible)} visible atoms, got {indices.tolist()}"
            )
        gone = np.zeros(len(visible), dtype=bool)
        gone[indices] = True
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
        for key in _VALUES:
            if key in data:
                data[key] = data[key][left]
        data.true_pos = data.pos
        if "hidden" in data:
            z = z[~data.hidden]
            del data.hidden
        if misplaced or extra:
            rng = np.random.default_rng(seed)
            moves = rng.normal(0.0, misplaced, tuple(data.pos.shape))
            data.pos = data.pos + torch.from_numpy(moves).to(data.pos)
            _add_false(data, z, pos, visible, z_min, extra, rng)
        return data

    def __repr__(self) -> str:
        return f"{type(self).__name__}(empty={self.empty}, misplaced={self.misplaced}, extra={self.extra})"


def _add_false(
    data: AFMData,
    z: Tensor,
    pos: Tensor,
    visible: np.ndarray,
    z_min: float,
    extra: int,
    rng: np.random.Generator,
) -> None:
    """Add false atoms beside the ``visible`` ones of all at ``pos``, with elements out of ``z``."""
    atoms, false = pos.numpy(), []
    for _ in range(extra if len(visible) else 0):
        beside = atoms[rng.choice(visible, _TRIES)] + rng.normal(0.0, _BESIDE, (_TRIES, 3))
        gap = np.linalg.norm(beside[:, None] - atoms, axis=2).min(axis=1)
        room = (gap > _ROOM) & (beside[:, 2] > z_min) & (beside[:, 2] < _ROOM)
        if room.any():
            false.append((beside[room.argmax()], int(z[rng.integers(len(z))])))
    if false:
        new = torch.from_numpy(np.array([place for place, _ in false])).to(data.pos)
        data.pos = torch.cat([data.pos, new])
        data.true_pos = torch.cat([data.true_pos, torch.full_like(new, torch.nan)])
        data.z = torch.cat([data.z, z.new_tensor([element for _, element in false])])
        for key in _VALUES:
            if key in data:
                zeros = data[key].new_zeros(len(new), *data[key].shape[1:])
                data[key] = torch.cat([data[key], zeros])
