"""What judges translations."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.functional import avg_pool2d, pad

from torch_afm.config.style import StyleConfig
from torch_afm.nn.style import PatchDiscriminator, SpectralDiscriminator, slice_windows

#: Factor on the detail that a discriminator sees.
_DETAIL = 10


class Critic(Module):
    r"""The discriminator of a domain: a PatchGAN of slices (with a context, of each slice together with its
    neighbors, so that translated stacks are consistent from slice to slice), and, with
    ``config.lambda_spectral`` above 0, one of their power spectra. With ``config.detail`` the PatchGAN sees,
    besides each slice, ten times what it differs by from its mean over 3 x 3 pixels: noise is faint beside
    the contrast of an image.

    Args:
        config: the settings of the run.
    """

    def __init__(self, config: StyleConfig) -> None:
        super().__init__()
        self.context, self.detail, self.lambda_spectral = (
            config.context,
            config.detail,
            config.lambda_spectral,
        )
        channels = 2 * config.context + 1
        self.patches = PatchDiscriminator(
            channels * (1 + config.detail), config.critic_width, config.critic_layers
        )
        self.spectrum = SpectralDiscriminator(channels) if config.lambda_spectral else None

    def loss(self, stack: Tensor, target: float) -> Tensor:
        r"""Least-squares loss :math:`(D(x) - t)^2`, averaged over patches, plus ``lambda_spectral`` times
        that of spectra.

        Args:
            stack: real or translated stacks, scaled.
            target: t, 1 for real ones, 0 for translations; 1 for those in the loss of a generator.

        Shapes:
            stack ``[B, Z, Y, X]``, result ``[]``.
        """
        images = shown = slice_windows(stack, self.context)
        if self.detail:
            smooth = avg_pool2d(pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
            shown = torch.cat([images, _DETAIL * (images - smooth)], dim=1)
        loss: Tensor = (self.patches(shown) - target).square().mean()
        if self.spectrum is not None:
            loss = loss + self.lambda_spectral * (self.spectrum(images) - target).square().mean()
        return loss
