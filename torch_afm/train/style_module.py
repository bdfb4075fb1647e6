"""The Lightning module of style translation."""

from __future__ import annotations

from typing import Any, cast

import lightning as L
import torch
from torch import Tensor

from torch_afm.config.style import StyleConfig
from torch_afm.style import CycleGAN, ImagePool


class StyleModule(L.LightningModule):
    """Training steps of :class:`~torch_afm.style.CycleGAN`: the generators by one Adam optimizer, then the
    discriminators, on pools of translations, by another. The pools and the state of the noise go into
    checkpoints, so that a run continues as if it had never stopped.

    Args:
        config: the settings.
    """

    def __init__(self, config: StyleConfig) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.config = config
        self.gan = CycleGAN(
            config.translator,
            config.critic_width,
            config.critic_layers,
            config.lambda_cycle,
            config.lambda_identity,
            config.seed,
            config.detail,
        )
        self.pools = [ImagePool(config.pool, config.seed + i) for i in range(2)]

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        a, b = batch
        gan = self.gan
        generators, critics = cast("list[Any]", self.optimizers())
        self._critics_learn(False)
        terms, fake_b, fake_a = gan.generators(a, b)
        generators.zero_grad()
        self.manual_backward(terms.total)
        generators.step()
        self._critics_learn(True)
        loss_b = gan.discriminator(gan.critic_b, b, self.pools[0].query(fake_b))
        loss_a = gan.discriminator(gan.critic_a, a, self.pools[1].query(fake_a))
        critics.zero_grad()
        self.manual_backward(loss_a + loss_b)
        critics.step()
        values = {f"train/{name}": value.detach() for name, value in terms._asdict().items()}
        values |= {"train/critic_a": loss_a.detach(), "train/critic_b": loss_b.detach()}
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=len(a))

    def on_train_epoch_end(self) -> None:
        for scheduler in cast("list[Any]", self.lr_schedulers()):
            scheduler.step()

    def configure_optimizers(self) -> Any:
        gan, lr = self.gan, self.config.lr
        parts = (gan.to_a, gan.to_b), (gan.critic_a, gan.critic_b)
        optimizers = [
            torch.optim.Adam([p for net in nets for p in net.parameters()], lr, betas=(0.5, 0.999))
            for nets in parts
        ]
        schedulers = [torch.optim.lr_scheduler.LambdaLR(one, self._factor) for one in optimizers]
        return optimizers, schedulers

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["pools"] = [pool.state_dict() for pool in self.pools]
        checkpoint["noise"] = self.gan.rng.get_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for pool, state in zip(self.pools, checkpoint["pools"], strict=True):
            pool.load_state_dict(state)
        self.gan.rng.set_state(checkpoint["noise"].cpu())

    def _factor(self, epoch: int) -> float:
        """On the learning rate: constant, then linear down to zero after the last epoch."""
        return 1 - max(0, epoch + 1 - self.config.epochs) / (self.config.decay_epochs + 1)

    def _critics_learn(self, learn: bool) -> None:
        for critic in (self.gan.critic_a, self.gan.critic_b):
            critic.requires_grad_(learn)
