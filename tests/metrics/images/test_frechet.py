"""Fréchet distance."""

import warnings

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

from torch_afm.metrics.images import frechet_distance
from torch_afm.metrics.images.frechet import covariance_rank
from torch_afm.utils import InputError


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(4, 4))
    return rng.normal(size=(60, 4)) @ mix, rng.normal(size=(80, 4)) + 0.5


def test_it_is_torchmetrics(features):
    class Identity(nn.Module):
        num_features = 4

        def forward(self, x):
            return x

    metric = FrechetInceptionDistance(feature=Identity()).set_dtype(torch.float64)
    for side, real in zip(features, (True, False), strict=True):
        metric.update(torch.from_numpy(side), real=real)
    assert frechet_distance(*features) == pytest.approx(float(metric.compute()), rel=1e-6)


def test_it_is_the_definition(features):
    x, y = features
    a, b = np.cov(x.T), np.cov(y.T)
    shift = x.mean(0) - y.mean(0)
    expected = shift @ shift + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_gaussians_on_a_line_and_shifts():
    """(m₁ - m₂)² + (s₁ - s₂)² on a line; a shift costs its square."""
    x = np.random.default_rng(0).normal(size=50)
    x = (x - x.mean()) / x.std(ddof=1)
    assert frechet_distance(x, 3 * x + 2) == pytest.approx(4 + 4, rel=1e-9)
    rows = np.random.default_rng(0).normal(size=(50, 3))
    assert frechet_distance(rows, rows + [1.0, 2.0, 2.0]) == pytest.approx(9, rel=1e-9)  # noqa: RUF005
    assert frechet_distance(rows, rows[::-1]) == pytest.approx(0, abs=1e-9)


def test_its_root_is_a_metric(features):
    x, y = features
    z = y[::2] * 2
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), rel=1e-9)
    assert frechet_distance(x, z) ** 0.5 <= frechet_distance(x, y) ** 0.5 + frechet_distance(y, z) ** 0.5


def test_a_rank_deficient_covariance_is_told(features):
    x, y = features
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frechet_distance(x, y)
    with pytest.warns(UserWarning, match="x: 3 images give 4 features a covariance of rank 2"):
        frechet_distance(x[:3], y)
    with pytest.warns(UserWarning, match="rank 4"):
        frechet_distance(x[:, [0, 1, 2, 3, 3]], y[:, [0, 1, 2, 3, 3]])
    assert covariance_rank(x * np.array([1e-9, 1, 1e9, 1])) == 4


def test_bad_input():
    with pytest.raises(InputError, match="x: expected two images or more, got 1"):
        frechet_distance(np.ones((1, 2)), np.ones((3, 2)))
    with pytest.raises(InputError, match="x: expected finite"):
        frechet_distance(np.full((2, 2), np.nan), np.ones((3, 2)))
