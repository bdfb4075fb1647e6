"""Two translations that undo each other."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor
from torch.nn.functional import l1_loss

from torch_afm.config.style import StyleConfig
from torch_afm.models import StyleTranslator
from torch_afm.style.critic import Critic
from torch_afm.style.unpaired import GeneratorStep, UnpairedTranslation


class CycleGAN(UnpairedTranslation, method="cyclegan"):
    r"""CycleGAN (Zhu et al., arXiv:1703.10593) of stacks: generators G: A → B and F: B → A, discriminators
    :math:`D_A` and :math:`D_B`, with least-squares losses (section 4). The generators' loss is

    .. math::
        (D_B(G(a)) - 1)^2 + (D_A(F(b)) - 1)^2
        + \lambda \left(|F(G(a)) - a| + |G(F(b)) - b|\right)
        + \lambda \lambda_{id} \left(|G(b) - b| + |F(a) - a|\right)

    with λ = ``config.lambda_cycle`` and λ_id = ``config.lambda_identity``, and that of each discriminator
    :math:`\left((D(\mathrm{real}) - 1)^2 + D(\mathrm{fake})^2\right) / 2`, all averaged over patches and
    pixels. The translation back has the scalings exchanged and sees no noise.

    Args:
        config: the settings of the run.
    """

    def __init__(self, config: StyleConfig) -> None:
        super().__init__(config)
        forward = config.translator
        self.translators["a"] = StyleTranslator(
            replace(forward, source=forward.target, target=forward.source, noise=False)
        )
        self.critics.update({domain: Critic(config) for domain in "ab"})

    def generator_step(self, a: Tensor, b: Tensor) -> GeneratorStep:
        config = self.config
        fake_b, fake_a = self.translate("b", a), self.translate("a", b)
        adversarial = self.critic("b").loss(fake_b, 1.0) + self.critic("a").loss(fake_a, 1.0)
        cycle = l1_loss(self.translate("a", fake_b), a) + l1_loss(self.translate("b", fake_a), b)
        identity = adversarial.new_zeros(())
        if config.lambda_identity:
            same_b, same_a = self.translate("b", b), self.translate("a", a)
            identity = l1_loss(same_b, b) + l1_loss(same_a, a)
        loss = adversarial + config.lambda_cycle * (cycle + config.lambda_identity * identity)
        terms = {"adversarial": adversarial, "cycle": cycle, "identity": identity}
        return GeneratorStep(loss, terms, {"b": fake_b, "a": fake_a})
