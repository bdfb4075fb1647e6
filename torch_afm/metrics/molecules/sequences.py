"""How a generation went wrong: duplicates, the first atom, and the failure classes of the thesis."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from torch_afm.metrics.matching import match_atoms

#: An atom nearer than this to an older one is the same again, in Å.
SAME = 0.5

#: No bond is as short as this, in Å.
PILED = 0.7

#: A height is lost where it is off by more than half the depth of the surface cut, in Å.
LOST_Z = 0.35

#: An atom is shadowed by one that is at least so much higher and, seen from above, at most so far away, in Å.
HIGHER, BESIDE = 0.3, 1.2

#: Atoms within this height of the highest one are at the top too, in Å.
LEVEL = 0.1


def duplicates(pos: Tensor) -> int:
    """Atoms closer than :data:`SAME` to one that was placed before.

    Args:
        pos: positions in Å, in the order of placing.

    Shapes:
        pos ``[N, 3]``.
    """
    older = torch.ones(len(pos), len(pos), dtype=torch.bool).tril(-1)
    return int(((_distances(pos) < SAME) & older).any(dim=1).sum())


def first_is_top(pos: Tensor, pos_true: Tensor, cutoff: float = SAME) -> bool | None:
    """Whether the atom placed first is the highest true atom, or one of those within :data:`LEVEL` of its
    height: the nearest true atom is one of them, and within ``cutoff``. ``None`` where either set is empty.

    Args:
        pos: positions in Å, in the order of placing.
        pos_true: positions of the true atoms in Å.
        cutoff: in Å.

    Shapes:
        pos ``[N, 3]``, pos_true ``[M, 3]``.
    """
    if not len(pos) or not len(pos_true):
        return None
    distance = torch.linalg.vector_norm(pos_true - pos[0], dim=1)
    nearest = int(distance.argmin())
    top = pos_true[nearest, 2] >= pos_true[:, 2].max() - LEVEL
    return bool(top and distance[nearest] <= cutoff)


def shadowed(pos_true: Tensor) -> Tensor:
    """Which true atoms lie below another: one at least :data:`HIGHER` above and, laterally, within
    :data:`BESIDE` hides them from the tip.

    Shapes:
        pos_true ``[M, 3]`` -> ``[M]`` booleans.
    """
    lateral = _distances(pos_true[:, :2])
    above = pos_true[None, :, 2] - pos_true[:, None, 2] >= HIGHER
    return (above & (lateral <= BESIDE)).any(dim=1)


@dataclass(frozen=True)
class Failures:
    """Which of the failures that the thesis reports (section 5.2) a prediction shows.

    Args:
        piled_up: two atoms closer than any bond (:data:`PILED`).
        repeats: an atom placed on an old one, or a generation that ended so.
        lost_z: an atom found in x and y, within 0.5 Å, with its height off by more than :data:`LOST_Z`.
        shadowed_missed: a true atom below another (:func:`shadowed`) that was not found within 0.5 Å.
        wrong_first: no true atom within 0.5 Å of the one placed first.
    """

    piled_up: bool
    repeats: bool
    lost_z: bool
    shadowed_missed: bool
    wrong_first: bool


def failures(pos: Tensor, pos_true: Tensor, ended: str, sequence: Tensor | None = None) -> Failures:
    """The failures of one prediction.

    Args:
        pos: predicted positions in Å.
        pos_true: true positions in Å.
        ended: how the generation ended.
        sequence: positions in Å in the order of placing, with one that was refused; default ``pos``.

    Shapes:
        pos ``[N, 3]``, pos_true ``[M, 3]``, sequence ``[S, 3]``.
    """
    placed = pos if sequence is None else sequence
    distance = _distances(pos)
    distance.fill_diagonal_(torch.inf)
    lateral = match_atoms(pos, pos_true, 0.5, xy_only=True)
    height = (pos[lateral.pred, 2] - pos_true[lateral.true, 2]).abs()
    missing = match_atoms(pos, pos_true, 0.5).missing
    first = torch.linalg.vector_norm(pos_true - placed[0], dim=1) if len(placed) else None
    return Failures(
        piled_up=bool((distance < PILED).any()),
        repeats=ended == "repeat" or duplicates(placed) > 0,
        lost_z=bool((height > LOST_Z).any()),
        shadowed_missed=bool(shadowed(pos_true)[missing].any()),
        wrong_first=first is not None and not bool((first <= SAME).any()),
    )


def _distances(pos: Tensor) -> Tensor:
    return torch.linalg.vector_norm(pos[:, None] - pos[None], dim=-1)
