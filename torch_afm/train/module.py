"""The Lightning module of every generator."""

from __future__ import annotations

import math
from typing import Any, cast

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config.training import TrainConfig
from torch_afm.metrics import StepMetrics
from torch_afm.metrics.steps import headline
from torch_afm.models import Generator
from torch_afm.train.muon import Muon

#: Share of a run over which the learning rate rises, and what share of it is left at the end.
_WARMUP, _FINAL = 0.02, 0.01


class GeneratorModule(L.LightningModule):
    """Training steps of a generator under its loss: Adam, or :class:`~torch_afm.train.muon.Muon` for its
    matrices. Of a network that proposes one atom a step the
    single-step scores on the validation molecules are logged, too.

    Args:
        model: the network.
        config: learning rate and schedule, and the settings of the loss.
    """

    model: Generator

    def __init__(self, model: Generator, config: TrainConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.loss = model.make_loss(config.loss)
        self.metrics = self._new_metrics()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        terms = self.loss(self.model(batch), batch)
        values = {f"train/{k}": v.detach() for k, v in terms._asdict().items()}
        self.log_dict(
            values, on_step=False, on_epoch=True, batch_size=batch.num_graphs, sync_dist=True, prog_bar=False
        )
        self.log("loss", terms.total.detach(), prog_bar=True, logger=False)
        return cast(Tensor, terms.total)

    def on_validation_epoch_start(self) -> None:
        self.metrics = self._new_metrics()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        out = self.validate(batch)
        if self.metrics is not None:
            self.metrics.update(out, batch)

    def validate(self, batch: Batch) -> Any:
        """Log the loss of ``batch``; returns the network's output."""
        out = self.model(batch)
        values = {f"val/{k}": v for k, v in self.loss(out, batch)._asdict().items()}
        self.log_dict(values, on_epoch=True, batch_size=batch.num_graphs, sync_dist=True)
        return out

    def on_validation_epoch_end(self) -> None:
        if self.metrics is not None:
            scores = headline(self._gather(self.metrics).compute())
            self.log_dict({f"val/{name}": value for name, value in scores.items()}, rank_zero_only=True)

    def configure_optimizers(self) -> Any:
        parameters, lr, muon_lr = self.parameters(), self.config.lr, self.config.muon_lr
        optimizer = Muon(parameters, lr, muon_lr) if muon_lr else torch.optim.Adam(parameters, lr)
        if self.config.schedule == "constant":
            return optimizer
        total = self.config.total_steps
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _cosine(step, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _new_metrics(self) -> StepMetrics | None:
        return StepMetrics(self.model.classes, self.model.config.z_min) if self.model.sequential else None

    def _gather(self, metrics: StepMetrics) -> StepMetrics:
        if self.trainer.world_size == 1:
            return metrics
        parts: list[dict[str, np.ndarray]] = [{}] * self.trainer.world_size
        torch.distributed.all_gather_object(parts, metrics.rows())
        rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return StepMetrics.from_rows(rows, self.model.classes, self.model.config.z_min)


def _cosine(step: int, total: int) -> float:
    """Factor on the learning rate at ``step`` of ``total``."""
    rise = max(1, round(_WARMUP * total))
    if step < rise:
        return (step + 1) / rise
    return _FINAL + (1 - _FINAL) * 0.5 * (
        1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, total - rise)))
    )
