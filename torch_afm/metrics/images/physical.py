"""Features with a meaning: what the tip, the scanner and the electronics leave in an image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from torch_afm.utils import InputError

#: Bins of the spatial frequency.
SPECTRUM_BINS = 16
#: Added to powers before their logarithm, in units of the image squared.
_LEAST = 1e-12


def physical_features(images: Tensor) -> Tensor:
    r"""22 numbers of each channel:

    - mean, standard deviation, skewness and excess kurtosis of its pixels (the last two 0 on a flat image);
    - *row offsets*: rms difference of the means of neighbouring rows over :math:`\sqrt 2`, as jumps of the
      scanner between lines leave it;
    - *high-frequency residual*: rms of the image minus its mean over 3 x 3 pixels, as noise leaves it;
    - decimal logarithm of the mean power :math:`|\hat I(k)|^2 / (XY)` of the image minus its mean, in
      :data:`SPECTRUM_BINS` equal bins of the radial frequency from 0 to half a cycle a pixel.

    Args:
        images: floats in any unit; rows run along x, the fast axis of the scan.

    Shapes:
        images ``[N, C, Y, X]``, Y and X of at least 32 pixels, returns ``[N, 22 C]``.

    Raises:
        InputError: for other shapes.
    """
    # With fewer pixels than two a bin, rings of the spectrum stay empty.
    least = 2 * SPECTRUM_BINS
    if images.dim() != 4 or min(images.shape[2:]) < least:
        shape = list(images.shape)
        raise InputError(f"images: expected [N, C, Y, X] with Y and X of {least} or more, got {shape}")
    size = images.shape[2:]
    flat = images.double().reshape(-1, 1, *size)
    mean = flat.mean(dim=(2, 3), keepdim=True)
    deviation = flat - mean
    std = deviation.square().mean(dim=(2, 3)).sqrt()
    # Rounding leaves a flat image a spread of about 1e-16 of its mean.
    spread = torch.where(std > 1e-7 * mean[..., 0, 0].abs() + _LEAST, std, torch.inf)
    skewness = deviation.pow(3).mean(dim=(2, 3)) / spread**3
    kurtosis = torch.where(spread.isinf(), 0.0, deviation.pow(4).mean(dim=(2, 3)) / spread**4 - 3)
    offsets = flat.mean(dim=3).diff(dim=2).square().mean(dim=2).sqrt() / 2**0.5
    smooth = F.avg_pool2d(F.pad(flat, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    residual = (flat - smooth).square().mean(dim=(2, 3)).sqrt()
    moments = [mean[..., 0, 0], std, skewness, kurtosis, offsets, residual]
    features = torch.cat([*moments, _spectrum(deviation[:, 0])], dim=1)
    return features.reshape(len(images), -1)


def _spectrum(images: Tensor) -> Tensor:
    ny, nx = images.shape[1:]
    power = torch.fft.fft2(images).abs().square() / (ny * nx)
    radius = torch.hypot(torch.fft.fftfreq(ny)[:, None], torch.fft.fftfreq(nx)[None])
    ring = ((radius * 2 * SPECTRUM_BINS).ceil().long() - 1).flatten()
    inside = (ring >= 0) & (ring < SPECTRUM_BINS)  # without the mean, and corners beyond half a cycle a pixel
    ring, power = ring[inside], power.flatten(1)[:, inside]
    sums = power.new_zeros(len(power), SPECTRUM_BINS).index_add_(1, ring, power)
    return torch.log10(sums / ring.bincount(minlength=SPECTRUM_BINS) + _LEAST)
