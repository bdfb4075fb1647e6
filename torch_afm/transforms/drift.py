"""Rows of a scan that were taken elsewhere: drift of the sample, creep of the piezo."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from torch_afm.transforms.base import Drawn, StackAugmentation, check_stacks, draw_vector
from torch_afm.utils import check_shape

#: Rows of a slice in which creep slows down, as a fraction of the slice.
_SETTLING = 0.05


class Drift(StackAugmentation):
    r"""Thermal drift: the sample moves steadily under the tip while the stack is scanned, row by row and
    slice by slice, far to near. Row y of slice z shows what stood at

    .. math:: \mathbf r + \mathbf v\,(z - z_{last} + y / (Y - 1) - 1/2),

    so the middle of the nearest slice is in place, slices are sheared and stretched, and far ones displaced.
    The direction is any, the speed uniform up to ``speed``.

    Args:
        speed: the largest speed in windows a slice.
    """

    def __init__(self, speed: float = 0.01) -> None:
        self.speed = speed

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        return {"velocity": draw_vector(rng, 0.0, self.speed)}

    @staticmethod
    def apply(stack: Tensor, velocity: Sequence[Sequence[float]]) -> Tensor:
        """Move rows, with bilinear interpolation; places outside repeat the border.

        Args:
            stack: the stacks.
            velocity: (x, y) of each sample in windows (fractions of width and height in pixels) a slice.

        Shapes:
            stack ``[B, C, Z, Y, X]``, velocity ``[B, 2]``, result as the stack.

        Raises:
            InputError: for velocities of another shape.
        """
        return _move(stack, "velocity", velocity, scan_time(*stack.shape[2:4]))


class Creep(StackAugmentation):
    r"""Creep of the piezo: after the jump to the start of a slice it goes on moving, with the logarithm of
    time (Vieira, IBM J. Res. Dev. 30, 553 (1986)). Row y of each slice shows what stood at

    .. math:: \mathbf r + \mathbf a \left(1 - \frac{\ln(1 + t/\tau)}{\ln(1 + 1/\tau)}\right),
              \quad t = \frac{y}{Y - 1},

    with τ = 0.05: the first rows are displaced by a, the last ones in place. The direction is any, the
    amplitude uniform up to ``amplitude``.

    Args:
        amplitude: the largest displacement, as a fraction of the window.
    """

    def __init__(self, amplitude: float = 0.04) -> None:
        self.amplitude = amplitude

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        return {"amplitude": draw_vector(rng, 0.0, self.amplitude)}

    @staticmethod
    def apply(stack: Tensor, amplitude: Sequence[Sequence[float]]) -> Tensor:
        """Move rows, with bilinear interpolation; places outside repeat the border.

        Args:
            stack: the stacks.
            amplitude: (x, y) of each sample, as fractions of width and height in pixels.

        Shapes:
            stack ``[B, C, Z, Y, X]``, amplitude ``[B, 2]``, result as the stack.

        Raises:
            InputError: for amplitudes of another shape.
        """
        depth, height = stack.shape[2:4]
        return _move(stack, "amplitude", amplitude, np.broadcast_to(creep_left(height), (depth, height)))


def scan_time(depth: int, height: int) -> np.ndarray:
    """When each row is taken, in slices, 0 in the middle of the nearest slice, ``[Z, Y]``."""
    return np.arange(depth)[:, None] - (depth - 1) + np.linspace(-0.5, 0.5, height)


def creep_left(height: int) -> np.ndarray:
    """The share of the creep that is still to come at each row, ``[Y]``."""
    return 1 - np.log1p(np.linspace(0, 1, height) / _SETTLING) / math.log1p(1 / _SETTLING)


def _move(stack: Tensor, name: str, vectors: Sequence[Sequence[float]], share: np.ndarray) -> Tensor:
    """Each row moved by its sample's vector ``[B, 2]``, in windows, times its share ``[Z, Y]``."""
    check_stacks(stack, vectors)
    by = np.asarray(vectors, dtype=np.float64)
    check_shape(name, by, (len(stack), 2))
    height, width = stack.shape[3:]
    dx, dy = (by[:, i, None, None] * share * size for i, size in enumerate((width, height)))
    return move_rows(stack, dx, dy)


def move_rows(stack: Tensor, dx: np.ndarray, dy: np.ndarray) -> Tensor:
    """Each row as seen at another place: pixel (x, y) shows what stood at (x + dx, y + dy), by bilinear
    interpolation; places outside repeat the border.

    Args:
        stack: images.
        dx: displacement of each row along x in pixels.
        dy: displacement of each row along y in pixels.

    Shapes:
        stack ``[B, C, Z, Y, X]``, dx and dy ``[B, Z, Y]``, result as the stack.
    """
    height, width = stack.shape[3:]
    x, y = np.arange(width) + dx[..., None], np.arange(height) + dy
    left, right, fx = _cell(x, width)
    upper, lower, fy = _cell(y, height)
    first, second = (
        stack.gather(3, rows.to(stack.device)[:, None, ..., None].expand(stack.shape))
        for rows in (upper, lower)
    )
    between = first + (second - first) * fy.to(stack)[:, None, ..., None]
    first, second = (
        between.gather(4, columns.to(stack.device)[:, None].expand(stack.shape)) for columns in (left, right)
    )
    moved: Tensor = first + (second - first) * fx.to(stack)[:, None]
    return moved


def _cell(at: np.ndarray, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """The pixels before and after each position, and the way from the first to it in pixels."""
    at = np.clip(at, 0, size - 1)
    before = np.floor(at).astype(np.int64)
    after = np.minimum(before + 1, size - 1)
    return torch.from_numpy(before), torch.from_numpy(after), torch.from_numpy(at - before)
