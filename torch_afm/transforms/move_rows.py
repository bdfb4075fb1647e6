"""Scan lines that were taken elsewhere."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


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
