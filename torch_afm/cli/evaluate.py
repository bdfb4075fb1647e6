"""``torch-afm evaluate``: scores of whole predictions and of single-atom steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jsonargparse.typing import NonNegativeInt, PositiveInt

from torch_afm import __version__
from torch_afm.cli.parser import Parser, Seed
from torch_afm.data import AFMData
from torch_afm.datasets import AFMDataset, MoleculeDataset
from torch_afm.generation import baselines, evaluate_predictions, generate, load_calibration
from torch_afm.generation.confidence import FILE
from torch_afm.metrics import (
    MoleculeMetrics,
    confidence_tables,
    evaluate_steps,
    fit_calibration,
    format_molecules,
    format_tables,
)
from torch_afm.models import GraphGenerator, SpatialGenerator, load_generator
from torch_afm.ppm import ProbeParticleModel
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

#: Name of the network among the generators that are scored.
MODEL = "model"

_SPLITS = ("train", "validation", "test")


def main(argv: Sequence[str]) -> int:
    """Run the sub-command."""
    args = _parser().parse_args(list(argv))
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)  # now rather than after the work
    model = load_generator(args.weights)
    model.eval()
    molecules = _molecules(args.molecules, args.split, args.seed)
    result: dict[str, Any] = {
        "version": __version__,
        "weights": args.weights,
        "split": args.split,
        "molecules": len(molecules),
        "orientation": args.orientation,
        "seed": args.seed,
    }
    if isinstance(model, GraphGenerator) and args.samples:
        result["steps"] = _steps(model, molecules, args, out)
    if args.predictions:
        result.update(_predictions(model, molecules, args, out))
    (out / "scores.json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwrote      scores.json and figures to {out}")
    return 0


def _steps(model: GraphGenerator, molecules: list[AFMData], args: Any, out: Path) -> dict[str, Any]:
    """The tables and figures of single-atom steps."""
    dataset = AFMDataset(
        molecules,
        model.config.scan,
        backend=args.backend,
        z_min=model.config.z_min,
        classes=model.classes,
        seed=args.seed,
    )
    order = np.random.default_rng(args.seed).permutation(len(dataset))[: args.samples].tolist()
    metrics = evaluate_steps({MODEL: model}, dataset, order, args.batch_size)[MODEL]
    table, intervals = metrics.compute(), metrics.intervals(args.resamples, seed=args.seed)
    print(format_tables(table, intervals), end="\n\n")
    plot_parity(*metrics.positions()).savefig(out / "parity.png", dpi=120)
    plot_depth(table, intervals).savefig(out / "depth.png", dpi=120)
    plot_confusion(table).savefig(out / "confusion.png", dpi=120)
    return {**table, "intervals": intervals}


def _predictions(
    model: GraphGenerator | SpatialGenerator, molecules: list[AFMData], args: Any, out: Path
) -> dict[str, Any]:
    """The tables and figures of whole predictions, and what their confidence is worth."""
    order = np.random.default_rng(args.seed).permutation(len(molecules))[: args.predictions].tolist()
    z_min = model.config.z_min
    metrics = evaluate_predictions(
        {
            MODEL: lambda reference, renderer, z_top: generate(model, reference, renderer, z_top),
            **baselines(model.classes, z_min, args.seed),
        },
        [(i, molecules[i]) for i in order],
        ProbeParticleModel(model.config.scan, backend=args.backend),
        model.classes,
        z_min,
        model.config.z_context if isinstance(model, SpatialGenerator) else None,
        args.orientation,
        args.seed,
    )
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
    for kind in ("atom", "bond", "label"):
        errors = " -> ".join(
            "-" if table[kind]["ece"] is None else f"{table[kind]['ece']:.3f}" for table in (plain, corrected)
        )
        print(f"  {kind:6} {errors}")
    image = corrected["image"]
    for name, says in (("agree", "agrees"), ("disagree", "does not agree")):
        f1 = "-" if image[name]["f1"] is None else f"{image[name]['f1']:.3f}"
        print(f"image {says}: {image[name]['count']} predictions, mean F1 {f1}")
    return {"as_predicted": plain, "calibrated": corrected}


def _molecules(file: str | None, split: str, seed: int) -> list[AFMData]:
    source = MoleculeDataset(file)
    part = source.split(seed)[_SPLITS.index(split)]
    if len(part) == 0:
        raise InputError(f"--molecules: expected enough molecules for a {split} split, got {len(source)}")
    return [source[int(i)] for i in part]


def _parser() -> Parser:
    parser = Parser(
        "evaluate",
        "Score a generator on the test molecules of the split it was trained with: whole predictions of "
        "simulated stacks, imaged by tips that it does not know of, by number of visible atoms, beside "
        "baselines; their confidence; and, of a network that places one atom at a time, single steps, drawn "
        "and augmented as in training, beside the thesis' numbers in brackets. In parentheses: 95 % "
        "bootstrap intervals over molecules.",
    )
    parser.add_weights()
    parser.add_argument(
        "--molecules", metavar="FILE.smi", help="SMILES, one a line. Default: the list in the package"
    )
    parser.add_argument(
        "--split",
        choices=_SPLITS,
        default="test",
        help="molecules to score; of validation, the calibration of confidences is fitted too",
    )
    parser.add_argument(
        "--predictions", type=NonNegativeInt, default=200, metavar="N", help="whole predictions, at most"
    )
    parser.add_argument(
        "--orientation",
        choices=["best", "any"],
        default="best",
        help="the orientation that shows the most atoms, or any of the 30 best",
    )
    parser.add_argument(
        "--samples", type=NonNegativeInt, default=2000, metavar="N", help="single steps to score, at most"
    )
    parser.add_argument("--batch-size", type=PositiveInt, default=32, metavar="N", help="steps in one batch")
    parser.add_argument(
        "--seed",
        type=Seed,
        default=0,
        help="seed of the draws and, for --molecules, of the split (that of the training run)",
    )
    parser.add_argument(
        "--resamples", type=PositiveInt, default=1000, metavar="N", help="of the bootstrap of intervals"
    )
    parser.add_argument("--out", metavar="FOLDER", default="evaluation", help="folder to write to")
    parser.add_backend()
    return parser
