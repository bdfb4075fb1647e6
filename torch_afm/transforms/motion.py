"""All motion of scanner and sample during a scan at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from torch_afm.transforms.base import Drawn, StackAugmentation, check_stacks, draw_vector
from torch_afm.transforms.drift import creep_left, move_rows, scan_time
from torch_afm.utils import check_shape


class Motion(StackAugmentation):
    r"""Drift, creep, shifts of slices and a change of the tip together: what
    :class:`~torch_afm.transforms.Drift`, :class:`~torch_afm.transforms.Creep` and
    :class:`~torch_afm.transforms.SliceShift` do one after the other, in one interpolation instead of three.
    Row y of slice z shows what stood at

    .. math:: \mathbf r + \mathbf v\, t_{zy} + \mathbf a\, c_y + \mathbf s_z
              + \mathbf j\, [(z, y) < (z_0, y_0)]

    with the time :math:`t` and the share :math:`c` of the creep of those two. Until slice :math:`z_0`, row
    :math:`y_0`, another apex was in front, which saw everything displaced by :math:`\mathbf j`. The middle of
    the nearest slice is in place, but for the creep.

    Args:
        drift: the largest speed in windows a slice.
        creep: the largest displacement by creep, as a fraction of the window.
        jitter: the largest shift of a slice against the next nearer one, likewise.
        change: probability of a change of the tip.
        jump: the largest displacement by that, as a fraction of the window.
    """

    def __init__(
        self,
        drift: float = 0.006,
        creep: float = 0.03,
        jitter: float = 0.01,
        change: float = 0.1,
        jump: float = 0.06,
    ) -> None:
        self.drift = drift
        self.creep = creep
        self.jitter = jitter
        self.change = change
        self.jump = jump

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        depth, height, _ = shape
        steps = rng.uniform(-self.jitter, self.jitter, (depth - 1, 2))
        shifts = np.concatenate([np.cumsum(steps[::-1], axis=0)[::-1], np.zeros((1, 2))])
        drawn = {
            "velocity": draw_vector(rng, 0.0, self.drift),
            "creep": draw_vector(rng, 0.0, self.creep),
            "shifts": shifts.tolist(),
            "rows": 0,
            "jump": draw_vector(rng, 0.0, self.jump),
        }
        if rng.random() < self.change:
            # The nearest slice, which shows most, is that of the later tip.
            drawn["rows"] = int(rng.integers(max(1, (depth - 1) * height)))
        return drawn

    @staticmethod
    def apply(
        stack: Tensor,
        velocity: Sequence[Sequence[float]],
        creep: Sequence[Sequence[float]],
        shifts: Sequence[Sequence[Sequence[float]]],
        rows: Sequence[int],
        jump: Sequence[Sequence[float]],
    ) -> Tensor:
        """Move rows, with bilinear interpolation; places outside repeat the border.

        Args:
            stack: the stacks.
            velocity: v of each sample, (x, y) in windows (fractions of width and height in pixels) a slice.
            creep: a of each sample, (x, y) as fractions of width and height.
            shifts: s of each slice of each sample, likewise.
            rows: rows that each sample's scan has before the change of the tip.
            jump: j of each sample, likewise.

        Shapes:
            stack ``[B, C, Z, Y, X]``, velocity, creep and jump ``[B, 2]``, shifts ``[B, Z, 2]``, result as
            the stack.

        Raises:
            InputError: for parameters of another shape.
        """
        check_stacks(stack, rows)
        depth, height, width = stack.shape[2:]
        v, a, s, j = (np.asarray(p, dtype=np.float64) for p in (velocity, creep, shifts, jump))
        check_shape("shifts", s, (len(stack), depth, 2))
        for name, vectors in (("velocity", v), ("creep", a), ("jump", j)):
            check_shape(name, vectors, (len(stack), 2))
        before = np.arange(depth * height).reshape(depth, height) < np.asarray(rows)[:, None, None]
        by = v[:, None, None] * scan_time(depth, height)[..., None] + s[:, :, None]
        by = by + a[:, None, None] * creep_left(height)[:, None] + j[:, None, None] * before[..., None]
        return move_rows(stack, by[..., 0] * width, by[..., 1] * height)
