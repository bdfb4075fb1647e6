"""Two translations that undo each other, their discriminators, and a pool of earlier translations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.functional import avg_pool2d, l1_loss, pad

from torch_afm.config.style import TranslatorConfig
from torch_afm.models import StyleTranslator
from torch_afm.nn.style import PatchDiscriminator, slice_windows
from torch_afm.utils import InputError

#: Factor on the detail that discriminators see.
_DETAIL = 10


class GeneratorTerms(NamedTuple):
    """Loss of the generators, and its terms before their factors."""

    adversarial: Tensor
    cycle: Tensor
    identity: Tensor
    total: Tensor


class CycleGAN(Module):
    r"""CycleGAN (Zhu et al., arXiv:1703.10593) of stacks: generators G: A → B and F: B → A, discriminators
    :math:`D_A` and :math:`D_B`, with least-squares losses (section 4). The generators' loss is

    .. math::
        (D_B(G(a)) - 1)^2 + (D_A(F(b)) - 1)^2
        + \lambda \left(|F(G(a)) - a| + |G(F(b)) - b|\right)
        + \lambda \lambda_{id} \left(|G(b) - b| + |F(a) - a|\right)

    and that of each discriminator :math:`\left((D(\mathrm{real}) - 1)^2 + D(\mathrm{fake})^2\right) / 2`, all
    averaged over patches and pixels. With a context, generators translate each slice knowing its neighbors
    and discriminators judge each slice of the result together with its neighbors, so that translated stacks
    are consistent from slice to slice.

    Args:
        config: the translation from A to B; that back has its scalings exchanged.
        critic_width: channels of the discriminators after their first layer.
        critic_layers: halvings of the discriminators.
        lambda_cycle: λ.
        lambda_identity: λ_id, relative to λ.
        seed: of the noise that the generator of A → B sees, where ``config`` gives it any.
        detail: show the discriminators, besides each slice, ten times what it differs by from its mean over
            3 x 3 pixels. Noise is faint beside the contrast of an image: without, they take long to see it.
    """

    def __init__(
        self,
        config: TranslatorConfig | None = None,
        critic_width: int = 16,
        critic_layers: int = 2,
        lambda_cycle: float = 20.0,
        lambda_identity: float = 1.0,
        seed: int = 0,
        detail: bool = False,
    ) -> None:
        super().__init__()
        if min(lambda_cycle, lambda_identity) < 0:
            got = f"{lambda_cycle} and {lambda_identity}"
            raise InputError(f"lambda_cycle, lambda_identity: expected at least 0, got {got}")
        config = config or TranslatorConfig()
        self.context = config.context
        self.to_b = StyleTranslator(config)
        swapped = replace(config, source=config.target, target=config.source, noise=False)
        self.to_a = StyleTranslator(swapped)
        self.rng = torch.Generator().manual_seed(seed)
        self.detail = detail
        channels = (2 * self.context + 1) * (1 + detail)
        self.critic_a, self.critic_b = (
            PatchDiscriminator(channels, critic_width, critic_layers) for _ in range(2)
        )
        self.lambda_cycle, self.lambda_identity = lambda_cycle, lambda_identity

    def translate(self, translator: StyleTranslator, stack: Tensor) -> Tensor:
        """Scaled stacks ``[B, Z, Y, X]`` through ``to_b`` or ``to_a``, with gradients."""
        return translator.network(translator.images(stack, self.rng)).view_as(stack)

    def generators(self, a: Tensor, b: Tensor) -> tuple[GeneratorTerms, Tensor, Tensor]:
        """Loss of the generators, G(a) and F(b).

        Shapes:
            a ``[B, Z, Y, X]`` and b ``[B', Z', Y, X]``, scaled.
        """
        fake_b, fake_a = self.translate(self.to_b, a), self.translate(self.to_a, b)
        adversarial = self._judge(self.critic_b, fake_b, 1.0) + self._judge(self.critic_a, fake_a, 1.0)
        cycle = l1_loss(self.translate(self.to_a, fake_b), a) + l1_loss(self.translate(self.to_b, fake_a), b)
        identity = adversarial.new_zeros(())
        if self.lambda_identity:
            same_b, same_a = self.translate(self.to_b, b), self.translate(self.to_a, a)
            identity = l1_loss(same_b, b) + l1_loss(same_a, a)
        total = adversarial + self.lambda_cycle * (cycle + self.lambda_identity * identity)
        return GeneratorTerms(adversarial, cycle, identity, total), fake_b, fake_a

    def discriminator(self, critic: PatchDiscriminator, real: Tensor, fake: Tensor) -> Tensor:
        """Loss of ``critic_a`` or ``critic_b`` on scaled stacks ``[B, Z, Y, X]``."""
        return (self._judge(critic, real, 1.0) + self._judge(critic, fake.detach(), 0.0)) / 2

    def _judge(self, critic: PatchDiscriminator, stack: Tensor, wanted: float) -> Tensor:
        images = slice_windows(stack, self.context)
        if self.detail:
            smooth = avg_pool2d(pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
            images = torch.cat([images, _DETAIL * (images - smooth)], dim=1)
        scores: Tensor = critic(images)
        return (scores - wanted).square().mean()


class ImagePool:
    """Keeps some of the latest translations, so that a discriminator does not only know the generator of the
    moment (Shrivastava et al., arXiv:1612.07828, section 2.3): until it is full, every translation is kept
    and returned; after that each, with probability 1/2, is returned itself, or changes places with one of
    those kept.

    Args:
        size: translations kept; 0 returns every one itself.
        seed: seed of the draws.
    """

    def __init__(self, size: int = 50, seed: int = 0) -> None:
        if size < 0:
            raise InputError(f"size: expected at least 0, got {size}")
        self.size = size
        self.kept: list[Tensor] = []
        self.rng = torch.Generator().manual_seed(seed)

    def query(self, images: Tensor) -> Tensor:
        """As many translations as ``images``, new or old ones, detached.

        Shapes:
            images ``[B, ...]``, result the same.
        """
        return torch.stack([self._one(image) for image in images.detach()])

    def _one(self, image: Tensor) -> Tensor:
        if len(self.kept) < self.size:
            self.kept.append(image.clone())
            return image
        if not self.size or torch.rand((), generator=self.rng) < 0.5:
            return image
        place = int(torch.randint(self.size, (), generator=self.rng))
        old, self.kept[place] = self.kept[place], image.clone()
        return old.to(image.device)  # from a checkpoint it comes elsewhere

    def state_dict(self) -> dict[str, Any]:
        """What is kept, and where the draws stand."""
        return {"kept": [image.cpu() for image in self.kept], "rng": self.rng.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.kept = list(state["kept"])
        self.rng.set_state(state["rng"].cpu())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.size})"
