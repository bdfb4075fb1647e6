"""A translation whose patches stay like those at their place."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from torch_afm.config.style import StyleConfig
from torch_afm.nn.style import PatchProjector, patch_nce, slice_windows
from torch_afm.style.critic import Critic
from torch_afm.style.unpaired import GeneratorStep, UnpairedTranslation

#: Patches of a layer that are compared (arXiv:2007.15651, appendix C.1).
_PATCHES = 256


class FastCUT(UnpairedTranslation, method="fastcut"):
    r"""FastCUT, the fast form of contrastive unpaired translation (Park et al., arXiv:2007.15651), of stacks:
    one generator G: A → B and one discriminator. Content is kept by contrast within an image: each patch of
    G(a) has to resemble the patch of a at its place more than its other patches, by features
    :math:`H_l(G_l(\cdot))` of layers :math:`l` of the generator's first half, under small perceptrons
    :math:`H_l`. The generator's loss is

    .. math::
        (D(G(a)) - 1)^2 + \lambda \frac{1}{L} \sum_l \ell_\mathrm{NCE}\left(H_l(G_l(G(a))), H_l(G_l(a))\right)

    with λ = ``config.lambda_nce``, :math:`\ell_\mathrm{NCE}` of :func:`torch_afm.nn.style.patch_nce` at 256
    random places, no gradient through the second argument, and a least-squares D. Where ``config.flip``
    allows, half of the images are translated mirrored, and what is compared is mirrored back (section 4 of
    the reference: equivariance in place of an identity loss). There is no translation back: train with
    domains exchanged for that.

    Args:
        config: the settings of the run.
    """

    def __init__(self, config: StyleConfig) -> None:
        super().__init__(config)
        self.critics["b"] = Critic(config)
        self.projector = PatchProjector(self.translator("b").generator.feature_channels)

    def generator_step(self, a: Tensor, b: Tensor) -> GeneratorStep:
        mirrored = self.config.flip and bool(torch.rand((), generator=self.rng) < 0.5)
        fake = self.translate("b", a.flip(-1) if mirrored else a)
        adversarial = self.critic("b").loss(fake, 1.0)
        layers = self._features(fake)
        if mirrored:
            layers = [layer.flip(-1) for layer in layers]
        places = [self._places(layer) for layer in layers]
        queries = self.projector(layers, places)
        with torch.no_grad():
            keys = self.projector(self._features(a), places)
        contrast = torch.stack([patch_nce(q, k) for q, k in zip(queries, keys, strict=True)]).mean()
        loss = adversarial + self.config.lambda_nce * contrast
        return GeneratorStep(loss, {"adversarial": adversarial, "nce": contrast}, {"b": fake})

    def _features(self, stack: Tensor) -> list[Tensor]:
        """Of every slice, under noise of 0: two draws would differ for no reason of content."""
        images = slice_windows(stack, self.config.context)
        if self.config.noise:
            images = pad(images, (0, 0, 0, 0, 0, 2))
        return self.translator("b").generator.features(images)

    def _places(self, layer: Tensor) -> Tensor:
        count = layer.shape[-2] * layer.shape[-1]
        return torch.randperm(count, generator=self.rng)[:_PATCHES].to(layer.device)
