"""Creep of the piezo."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from torch_afm.transforms.base import Drawn, RandomStackTransform, StackTransform
from torch_afm.transforms.move_rows import move_rows
from torch_afm.utils import check_shape

#: Rows of a slice in which creep slows down, as a fraction of the slice.
_SETTLING = 0.05


class Creep(StackTransform):
    r"""After the jump to the start of a slice the piezo goes on moving, with the logarithm of time (Vieira,
    IBM J. Res. Dev. 30, 553 (1986)): row y of each slice shows what stood at

    .. math:: \mathbf r + \mathbf a \left(1 - \frac{\ln(1 + t/\tau)}{\ln(1 + 1/\tau)}\right),
              \quad t = \frac{y}{Y - 1},

    with τ = 0.05: the first rows are displaced by a, the last ones in place. Bilinear interpolation; places
    outside repeat the border.

    Args:
        amplitude: (x, y) of each sample, as fractions of width and height in pixels.

    Shapes:
        amplitude ``[B, 2]``; stack ``[B, C, Z, Y, X]``, result the same.

    Raises:
        InputError: for amplitudes of another shape.
    """

    def __init__(self, amplitude: Sequence[Sequence[float]]) -> None:
        self.amplitude = amplitude

    def __call__(self, stack: Tensor) -> Tensor:
        self.check(stack, self.amplitude)
        amplitude = np.asarray(self.amplitude, dtype=np.float64)
        check_shape("amplitude", amplitude, (len(stack), 2))
        depth, height, width = stack.shape[2:]
        left = 1 - np.log1p(np.linspace(0, 1, height) / _SETTLING) / math.log1p(1 / _SETTLING)
        rows = np.broadcast_to(left, (depth, height))
        dx, dy = (amplitude[:, i, None, None] * rows * size for i, size in enumerate((width, height)))
        return move_rows(stack, dx, dy)


class RandomCreep(RandomStackTransform):
    """Draw :class:`Creep`, in any direction, with an amplitude uniform up to ``amplitude``.

    Args:
        amplitude: the largest displacement, as a fraction of the window.
    """

    applies = Creep

    def __init__(self, amplitude: float = 0.04) -> None:
        self.amplitude = amplitude

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        size, angle = rng.uniform(0.0, self.amplitude), rng.uniform(0.0, 2 * math.pi)
        return {"amplitude": [size * math.cos(angle), size * math.sin(angle)]}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(amplitude={self.amplitude})"
