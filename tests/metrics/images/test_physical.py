"""Features with a meaning."""

import numpy as np
import pytest
import scipy.stats
import torch

from torch_afm.metrics.images.physical import SPECTRUM_BINS, physical_features


@pytest.fixture
def images():
    return torch.randn(3, 2, 40, 64, generator=torch.Generator().manual_seed(0)) ** 2 + 5


def test_moments_are_scipys(images):
    found = physical_features(images).reshape(3, 2, 22)
    pixels = images.double().flatten(2).numpy()
    expected = [pixels.mean(2), pixels.std(2), scipy.stats.skew(pixels, 2), scipy.stats.kurtosis(pixels, 2)]
    np.testing.assert_allclose(found[..., :4], np.stack(expected, axis=-1), rtol=1e-6)


def test_row_offsets_are_found_as_large_as_they_were_made():
    generator = torch.Generator().manual_seed(0)
    offsets = 0.3 * torch.randn(1, 1, 400, 1, generator=generator)
    image = 5 + offsets.expand(1, 1, 400, 64)
    assert float(physical_features(image)[0, 4]) == pytest.approx(0.3, rel=0.1)
    assert float(physical_features(image.mT)[0, 4]) == pytest.approx(0, abs=1e-9)  # columns are no rows


def test_residual_of_white_noise():
    """Minus its mean over nine, white noise keeps 8/9 of its variance."""
    noise = 0.2 * torch.randn(1, 1, 200, 200, generator=torch.Generator().manual_seed(0))
    assert float(physical_features(noise)[0, 5]) == pytest.approx(0.2 * (8 / 9) ** 0.5, rel=0.02)


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("cycles", [3, 9, 15])
def test_a_wave_fills_its_own_bin(axis, cycles):
    wave = torch.cos(2 * torch.pi * cycles * torch.arange(64) / 64)
    image = wave.expand(1, 1, 64, 64) if axis == 3 else wave[:, None].expand(1, 1, 64, 64)
    spectrum = physical_features(image)[0, 6:]
    assert int(spectrum.argmax()) == int(cycles / 64 * 2 * SPECTRUM_BINS)
    assert float(spectrum.sort().values[-2]) < -8


def test_the_spectrum_of_white_noise_is_its_variance():
    noise = 3 * torch.randn(100, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    spectrum = 10 ** physical_features(noise)[:, 6:]
    np.testing.assert_allclose(spectrum.mean(dim=0), 9, rtol=0.15)


def test_a_flat_image():
    found = physical_features(torch.full((1, 1, 32, 32), 0.1))[0]
    np.testing.assert_allclose(found[:6], [0.1, 0, 0, 0, 0, 0], atol=1e-7)
    assert torch.isfinite(found).all()
