"""Translation of stacks in Hz into the style of other stacks in Hz."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_afm.config.style import TranslatorConfig
from torch_afm.models.pretrained import Pretrained
from torch_afm.nn.style import ResnetGenerator, slice_windows, translate_tiled
from torch_afm.utils import InputError, check_finite

#: Slices that go through the network at once.
_BATCH = 16


class StyleTranslator(Pretrained):
    """Translates stacks into the style of other ones: floats in, floats out, any size, slice for slice.
    Forward (simulation to experiment) and backward translation are two of these.

    Args:
        config: the settings.
    """

    Config = TranslatorConfig

    def __init__(self, config: TranslatorConfig | None = None) -> None:
        super().__init__()
        self.config = config or TranslatorConfig()
        channels = 2 * self.config.context + 1 + 2 * self.config.noise
        self.generator = ResnetGenerator(channels, self.config.width, self.config.blocks)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights as the generator draws them, but with ``residual`` none in its last layer."""
        self.generator.reset_parameters()
        if self.config.residual:
            torch.nn.init.zeros_(self.generator.layers[-2].get_parameter("weight"))

    def network(self, images: Tensor) -> Tensor:
        """Scaled slices out of :meth:`images`, with gradients.

        Shapes:
            images ``[N, channels, Y, X]``, returns ``[N, 1, Y, X]``.
        """
        out: Tensor = self.generator(images)
        middle = self.config.context
        return out + images[:, middle : middle + 1] if self.config.residual else out

    def images(self, scaled: Tensor, rng: torch.Generator) -> Tensor:
        """Scaled stacks as the generator sees them, with noise drawn from ``rng`` (on the CPU) if it wants
        any.

        Shapes:
            scaled ``[B, Z, Y, X]``, returns ``[B Z, channels, Y, X]``.
        """
        windows = slice_windows(scaled, self.config.context)
        if not self.config.noise:
            return windows
        count, _, height, width = windows.shape
        pixels = torch.randn(count, 1, height, width, generator=rng)
        lines = torch.randn(count, 1, height, 1, generator=rng).expand(-1, -1, -1, width)
        return torch.cat([windows, pixels.to(windows), lines.to(windows)], dim=1)

    @torch.no_grad()
    def forward(self, stack: Tensor, seed: int = 0) -> Tensor:
        """Translated stacks.

        Args:
            stack: stacks in Hz.
            seed: of the noise, for a translation that has any: give every stack one of its own.

        Shapes:
            stack ``[B, C, Z, Y, X]`` Hz, result the same; channels are translated one by one.

        Raises:
            InputError: for another shape, no floats, or a NaN.
        """
        if stack.ndim != 5 or stack.numel() == 0 or not stack.is_floating_point():
            shape = f"{list(stack.shape)} {stack.dtype}"
            raise InputError(f"stack: expected floats [B, C, Z, Y, X], got {shape}")
        check_finite("stack", stack)
        config = self.config
        stacks = stack.flatten(0, 1).float()
        span = config.source.measure(stacks)
        images = self.images(config.source.apply(stacks, span), torch.Generator().manual_seed(seed))
        done = [
            translate_tiled(self.network, part, config.tile, config.overlap) for part in images.split(_BATCH)
        ]
        scaled = torch.cat(done).view_as(stacks)
        if config.target.kind == "fixed":
            span = config.target.measure(stacks)
        return config.target.invert(scaled, span).view_as(stack).to(stack)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.generator}, context={self.config.context})"
