"""One training run, from settings to a saved model."""

from __future__ import annotations

import dataclasses
import pickle
import warnings
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import (
    EarlyStopping,
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
)
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from torch_afm.config import GeneratorConfig, to_dict
from torch_afm.config.training import TrainConfig
from torch_afm.data import AFMData
from torch_afm.io.journal import keep_settings
from torch_afm.models import Generator, make_generator
from torch_afm.train.datamodule import AFMDataModule
from torch_afm.train.memory import keep_memory
from torch_afm.train.module import GeneratorModule
from torch_afm.utils import InputError
from torch_afm.viz.training import plot_curves

#: Settings that may differ when a run is continued.
_FREE = {"out", "epochs", "patience", "progress", "workers", "tensorboard", "threads"}


def train(config: TrainConfig, molecules: list[AFMData] | None = None) -> Generator:
    """Train a generator. If ``config.out`` holds a checkpoint of an interrupted run, continue it: a run
    continued at the end of an epoch gives the same numbers as one never interrupted.

    Writes into ``config.out``: ``last.ckpt`` and ``best.ckpt``, ``train.json``, learning curves
    ``curves.png`` and ``curves/version_*/metrics.csv`` (one each time the run is started) and, at the end,
    ``model/`` (safetensors and config.json).

    Args:
        config: the settings.
        molecules: molecules to use instead of those that ``config`` names.

    Raises:
        InputError: if the folder holds a run with other settings or molecules (more epochs are no other
            settings), or checkpoints that are all damaged, and for ``init`` weights that are missing or of
            another network.
    """
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    data = AFMDataModule(config, molecules)
    data.setup()
    keep_settings(out / "train.json", {**to_dict(config), **data.origin}, _FREE)
    if config.threads:
        torch.set_num_threads(config.threads)
    L.seed_everything(config.seed, verbose=False)

    if config.accelerator != "gpu":
        keep_memory()
    model = _model(config.model, config.init)
    module = GeneratorModule(model, config)
    # The settings were written there a moment ago.
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists")
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
        logger=_loggers(out, config),
        callbacks=_callbacks(out, config),
        enable_progress_bar=config.progress,
        enable_model_summary=config.progress,
    )
    trainer.fit(module, data, ckpt_path=last_checkpoint(out), weights_only=True)
    if trainer.is_global_zero:
        model.save_pretrained(out / "model")
    return model


class CurvePlot(L.Callback):
    """Draw the learning curves of all starts of the run after each epoch."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                logger.save()
            files = list((self.out / "curves").glob("version_*/metrics.csv"))
            files.sort(key=lambda file: int(file.parent.name[8:]))
            try:
                plot_curves(files).savefig(self.out / "curves.png")
            except InputError as error:  # of a run that was killed, perhaps: no reason to end this one
                warnings.warn(f"{error}; curves.png is not drawn", stacklevel=2)


def _model(settings: GeneratorConfig, init: str | None) -> Generator:
    model = make_generator(settings)
    if init is None:
        return model
    known = type(model).from_pretrained(init)
    found = known.config
    if known.has_context:
        # Where the answer is cut is no part of that network.
        found = dataclasses.replace(found, z_min=settings.z_min)
    if found != settings:
        raise InputError(f"init: expected weights of the network to train, got others in {init}")
    model.load_state_dict(known.state_dict())
    return model


def _loggers(out: Path, config: TrainConfig) -> list[Logger]:
    loggers: list[Logger] = [CSVLogger(out, name="curves")]
    if config.tensorboard:
        try:
            loggers.append(TensorBoardLogger(out, name="tensorboard"))
        except ModuleNotFoundError:
            raise InputError("tensorboard: expected TensorBoard installed; pip install tensorboard") from None
    return loggers


def _callbacks(out: Path, config: TrainConfig) -> list[L.Callback]:
    best = "best" if config.keep == 1 else "best-{epoch}"
    # Two: the last checkpoint of the one that keeps the best would be written only when the best is.
    callbacks: list[L.Callback] = [
        ModelCheckpoint(out, filename="last", enable_version_counter=False),
        ModelCheckpoint(
            out, filename=best, monitor="val/total", save_top_k=config.keep, enable_version_counter=False
        ),
        LearningRateMonitor("epoch"),
        CurvePlot(out),
    ]
    if config.patience:
        callbacks.append(EarlyStopping("val/total", patience=config.patience, check_finite=True))
    if config.ema:
        callbacks.append(EMAWeightAveraging(decay=config.ema))
    return callbacks


def last_checkpoint(out: Path) -> str | None:
    """The checkpoint that a run in this folder goes on from, if there is any: that of its last epoch or,
    where it is damaged, the latest of the best ones, with a warning.

    Raises:
        InputError: where all are damaged.
    """
    last = out / "last.ckpt"
    if not last.exists():
        return None
    if _epoch(last) is not None:
        return str(last)
    best = {path: epoch for path in out.glob("best*.ckpt") if (epoch := _epoch(path)) is not None}
    if not best:
        raise InputError(f"{last}: the checkpoint is damaged; delete it, and the same command begins anew")
    path = max(best, key=best.__getitem__)
    warnings.warn(
        f"{last}: the checkpoint is damaged; going on from {path.name}, epoch {best[path] + 1}",
        stacklevel=3,
    )
    return str(path)


def _epoch(path: Path) -> int | None:
    """The epoch that a checkpoint ends, none for a damaged one."""
    try:
        return int(torch.load(path, map_location="cpu", weights_only=True)["epoch"])
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError, pickle.UnpicklingError):
        return None
