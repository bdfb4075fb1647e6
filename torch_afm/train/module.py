"""The Lightning modules of the generators."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import Batch

from torch_afm.config.training import TrainConfig
from torch_afm.metrics import StepMetrics
from torch_afm.metrics.steps import headline
from torch_afm.models import Generator


class StepModule(L.LightningModule):
    """Training steps of a network under a loss that gives named terms and their ``total``: Adam.

    Args:
        model: the network.
        loss: takes what the network gives, and the batch.
        config: learning rate and schedule.
    """

    def __init__(self, model: Module, loss: Module, config: TrainConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.loss = loss

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        terms = self.loss(self.model(batch), batch)
        values = {f"train/{k}": v.detach() for k, v in terms._asdict().items()}
        self.log_dict(
            values, on_step=False, on_epoch=True, batch_size=batch.num_graphs, sync_dist=True, prog_bar=False
        )
        self.log("loss", terms.total.detach(), prog_bar=True, logger=False)
        return terms.total

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.validate(batch)

    def validate(self, batch: Batch) -> Any:
        """Log the loss of ``batch``; returns the prediction."""
        out = self.model(batch)
        values = {f"val/{k}": v for k, v in self.loss(out, batch)._asdict().items()}
        self.log_dict(values, on_epoch=True, batch_size=batch.num_graphs, sync_dist=True)
        return out

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.config.lr)
        if self.config.schedule == "constant":
            return optimizer
        total = self.config.total_steps
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _cosine(step, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class GeneratorModule(StepModule):
    """Single-atom training steps (the thesis, section 4.3): Adam on the loss of Eq. 4.12, and the thesis'
    single-step metrics on the validation molecules.

    Args:
        model: the network.
        config: learning rate and schedule.
    """

    model: Generator

    def __init__(self, model: Generator, config: TrainConfig) -> None:
        super().__init__(model, model.make_loss(), config)
        self.metrics = StepMetrics(model.classes, model.config.z_min)

    def on_validation_epoch_start(self) -> None:
        self.metrics = StepMetrics(self.model.classes, self.model.config.z_min)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.metrics.update(self.validate(batch), batch)

    def on_validation_epoch_end(self) -> None:
        scores = headline(self._of_all_processes().compute())
        self.log_dict({f"val/{name}": value for name, value in scores.items()}, rank_zero_only=True)

    def _of_all_processes(self) -> StepMetrics:
        if self.trainer.world_size == 1:
            return self.metrics
        parts: list[dict[str, np.ndarray]] = [{}] * self.trainer.world_size
        torch.distributed.all_gather_object(parts, self.metrics.rows())
        rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return StepMetrics.from_rows(rows, self.model.classes, self.model.config.z_min)


class SpatialModule(StepModule):
    """Training steps of a :class:`~torch_afm.models.SpatialGenerator` towards all missing atoms.

    Args:
        model: the network.
        config: learning rate and schedule.
    """

    model: Generator

    def __init__(self, model: Generator, config: TrainConfig) -> None:
        super().__init__(model, model.make_loss(), config)


def _cosine(step: int, total: int, warmup: float = 0.02, final: float = 0.01) -> float:
    """Factor on the learning rate at ``step`` of ``total``."""
    rise = max(1, round(warmup * total))
    if step < rise:
        return (step + 1) / rise
    return final + (1 - final) * 0.5 * (
        1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, total - rise)))
    )
