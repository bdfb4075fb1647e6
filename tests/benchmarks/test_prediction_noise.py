"""How known and estimated noise are compared."""

import numpy as np
import pytest
from scipy import ndimage

from benchmarks.prediction.noise import compare, interpolated, rows, white


@pytest.fixture
def clean():
    image = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(64, 64)), 6)
    return np.linspace(1, 3, 10)[:, None, None] * image


@pytest.mark.parametrize("draw", [white(0.2), rows(0.2), interpolated(0.2, 1.0)])
def test_noise_is_the_share_that_was_asked_for(draw, clean):
    noise = draw(clean, np.random.default_rng(0))
    share = noise.var(axis=(1, 2)) / (noise.var(axis=(1, 2)) + clean.var(axis=(1, 2)))
    assert share.mean() == pytest.approx(0.2, rel=0.1)


def test_far_slices_are_noisier(clean):
    noise = white(0.2, same=True)(clean, np.random.default_rng(0))
    assert np.ptp(noise.std(axis=(1, 2))) < 0.05 * noise.std()


def test_the_estimate_is_compared_with_the_truth(clean):
    noise = white(0.2)(clean, np.random.default_rng(0))
    row = compare("white", [(clean + noise, noise)])
    assert row["true"] == pytest.approx(0.2, rel=0.05)
    low, high = row["floor"]["molecules"]
    assert low == high == pytest.approx(1, abs=0.1)
    assert row["floor"]["slices"][0] <= low <= row["floor"]["slices"][1]
