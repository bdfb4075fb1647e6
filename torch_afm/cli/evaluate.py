"""``torch-afm evaluate``: scores of whole predictions and of single-atom steps."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jsonargparse import Namespace

from torch_afm import __version__
from torch_afm.cli.parsers.evaluate import SPLITS
from torch_afm.data import AFMData
from torch_afm.datasets import AFMDataset, MoleculeDataset, StepDraws
from torch_afm.datasets.manifest import fingerprint
from torch_afm.evaluation import baselines, evaluate_predictions, evaluate_steps
from torch_afm.io.files import load_npz, write_json
from torch_afm.io.journal import keep_settings, read_records
from torch_afm.metrics import MoleculeMetrics, StepMetrics
from torch_afm.metrics.calibration import confidence_tables, fit_calibration
from torch_afm.metrics.molecules import format_molecules
from torch_afm.metrics.steps import format_steps
from torch_afm.models import Generator, load_generator
from torch_afm.models.pretrained import weights_folder
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import generate, load_calibration
from torch_afm.prediction.result import FILE
from torch_afm.progress import format_duration
from torch_afm.utils import InputError
from torch_afm.viz import (
    plot_classes,
    plot_confusion,
    plot_depth,
    plot_images,
    plot_parity,
    plot_reliability,
    plot_sizes,
)

T = TypeVar("T")

#: Settings that may differ when an evaluation is continued: more of the same, and weights that were moved.
_FREE = {"weights", "predictions", "samples"}

#: Name of the network among the generators that are scored.
MODEL = "model"


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.evaluate.parse`."""
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)  # now rather than after the work
    model = load_generator(args.weights)
    model.eval()
    molecules = _molecules(args.molecules, args.geometry, args.split, args.seed)
    keep_settings(out / "evaluation.json", _settings(args, molecules), _FREE, "an evaluation")
    result: dict[str, Any] = {
        "version": __version__,
        "weights": args.weights,
        "split": args.split,
        "molecules": len(molecules),
        "orientation": args.orientation,
        "seed": args.seed,
    }
    if model.sequential and args.samples:
        result["steps"] = _steps(model, molecules, args, out)
    if args.predictions:
        result.update(_predictions(model, molecules, args, out))
    write_json(out / "scores.json", result)
    print(f"\nwrote      scores.json and figures to {out}")
    return 0


def _settings(args: Any, molecules: list[AFMData]) -> dict[str, Any]:
    """All that decides the scores of a step or a molecule, and what else the command was given."""
    with (weights_folder(args.weights) / "model.safetensors").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    names = ("weights", "split", "orientation", "seed", "batch_size", "backend", "predictions", "samples")
    settings = {name: args[name] for name in names}
    return {
        "version": __version__,
        **settings,
        "weights_sha256": digest,
        "molecules_sha256": fingerprint(molecules),
    }


def _timed(run: Callable[[int], T], known: int, count: int) -> T:
    """``run(count)``, which keeps what it finds, after a line on how long it will take: by three of the items
    that are left, the first of which warms up."""
    if known + 4 < count:
        run(known + 1)
        start = time.perf_counter()
        run(known + 3)
        left = (time.perf_counter() - start) / 2 * (count - known - 3)
        print(f"about {format_duration(left)}; interrupted, the same command goes on from there", flush=True)
    return run(count)


def _steps(model: Generator, molecules: list[AFMData], args: Any, out: Path) -> dict[str, Any]:
    """The tables and figures of single-atom steps."""
    draws = StepDraws(z_min=model.config.z_min, classes=model.classes, seed=args.seed)
    dataset = AFMDataset(molecules, model.config.scan, draws, backend=args.backend)
    order = np.random.default_rng(args.seed).permutation(len(dataset))[: args.samples].tolist()
    file, batch = out / "steps.npz", args.batch_size

    def run(batches: int) -> StepMetrics:
        return evaluate_steps({MODEL: model}, dataset, order[: batches * batch], batch, file)[MODEL]

    known = min(len(order), len(load_npz(file)[f"{MODEL}/label"])) if file.exists() else 0
    print(f"single steps: {len(order):,} of {len(dataset):,}, {known:,} of them there already", flush=True)
    metrics = _timed(run, known // batch, -(-len(order) // batch))
    table, intervals = metrics.compute(), metrics.intervals(args.resamples, seed=args.seed)
    print(format_steps(table, intervals), end="\n\n")
    plot_parity(*metrics.positions()).savefig(out / "parity.png", dpi=120)
    plot_depth(table, intervals).savefig(out / "depth.png", dpi=120)
    plot_confusion(table).savefig(out / "confusion.png", dpi=120)
    return {**table, "intervals": intervals}


def _predictions(model: Generator, molecules: list[AFMData], args: Any, out: Path) -> dict[str, Any]:
    """The tables and figures of whole predictions, and what their confidence is worth."""
    order = np.random.default_rng(args.seed).permutation(len(molecules))[: args.predictions].tolist()
    z_min, file = model.config.z_min, out / "predictions.jsonl"
    renderer = ProbeParticleModel(model.config.scan, backend=args.backend)

    def run(count: int) -> dict[str, MoleculeMetrics]:
        return evaluate_predictions(
            {
                MODEL: lambda reference, renderer, z_top: generate(model, reference, renderer, z_top),
                **baselines(model.classes, z_min),
            },
            [(i, molecules[i]) for i in order[:count]],
            renderer,
            model.classes,
            z_min,
            model.z_targets if model.has_context else None,
            args.orientation,
            args.seed,
            file,
        )

    known = min(len(order), len(read_records(file)))
    print(f"predictions: {len(order):,} of {len(molecules):,}, {known:,} of them there already", flush=True)
    metrics = _timed(run, known, len(order))
    tables = {name: scored.compute() for name, scored in metrics.items()}
    intervals = {MODEL: metrics[MODEL].intervals(args.resamples, seed=args.seed)}
    print(f"Whole predictions, {args.orientation} orientation, tips moved")
    print(format_molecules(tables[MODEL], intervals[MODEL]))
    for name in list(tables)[1:]:
        f1 = tables[name]["all"]["f1"]["0.5"]
        print(f"baseline {name}: F1 at 0.5 Å {'-' if f1 is None else f'{f1:.3f}'}")
    plot_sizes(tables, intervals).savefig(out / "sizes.png", dpi=120)
    plot_images(tables[MODEL]["all"]).savefig(out / "images.png", dpi=120)
    plot_classes(tables[MODEL]["all"]).savefig(out / "classes.png", dpi=120)
    return {
        "predictions": tables,
        "intervals": intervals[MODEL],
        "confidence": _confidence(metrics[MODEL], args, out),
    }


def _confidence(metrics: MoleculeMetrics, args: Any, out: Path) -> dict[str, Any]:
    """Reliability as predicted and calibrated. On the validation molecules the calibration is fitted, but for
    the limit of images, and written; elsewhere it is the one beside the weights."""
    calibration = load_calibration(args.weights)
    if args.split == "validation":
        calibration = fit_calibration(metrics.records, calibration.min_pearson)
        calibration.save(out / FILE)
        print(f"\nwrote      {FILE}, fitted on these molecules: put it beside the weights")
    plain = confidence_tables(metrics.records)
    corrected = confidence_tables(metrics.records, calibration)
    plot_reliability(plain, corrected).savefig(out / "reliability.png", dpi=120)
    print("\nExpected calibration error, as predicted and calibrated")
    for name in ("atom", "bond", "label"):
        errors = " -> ".join(
            "-" if table[name]["ece"] is None else f"{table[name]['ece']:.3f}" for table in (plain, corrected)
        )
        print(f"  {name:6} {errors}")
    image = corrected["image"]
    print("Pearson's r of the images, by the nominal tip and before any refinement")
    for name, side in (("agree", "at least"), ("disagree", "below")):
        f1 = "-" if image[name]["f1"] is None else f"{image[name]['f1']:.3f}"
        print(f"  {side} {image['min_pearson']:.2f}: {image[name]['count']} predictions, mean F1 {f1}")
    return {"as_predicted": plain, "calibrated": corrected}


def _molecules(lists: str | list[str] | None, geometry: str, split: str, seed: int) -> list[AFMData]:
    source = MoleculeDataset.read(lists, geometry=geometry)
    part = source.split(seed)[SPLITS.index(split)]
    if len(part) == 0:
        raise InputError(f"--molecules: expected enough molecules for a {split} split, got {len(source)}")
    return [source[int(i)] for i in part]
