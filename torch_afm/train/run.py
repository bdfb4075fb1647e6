"""One training run, from settings to a saved model."""

from __future__ import annotations

import json
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from torch_afm.config import GraphGeneratorConfig, to_dict
from torch_afm.data import AFMData
from torch_afm.models import GraphGenerator
from torch_afm.train.config import TrainConfig
from torch_afm.train.datamodule import AFMDataModule
from torch_afm.train.module import GeneratorModule
from torch_afm.utils import InputError


def train(config: TrainConfig, molecules: list[AFMData] | None = None) -> GraphGenerator:
    """Train a graph generator. If ``config.out`` holds a checkpoint of an interrupted run, continue it: a run
    continued at the end of an epoch gives the same numbers as one never interrupted.

    Writes into ``config.out``: ``last.ckpt`` and ``best.ckpt``, ``train.json``, learning curves
    ``curves/version_*/metrics.csv`` (one each time the run is started) and, at the end, ``model/``
    (safetensors and config.json).

    Args:
        config: the settings.
        molecules: molecules to use instead of those that ``config`` names.

    Raises:
        InputError: if the folder holds a run with other settings (more epochs are no other settings).
    """
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    _check_same_run(out / "train.json", config)
    if config.threads:
        torch.set_num_threads(config.threads)
    L.seed_everything(config.seed, verbose=False)

    settings = GraphGeneratorConfig.preset(config.preset)
    module = GeneratorModule(GraphGenerator(settings), config)
    # Two: the last checkpoint of the one that keeps the best would be written only when the best is.
    checkpoints = [
        ModelCheckpoint(out, filename=name, monitor=monitor, enable_version_counter=False)
        for name, monitor in (("last", None), ("best", "val/total"))
    ]
    trainer = L.Trainer(
        accelerator=config.accelerator,
        devices=config.devices,
        num_nodes=config.num_nodes,
        strategy="ddp" if config.devices * config.num_nodes > 1 else "auto",
        precision=config.precision,  # type: ignore[arg-type]
        max_epochs=config.epochs,
        gradient_clip_val=config.clip or None,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        logger=CSVLogger(out, name="curves"),
        callbacks=[*checkpoints, LearningRateMonitor("epoch")],
        enable_progress_bar=config.progress,
        enable_model_summary=config.progress,
    )
    last = out / "last.ckpt"
    trainer.fit(
        module,
        AFMDataModule(settings, config, molecules),
        ckpt_path=str(last) if last.exists() else None,
        weights_only=True,
    )
    if trainer.is_global_zero:
        module.model.save_pretrained(out / "model")
    return module.model


def _check_same_run(path: Path, config: TrainConfig) -> None:
    """Record the settings of a new run, or refuse to continue one that had others."""
    free = {"out", "epochs", "progress", "workers", "threads"}
    now = {k: v for k, v in to_dict(config).items() if k not in free}
    if path.exists():
        before = json.loads(path.read_text())
        changed = sorted(k for k in now if before.get(k, now[k]) != now[k])
        if changed:
            raise InputError(
                f"{path.parent}: holds a run with other settings ({', '.join(changed)}); "
                "give another folder, or delete it"
            )
    path.write_text(json.dumps(to_dict(config), indent=2) + "\n")
