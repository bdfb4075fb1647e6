import math

import numpy as np
import pytest
import torch

from torch_afm.nn.style import SpectralDiscriminator, binned_spectrum
from torch_afm.utils import InputError


def test_noise_has_its_variance_in_every_bin():
    images = 0.1 * torch.randn(400, 1, 32, 40, generator=torch.manual_seed(0), dtype=torch.double)
    power = (10 ** binned_spectrum(images)).mean(dim=(0, 1))
    np.testing.assert_allclose(power.numpy(), 0.01, rtol=0.1)


def test_a_wave_lies_in_the_bin_of_its_frequencies():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(48.0), indexing="ij")
    # 0.3 and 0.1 cycles a pixel, of 0.5 in 8 bins.
    wave = torch.cos(2 * math.pi * (0.3 * y + 0.1 * x))[None, None]
    found = binned_spectrum(wave)[0, 0]
    assert divmod(int(found.argmax()), 8) == (4, 1)


def test_against_numpy():
    image = torch.rand(1, 1, 16, 16, generator=torch.manual_seed(1), dtype=torch.double)
    window = np.hanning(16) / np.sqrt((np.hanning(16) ** 2).mean())
    power = np.abs(np.fft.fft2(image[0, 0].numpy() * np.outer(window, window))) ** 2 / 256
    sums, counts = np.zeros((4, 4)), np.zeros((4, 4))
    for i, v in enumerate(np.fft.fftfreq(16)):
        for j, u in enumerate(np.fft.fftfreq(16)):
            if u < 0 and u != -0.5:
                continue  # half of the plane, as of real images
            at = min(int(abs(v) * 8), 3), min(int(abs(u) * 8), 3)
            sums[at] += power[i, j]
            counts[at] += 1
    np.testing.assert_allclose(binned_spectrum(image, 4)[0, 0].numpy(), np.log10(sums / counts + 1e-8))


def test_gradient_and_shape():
    torch.manual_seed(0)
    one = SpectralDiscriminator(3, width=4, bins=4).double()
    images = torch.rand(2, 3, 8, 9, dtype=torch.double, requires_grad=True)
    assert one(images).shape == (2, 1)
    assert torch.autograd.gradcheck(one, (images,))
    assert str(one) == "SpectralDiscriminator(3, width=4, bins=4)"


def test_wrong_images():
    with pytest.raises(InputError, match="sides of at least 16"):
        binned_spectrum(torch.zeros(1, 1, 15, 16))
    with pytest.raises(InputError, match=r"x: expected \[N, 1, Y, X\]"):
        SpectralDiscriminator()(torch.zeros(1, 2, 16, 16))
