"""Angles of many vectors at once."""

from __future__ import annotations

import numpy as np


def angle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Angle between vectors in degrees, as accurate near 0° and 180° as anywhere (W. Kahan).

    Shapes:
        u, v ``[N, 3]`` -> ``[N]``.
    """
    u, v = (w / np.sqrt(np.einsum("nk,nk->n", w, w))[:, None] for w in (u, v))
    apart, along = (np.sqrt(np.einsum("nk,nk->n", w, w)) for w in (u - v, u + v))
    return np.degrees(2 * np.arctan2(apart, along))
