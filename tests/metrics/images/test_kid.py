"""Kernel inception distance."""

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.image.kid import KernelInceptionDistance

from torch_afm.metrics.images import kernel_distance
from torch_afm.utils import InputError


class _Identity(nn.Module):
    num_features = 4

    def forward(self, x):
        return x


def test_over_all_images_it_is_torchmetrics():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(30, 4)) + 0.5
    metric = KernelInceptionDistance(feature=_Identity(), subsets=1, subset_size=30)
    metric.update(torch.from_numpy(x), real=True)
    metric.update(torch.from_numpy(y), real=False)
    assert kernel_distance(x, y) == pytest.approx(float(metric.compute()[0]), rel=1e-5)


def test_without_bias():
    """Over many draws from one distribution the mean is 0; between two it is that of the kernel's means."""
    rng = np.random.default_rng(0)
    same = [kernel_distance(rng.normal(size=5), rng.normal(size=7)) for _ in range(4000)]
    assert abs(np.mean(same)) < 4 * np.std(same) / 4000**0.5
    assert min(same) < 0
    # With k = (x y + 1)³ and moments m of N(1, 1) and N(0, 1): sum of binom(3, i) (m_i - m'_i)².
    found = [kernel_distance(rng.normal(size=5) + 1, rng.normal(size=7)) for _ in range(8000)]
    expected = 3 * (1 - 0) ** 2 + 3 * (2 - 1) ** 2 + (4 - 0) ** 2
    assert np.mean(found) == pytest.approx(expected, abs=4 * np.std(found) / 8000**0.5)


def test_symmetric_and_bad_input():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(9, 3))
    assert kernel_distance(x, y) == pytest.approx(kernel_distance(y, x), rel=1e-12)
    with pytest.raises(InputError, match="y: expected two images or more, got 1"):
        kernel_distance(x, y[:1])
