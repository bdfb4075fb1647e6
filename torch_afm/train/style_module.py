"""The Lightning module of style translation."""

from __future__ import annotations

from typing import Any, cast

import lightning as L
import torch
from torch import Tensor

from torch_afm.config.style import StyleConfig
from torch_afm.style import ImagePool, make_method


class StyleModule(L.LightningModule):
    """Training steps of any :class:`~torch_afm.style.UnpairedTranslation`: the generators by one Adam
    optimizer, then the critics, on pools of translations, by another. The pools and the state of the draws go
    into checkpoints, so that a run continues as if it had never stopped.

    Args:
        config: the settings.
    """

    def __init__(self, config: StyleConfig) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.config = config
        self.method = make_method(config)
        self.pools = {
            domain: ImagePool(config.pool, config.seed + i)
            for i, domain in enumerate(self.method.translators)
        }

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        real = dict(zip("ab", batch, strict=True))
        generators, critics = cast("list[Any]", self.optimizers())
        self.method.critics.requires_grad_(False)
        step = self.method.generator_step(real["a"], real["b"])
        generators.zero_grad()
        self.manual_backward(step.loss)
        generators.step()
        self.method.critics.requires_grad_(True)
        losses = {
            domain: self.method.critic_loss(domain, real[domain], pool.query(step.translations[domain]))
            for domain, pool in self.pools.items()
        }
        critics.zero_grad()
        self.manual_backward(torch.stack(list(losses.values())).sum())
        critics.step()
        values = {**step.terms, "total": step.loss, **{f"critic_{k}": v for k, v in losses.items()}}
        self.log_dict(
            {f"train/{name}": value.detach() for name, value in values.items()},
            on_step=False,
            on_epoch=True,
            batch_size=len(real["a"]),
        )

    def on_train_epoch_end(self) -> None:
        for scheduler in cast("list[Any]", self.lr_schedulers()):
            scheduler.step()

    def configure_optimizers(self) -> Any:
        parts = self.method.generator_parameters(), self.method.critics.parameters()
        optimizers = [torch.optim.Adam(list(part), self.config.lr, betas=(0.5, 0.999)) for part in parts]
        schedulers = [torch.optim.lr_scheduler.LambdaLR(one, self._factor) for one in optimizers]
        return optimizers, schedulers

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["pools"] = {domain: pool.state_dict() for domain, pool in self.pools.items()}
        checkpoint["draws"] = self.method.rng.get_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for domain, pool in self.pools.items():
            pool.load_state_dict(checkpoint["pools"][domain])
        self.method.rng.set_state(checkpoint["draws"].cpu())

    def _factor(self, epoch: int) -> float:
        """On the learning rate: constant, then linear down to zero after the last epoch."""
        return 1 - max(0, epoch + 1 - self.config.epochs) / (self.config.decay_epochs + 1)
