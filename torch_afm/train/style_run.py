"""One training run of style translation, from settings to saved translations."""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import DataLoader

from torch_afm.config import Scaling, to_dict
from torch_afm.config.style import StyleConfig
from torch_afm.datasets import EpochSampler
from torch_afm.io.files import write_json
from torch_afm.io.journal import keep_settings
from torch_afm.metrics.images import content_preservation
from torch_afm.models import StyleTranslator
from torch_afm.style import (
    Choice,
    Evaluation,
    UnpairedCrops,
    choose_checkpoint,
    common_size,
    evaluate_translation,
    read_stacks,
)
from torch_afm.train.run import last_checkpoint
from torch_afm.train.style_module import StyleModule
from torch_afm.utils import InputError
from torch_afm.viz.style import plot_checkpoints, plot_translations

#: Settings that may differ when a run is continued.
_FREE = {"out", "progress", "threads", "min_correlation", "max_lost"}

#: Folder of the translation to a domain.
FOLDERS = {"b": "forward", "a": "backward"}

#: Measures of content in the plot, and those of the translation back.
_SHOWN = ("correlation", "ssim", "lost", "adjacent", "adjacent_source")
_SHOWN_BACK = ("correlation", "lost")


def train_style(
    config: StyleConfig, a: Sequence[Tensor] | None = None, b: Sequence[Tensor] | None = None
) -> Choice:
    """Train a translation between two domains by the method that ``config`` names. If ``config.out`` holds a
    checkpoint of an interrupted run, continue it: a run continued at the end of an epoch gives the same
    numbers as one never interrupted.

    Writes into ``config.out``: ``last.ckpt``, ``style.json``, learning curves
    ``curves/version_*/metrics.csv``; every ``config.every`` epochs ``epochs/NNNN/`` with the translations
    and a sample sheet, and ``evaluation.json`` and ``evaluation.png``, whose epoch 0 stands for stacks that
    are not translated; at the end the chosen translation ``forward/`` (A to B) and, of a method that has it,
    ``backward/`` (B to A).
    Where every checkpoint destroys content, a warning names the run and says how, and nothing is chosen.

    Args:
        config: the settings.
        a: stacks of domain A to use instead of those that ``config`` names.
        b: stacks of domain B.

    Shapes:
        stacks ``[Z, Y, X]``, in Hz.

    Raises:
        InputError: if the folder holds a run with other settings or stacks, or a damaged checkpoint, and for
            missing, too few or wrong stacks.
    """
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    train_a, val_a = _split("a", a, config.a, config)
    train_b, val_b = _split("b", b, config.b, config)
    stacks = {"a": [*train_a, *val_a], "b": [*train_b, *val_b]}
    origin = {f"{name}_sha256": _fingerprint(some) for name, some in stacks.items()}
    keep_settings(out / "style.json", {**to_dict(config), **origin}, _FREE)
    if config.threads:
        torch.set_num_threads(config.threads)
    scalings = config.source, config.target
    sizes = config.crop, config.slices, config.epoch_pairs, config.seed
    crops = UnpairedCrops(train_a, train_b, *scalings, *sizes, flip=config.flip)
    L.seed_everything(config.seed, verbose=False)
    module = StyleModule(config)
    evaluation = StyleEvaluation(out, config, val_a, val_b)
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists")
    warnings.filterwarnings("ignore", message=".*does not have many workers")
    trainer = L.Trainer(
        accelerator=config.accelerator,
        devices=1,
        max_epochs=config.total_epochs,
        log_every_n_steps=1,
        use_distributed_sampler=False,
        logger=CSVLogger(out, name="curves"),
        callbacks=[evaluation, ModelCheckpoint(out, filename="last", enable_version_counter=False)],
        enable_progress_bar=config.progress,
        enable_model_summary=config.progress,
    )
    sampler = EpochSampler(len(crops), len(crops), config.seed)
    loader = DataLoader(crops, config.batch_size, sampler=sampler)
    trainer.fit(module, loader, ckpt_path=last_checkpoint(out), weights_only=True)
    return _finish(out, config, evaluation.read())


class StyleEvaluation(L.Callback):
    """Save, show and judge the translations as they are trained.

    Args:
        out: folder of the run.
        config: the settings.
        a: stacks of domain A that are not trained on.
        b: stacks of domain B that are not trained on.
    """

    def __init__(self, out: Path, config: StyleConfig, a: Sequence[Tensor], b: Sequence[Tensor]) -> None:
        self.out, self.config, self.a, self.b = out, config, a, b
        self.file = out / "evaluation.json"
        height, width = (min(stack.size(axis) for stack in (*a, *b)) for axis in (1, 2))
        self.sides = height, width
        self.source, self.target = self._scaled(a, config.source), self._scaled(b, config.target)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        done, config = trainer.current_epoch + 1, self.config
        if done % config.every and done != config.total_epochs:
            return
        method = cast(StyleModule, pl_module).method
        method.eval()
        folder = self.out / "epochs" / f"{done:04d}"
        for domain in method.translators:
            method.translator(domain).save_pretrained(folder / FOLDERS[domain])
        forward = _translated(method.translator("b"), self.a)
        translated, returned = self._scaled(forward, config.target), None
        sheet = {"source": self.source[0], "translated": translated[0], "target": self.target[0]}
        if "a" in method.translators:
            to_a = method.translator("a")
            there_and_back = self._scaled(_translated(to_a, forward[:1]), config.source)
            returned = self._scaled(_translated(to_a, self.b), config.source)
            sheet |= {"translated, back": there_and_back[0], "target, back": returned[0]}
        method.train()
        title = f"epoch {done}"
        plot_translations({k: v.numpy() for k, v in sheet.items()}, title).savefig(folder / "samples.png")
        untranslated = None if returned is None else self.target
        rows = [row for row in self.read() if row.epoch < done] or [self._judge(0, self.source, untranslated)]
        rows.append(self._judge(done, translated, returned))
        write_json(self.file, [asdict(row) for row in rows])
        _plot(self.out, config, rows)

    def read(self) -> list[Evaluation]:
        """All evaluations of the run so far; the first, of epoch 0, is of stacks that are not translated."""
        rows = json.loads(self.file.read_text("utf-8")) if self.file.exists() else []
        return [Evaluation(**row) for row in rows]

    def _judge(self, epoch: int, translated: Tensor, returned: Tensor | None) -> Evaluation:
        found = evaluate_translation(epoch, translated, self.source, self.target, self.config.seed)
        if returned is None:
            return found
        return replace(found, backward=content_preservation(returned, self.target))

    def _scaled(self, stacks: Sequence[Tensor], scaling: Scaling) -> Tensor:
        """Stacks on the scale of the networks, cut to one size."""
        whole = [scaling.apply(stack.float(), scaling.measure(stack.float())) for stack in stacks]
        return common_size(whole, self.sides)


def _translated(translator: StyleTranslator, stacks: Sequence[Tensor]) -> list[Tensor]:
    device = next(translator.parameters()).device
    return [translator(stack[None, None].to(device), i)[0, 0].cpu() for i, stack in enumerate(stacks)]


def _split(
    name: str, stacks: Sequence[Tensor] | None, path: str | None, config: StyleConfig
) -> tuple[list[Tensor], list[Tensor]]:
    """Stacks to train on and to evaluate with."""
    if stacks is None:
        if path is None:
            raise InputError(f"{name}: expected stacks of domain {name.upper()}, got none")
        stacks = read_stacks(path)
    if len(stacks) <= config.validation:
        raise InputError(
            f"{name}: expected more stacks than the {config.validation} for validation, got {len(stacks)}"
        )
    order = np.random.default_rng(config.seed).permutation(len(stacks)).tolist()
    parts = order[config.validation :], order[: config.validation]
    train, validation = ([stacks[i] for i in part] for part in parts)
    return train, validation


def _fingerprint(stacks: Sequence[Tensor]) -> str:
    """SHA-256 of shapes and values."""
    digest = hashlib.sha256()
    for stack in stacks:
        array = np.ascontiguousarray(stack.numpy(), dtype="<f4")
        digest.update(f"{array.shape} ".encode() + array.tobytes())
    return digest.hexdigest()


def _plot(out: Path, config: StyleConfig, rows: Sequence[Evaluation]) -> Choice:
    choice = choose_checkpoint(rows[1:], config.min_correlation, config.max_lost)
    figure = plot_checkpoints(
        [row.epoch for row in rows],
        {name: [row.distances[name] for row in rows] for name in rows[0].distances},
        rows[-1].floors,
        {name: [row.content[name] or 0.0 for row in rows] for name in _SHOWN}
        | {
            f"{name}, back": [row.backward[name] or 0.0 for row in rows]
            for name in _SHOWN_BACK
            if rows[0].backward
        },
        choice.epoch,
        sorted(choice.rejected),
    )
    figure.savefig(out / "evaluation.png", dpi=120)
    return choice


def _finish(out: Path, config: StyleConfig, rows: Sequence[Evaluation]) -> Choice:
    choice = _plot(out, config, rows)
    if choice.epoch is None:
        last = max(choice.rejected)
        warnings.warn(
            f"{out}: this run destroys content in every checkpoint (epoch {last}: {choice.rejected[last]}); "
            "no translation was chosen",
            stacklevel=3,
        )
        return choice
    shutil.copytree(
        out / "epochs" / f"{choice.epoch:04d}",
        out,
        ignore=shutil.ignore_patterns("samples.png"),
        dirs_exist_ok=True,
    )
    return choice
