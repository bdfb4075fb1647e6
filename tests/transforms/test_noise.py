import numpy as np
import pytest
import torch

from torch_afm.transforms import RandomNoise


def test_amplitude_and_distribution():
    stack = torch.zeros(1, 2, 64, 64)
    stack[0, 0, 0, 0] = 10.0  # the range of slice 0
    ratios = []
    for seed in range(400):
        added = RandomNoise(0.1)(stack, np.random.default_rng(seed)) - stack
        assert torch.equal(added[0, 1], torch.zeros(64, 64))
        ratios.append(float(added[0, 0].abs().max()) * 2 / 10)
    # The largest of 4096 uniform draws is nearly the amplitude; the mean of |N(0, s)| is s sqrt(2/pi).
    assert np.mean(ratios) == pytest.approx(0.1 * np.sqrt(2 / np.pi), rel=0.1)


def test_uniform_within_a_sample():
    stack = torch.rand(1, 1, 128, 128, generator=torch.manual_seed(0))
    added = (RandomNoise()(stack, np.random.default_rng(1)) - stack).flatten()
    top = float(added.abs().max())
    histogram = torch.histc(added, 10, -top, top)
    assert histogram.min() > 0.9 * len(added) / 10


def test_same_seed_same_noise():
    stack = torch.rand(1, 3, 8, 8)
    first, second = (RandomNoise()(stack, np.random.default_rng(7)) for _ in range(2))
    assert torch.equal(first, second)
