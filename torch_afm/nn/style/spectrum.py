"""A discriminator of power spectra."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import LeakyReLU, Linear, Module, Sequential

from torch_afm.utils import InputError

#: Power below which a bin is empty: noise of 1e-4 of the range of an image.
_FLOOR = 1e-8


def binned_spectrum(images: Tensor, bins: int = 8) -> Tensor:
    r"""Mean power of images in bins of frequency,
    :math:`\log_{10}(\overline{|\mathcal{F}(w x)|^2} + 10^{-8})`, with a Hann window :math:`w` of mean square
    1, so that noise of variance :math:`\sigma^2` has the power :math:`\sigma^2` in all bins. Bins are even in
    :math:`|k_y|` and :math:`|k_x|` from 0 to Nyquist: scan lines make images of AFM differ along the two.

    Args:
        images: images of any size, at least twice ``bins`` on a side.
        bins: along each axis.

    Shapes:
        images ``[N, C, Y, X]``, result ``[N, C, bins, bins]``, of :math:`k_y` and :math:`k_x`.

    Raises:
        InputError: for smaller images.
    """
    if images.ndim != 4 or min(images.shape[2:]) < 2 * bins:
        raise InputError(
            f"images: expected [N, C, Y, X] with sides of at least {2 * bins}, got {list(images.shape)}"
        )
    height, width = images.shape[2:]
    window = _hann(height, images)[:, None] * _hann(width, images)
    power = torch.fft.rfft2(images * window, norm="ortho").abs().square()
    rows = _averages(torch.fft.fftfreq(height), bins, images)
    columns = _averages(torch.fft.rfftfreq(width), bins, images)
    return (rows @ power @ columns.T + _FLOOR).log10()


def _hann(side: int, like: Tensor) -> Tensor:
    window = torch.hann_window(side, periodic=False, dtype=like.dtype, device=like.device)
    return window / window.square().mean().sqrt()


def _averages(frequencies: Tensor, bins: int, like: Tensor) -> Tensor:
    """Matrix ``[bins, K]`` that averages over the frequencies, in cycles a pixel, of each bin."""
    place = (frequencies.abs() * 2 * bins).long().clamp(max=bins - 1)
    member = torch.nn.functional.one_hot(place, bins).T.to(like)
    return member / member.sum(1, keepdim=True)


class SpectralDiscriminator(Module):
    """Scores images by :func:`binned_spectrum` alone, through a hidden layer: noise, row offsets and blur
    show in a spectrum at once, while a discriminator of patches has to find them among structures. After the
    spectral discriminator of Chen et al. (arXiv:2012.05535), which averages over all directions.

    Args:
        in_channels: channels in: 1, or those of a slice and its neighbors.
        width: of the hidden layer.
        bins: along each axis.

    Shapes:
        x ``[N, in_channels, Y, X]``, returns ``[N, 1]``.

    Raises:
        InputError: for images of another shape.
    """

    def __init__(self, in_channels: int = 1, width: int = 64, bins: int = 8) -> None:
        super().__init__()
        self.in_channels, self.width, self.bins = in_channels, width, bins
        self.layers = Sequential(Linear(in_channels * bins**2, width), LeakyReLU(0.2), Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the images."""
        if x.ndim != 4 or x.size(1) != self.in_channels:
            raise InputError(f"x: expected [N, {self.in_channels}, Y, X], got {list(x.shape)}")
        out: Tensor = self.layers(binned_spectrum(x, self.bins).flatten(1))
        return out

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, width={self.width}, bins={self.bins})"
