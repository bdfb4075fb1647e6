"""The charges of a periodic sample beyond its images, as a few charges around the probe."""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from torch_afm.ppm.ewald import lattice_potential

#: Å from where the probe may come to the charges that stand for the far ones, and between these.
_DISTANCE, _SPACING = 15.0, 10.0
#: Å between the points at which their potential is matched.
_POINTS = 4.0
#: Å to which the size of the box is rounded up, that few differ.
_ROUND = 0.25
#: Smallest singular value kept, over the largest.
_CUT = 1e-6
#: Images times points handled at once.
_PAIRS = 1 << 16


def far_charges(
    pos: Tensor, charge: Tensor, vectors: np.ndarray, shifts: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[Tensor, Tensor]:
    r"""Charges whose field in a box is that of all repetitions of ``charge`` but those by ``shifts``.

    In the box that field has no source, for what is left out is far. So it equals that of charges
    :math:`Q_k` on a box 15 Å around (the method of fundamental solutions), and those solve

    .. math::
        \sum_k \frac{Q_k}{|r_j - s_k|} + C = \sum_i q_i \left[φ(r_j - r_i)
            - \sum_S \frac{1}{|r_j - r_i - S|}\right]

    at points :math:`r_j` on the box itself, in least squares, with the potential φ of a lattice
    (:func:`torch_afm.ppm.ewald.lattice_potential`). Differentiable in ``pos`` and ``charge``.

    Args:
        pos: of the charges of one cell, Å.
        charge: e.
        vectors: that they repeat along.
        shifts: those of which the charges are there.
        low: corner of the box, Å; no charge left out is nearer than 15 Å.
        high: the other corner.

    Shapes:
        pos ``[N, 3]``, charge ``[N]``, vectors ``[1 or 2, 3]``, shifts ``[S, 3]``, low and high ``[3]``;
        returns places ``[K, 3]`` Å and charges ``[K]`` e.
    """
    half = np.ceil((high - low) / 2 / _ROUND) * _ROUND
    sources, points, solution = _box(*half.tolist())
    middle = pos.new_tensor((low + high) / 2)
    there = pos.new_tensor(shifts)

    def missing(at: Tensor, pos: Tensor, charge: Tensor) -> Tensor:
        d = at[:, None] - pos
        near = (d[:, :, None] - there).norm(dim=-1).reciprocal().sum(-1)
        return (lattice_potential(d, vectors) - near) @ charge

    count = max(_PAIRS // (len(pos) * len(shifts)), 1)
    parts = (points[i : i + count] for i in range(0, len(points), count))
    potential = torch.cat(
        [checkpoint(missing, p.to(pos) + middle, pos, charge, use_reentrant=False) for p in parts]
    )
    return sources.to(pos) + middle, solution.to(pos) @ potential


@lru_cache(maxsize=16)
def _box(*half: float) -> tuple[Tensor, Tensor, Tensor]:
    """Places of the charges ``[K, 3]``, points ``[J, 3]``, and the matrix from potentials to charges, of a
    box around 0."""
    wide = [h + _DISTANCE for h in half]
    sources = _faces(*((h, math.ceil(2 * h / _SPACING), False) for h in wide))
    points = _faces(*((h, max(math.ceil(2 * h / _POINTS) + 1, 3), True) for h in half))
    matrix = 1 / np.linalg.norm(points[:, None] - sources, axis=2)
    matrix = np.hstack([matrix, np.full((len(points), 1), matrix.mean())])
    solution = np.linalg.pinv(matrix, rcond=_CUT)[:-1]
    return torch.from_numpy(sources), torch.from_numpy(points), torch.from_numpy(solution)


def _faces(*axes: tuple[float, int, bool]) -> np.ndarray:
    """Points on the faces of a box: half an edge along each axis, how many, whether denser at the ends."""
    lines = []
    for half, count, dense in axes:
        middle = (np.arange(count) + 0.5) / count
        lines.append(half * (-np.cos(np.pi * middle) if dense else 2 * middle - 1))
    faces = []
    for axis, (half, *_) in enumerate(axes):
        for end in (-half, half):
            edges = [np.array([end]) if i == axis else line for i, line in enumerate(lines)]
            faces.append(np.array(list(itertools.product(*edges))))
    return np.concatenate(faces)
