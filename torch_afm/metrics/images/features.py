"""Feature vectors of images: physical ones, those of an untrained network, and any other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torch_afm.utils import InputError, check_finite

#: Images ``[N, C, Y, X]`` to features ``[N, F]``: a function, or a module, of ours or any other network.
Extractor = Callable[[Tensor], Tensor]


def as_images(name: str, stacks: np.ndarray | Tensor, slices: bool) -> Tensor:
    """Stacks as images: each slice one of its own, or each stack one with its slices as channels.

    Args:
        name: what messages call them.
        stacks: floats, in any unit.
        slices: make each slice an image.

    Shapes:
        stacks ``[N, Z, Y, X]`` or ``[N, C, Z, Y, X]``; returns ``[N C Z, 1, Y, X]`` with ``slices``, else
        ``[N, C Z, Y, X]``, in float32.

    Raises:
        InputError: for other shapes, no stacks, no floats, a NaN or an infinity.
    """
    images = torch.as_tensor(stacks)
    if images.dim() not in (4, 5) or images.numel() == 0:
        shape = list(images.shape)
        raise InputError(f"{name}: expected stacks [N, Z, Y, X] or [N, C, Z, Y, X], N > 0, got {shape}")
    if not images.is_floating_point():
        raise InputError(f"{name}: expected floats, got {images.dtype}")
    check_finite(name, images)
    size = images.shape[-2:]
    return images.float().reshape(-1, 1, *size) if slices else images.float().reshape(len(images), -1, *size)


@torch.no_grad()
def image_features(
    stacks: np.ndarray | Tensor, extractor: Extractor, slices: bool = True, batch_size: int = 64
) -> np.ndarray:
    """Features of every slice, or of every stack.

    Args:
        stacks: floats, as the extractor wants them (unit, range, height order).
        extractor: say :func:`torch_afm.metrics.images.physical_features`, a
            :class:`torch_afm.metrics.images.RandomConvolutions`, or the image encoder of a trained model: of
            a ``SequentialGenerator`` in evaluation mode, for whole stacks of its grid,
            ``lambda x: model.reference_encoder.trunk(x[:, None])[-1].mean(dim=(2, 3))``. A module is put in
            evaluation mode for the while.
        slices: give it slices ``[N, 1, Y, X]``; else whole stacks ``[N, C Z, Y, X]``.
        batch_size: images given to it at once.

    Shapes:
        stacks ``[N, Z, Y, X]`` or ``[N, C, Z, Y, X]``, returns ``[N C Z, F]`` or ``[N, F]``, float64.

    Raises:
        InputError: for stacks of other shapes, a NaN, or an extractor that does not give finite ``[N, F]``.
    """
    if batch_size < 1:
        raise InputError(f"batch_size: expected 1 or more, got {batch_size}")
    images = as_images("stacks", stacks, slices)
    training = isinstance(extractor, nn.Module) and extractor.training
    if isinstance(extractor, nn.Module):
        extractor.eval()
    try:
        found = [extractor(images[i : i + batch_size]) for i in range(0, len(images), batch_size)]
    finally:
        if isinstance(extractor, nn.Module):
            extractor.train(training)
    for part, features in zip(images.split(batch_size), found, strict=True):
        if not torch.is_tensor(features) or features.dim() != 2 or len(features) != len(part):
            got = list(features.shape) if torch.is_tensor(features) else type(features).__name__
            raise InputError(f"extractor: expected features [{len(part)}, F] of as many images, got {got}")
    values = torch.cat(found).double().cpu().numpy()
    check_finite("extractor's features", values)
    return values


#: Bins of the spatial frequency.
SPECTRUM_BINS = 16
#: Added to powers before their logarithm, in units of the image squared.
_LEAST = 1e-12


def physical_features(images: Tensor) -> Tensor:
    r"""22 numbers of each channel:

    - mean, standard deviation, skewness and excess kurtosis of its pixels (the last two 0 on a flat image);
    - *row offsets*: rms difference of the means of neighboring rows over :math:`\sqrt 2`, as jumps of the
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
    side = 2 * SPECTRUM_BINS
    if images.dim() != 4 or min(images.shape[2:]) < side:
        shape = list(images.shape)
        raise InputError(f"images: expected [N, C, Y, X] with Y and X of {side} or more, got {shape}")
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


class RandomConvolutions(nn.Module):
    r"""Mean and standard deviation over each map of seeded random convolutions, layer by layer:
    :math:`h_{l+1} = \mathrm{pool}_2\,\mathrm{ReLU}(W_l * h_l + b_l)` with Gaussian weights of He's variance.
    Even without training, such features distinguish textures (Ulyanov et al., arXiv:1606.03073; Saxe et al.,
    ICML 2011), and nothing has to be downloaded.

    Args:
        in_channels: 1 for slices, the number of slices for whole stacks.
        width: maps of each layer.
        layers: convolutions, 3 x 3, each followed by 2 x 2 pooling.
        seed: of the weights.

    Shapes:
        images ``[N, in_channels, Y, X]``, returns ``[N, 2 layers width]``; Y and X of at least
        :math:`2^\mathrm{layers}` pixels.

    Raises:
        InputError: for sizes below 1, images of another shape or too small.
    """

    def __init__(self, in_channels: int = 1, width: int = 16, layers: int = 3, seed: int = 0) -> None:
        super().__init__()
        if min(in_channels, width, layers) < 1:
            raise InputError(
                f"in_channels, width, layers: expected 1 or more, got {in_channels}, {width}, {layers}"
            )
        self.in_channels, self.layers = in_channels, layers
        generator = torch.Generator().manual_seed(seed)
        channels = in_channels
        for i in range(layers):
            spread = (2 / (9 * channels)) ** 0.5
            weight = torch.randn(width, channels, 3, 3, generator=generator) * spread
            self.register_buffer(f"weight_{i}", weight)
            self.register_buffer(f"bias_{i}", torch.randn(width, generator=generator) * 0.1)
            channels = width

    def forward(self, images: Tensor) -> Tensor:
        """Features of images."""
        side = 2**self.layers
        if images.dim() != 4 or images.shape[1] != self.in_channels or min(images.shape[2:]) < side:
            raise InputError(
                f"images: expected [N, {self.in_channels}, Y, X] with Y and X of {side} or more, got "
                f"{list(images.shape)}"
            )
        found = []
        for i in range(self.layers):
            weight, bias = self.get_buffer(f"weight_{i}"), self.get_buffer(f"bias_{i}")
            images = F.relu(F.conv2d(images, weight, bias, padding="same"))
            found += [images.mean(dim=(2, 3)), images.std(dim=(2, 3), correction=0)]
            images = F.avg_pool2d(images, 2)
        return torch.cat(found, dim=1)
