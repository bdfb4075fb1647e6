"""Samples that the tests of distances share."""

import numpy as np
import pytest


@pytest.fixture
def draw():
    """``draw(n, d, shift)``: ``n`` values in ``d`` dimensions, the same each time."""

    def values(n: int, d: int = 1, shift: float = 0.0, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed + 1000 * n + d).normal(size=(n, d)) + shift

    return values
