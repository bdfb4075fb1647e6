"""How good whole predictions are, and how long they take: molecules of the test split, which no weights were
trained on, each generated from its simulated stack, imaged by a randomly moved tip that the generator does
not know of, and scored against its visible atoms: in its best orientation (rows ``best``) and in a random one
of the 30 best (rows ``any``). By number of visible atoms, with bootstrap intervals over molecules; and how
many predictions show each failure that the thesis reports.

    python -m benchmarks.prediction.run [--weights spatial small] [--pipelines greedy] [--molecules 200]
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.common import table, write
from torch_afm.config import Tip, to_dict
from torch_afm.datasets import MoleculeDataset
from torch_afm.evaluation import baselines, evaluate_predictions
from torch_afm.evaluation.trials import ROTATIONS, Pipeline
from torch_afm.generation import RefinementSettings, predict_structure
from torch_afm.metrics import MoleculeMetrics
from torch_afm.metrics.calibration import confidence_tables
from torch_afm.models import Generator, load_generator
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import RandomTip


def _made(**how: Any) -> Callable[[Generator], Pipeline]:
    """A pipeline for each network: :func:`predict_structure` with these settings."""
    return lambda model: lambda *job: predict_structure(model, *job, **how)


#: Ways from a stack to a molecule, by name: what makes one for a network.
PIPELINES: dict[str, Callable[[Generator], Pipeline]] = {
    "greedy": _made(physics=False),
    "greedy + physics": _made(),
    "beam": _made(search="beam", physics=False),
    "beam + physics": _made(search="beam"),
    "greedy + physics + refinement": _made(refinement=RefinementSettings()),
    "beam + physics + refinement": _made(search="beam", refinement=RefinementSettings()),
}

_Column = Callable[[Mapping[str, Any]], str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", nargs="+", default=["spatial", "small"], help="names or folders")
    parser.add_argument("--pipelines", nargs="+", default=["greedy"], choices=list(PIPELINES))
    parser.add_argument("--orientations", nargs="+", default=["best", "any"], choices=["best", "any"])
    parser.add_argument("--molecules", type=int, default=200)
    parser.add_argument("--name", default="prediction", help="name of the file of results")
    args = parser.parse_args()
    torch.set_num_threads(1)
    source = MoleculeDataset()
    # In random order: those first in the list are of an earlier recipe.
    test = np.random.default_rng(0).permutation(source.split()[2])[: args.molecules].tolist()
    molecules = [(i, source[i]) for i in test]
    rows: list[dict[str, Any]] = []
    scans = {}
    for weights in args.weights:
        model = load_generator(weights)
        model.eval()
        config = model.config
        scans[weights] = to_dict(config.scan)
        for orientation in args.orientations:
            pipelines = {name: PIPELINES[name](model) for name in args.pipelines}
            if weights == args.weights[0]:
                pipelines |= baselines(model.classes, config.z_min)
            found = evaluate_predictions(
                pipelines,
                molecules,
                ProbeParticleModel(config.scan),
                model.classes,
                config.z_min,
                model.z_targets if model.has_context else None,
                orientation,
            )
            for name, metrics in found.items():
                learned = name in args.pipelines
                rows += summaries(weights if learned else "-", name, orientation, metrics, learned)
    settings = {
        "weights": args.weights,
        "pipelines": args.pipelines,
        "scans": scans,
        "tip": to_dict(Tip()),
        "moved": repr(RandomTip()),
        "rotation": f"best, and a random one of the {ROTATIONS} best, of 500; seed 0",
        "seed": 0,
    }
    command = (
        f"python -m benchmarks.prediction.run --weights {' '.join(args.weights)} "
        f"--pipelines {shlex.join(args.pipelines)} --orientations {' '.join(args.orientations)} "
        f"--molecules {args.molecules} --name {args.name}"
    )
    path = write(args.name, command, rows, settings, ["torch", "torch-geometric"])
    shown = [r for r in rows if r["scores"]["predictions"]]
    print(table(shown, QUALITY))
    whole = [r for r in shown if r["visible_atoms"] == "all"]
    for title, columns in (("Failures", FAILURES), ("Graphs", GRAPHS), ("Images", IMAGES)):
        print(f"\n{title}\n\n{table(whole, columns)}")
    print(f"\nwrote {path.name}")


def summaries(
    weights: str, pipeline: str, orientation: str, metrics: MoleculeMetrics, learned: bool
) -> list[dict[str, Any]]:
    """A row for all molecules and, of a network, for those of each size."""
    scores = metrics.compute()
    intervals = metrics.intervals() if learned else {}
    rows = []
    for size in scores if learned else ["all"]:
        row: dict[str, Any] = {
            "weights": weights,
            "pipeline": pipeline,
            "orientation": orientation,
            "visible_atoms": size,
            "scores": scores[size],
            "intervals": intervals.get(size),
        }
        if size == "all" and learned:
            row["confidence"] = confidence_tables(metrics.records)
        rows.append(row)
    return rows


def at(row: Mapping[str, Any], *path: str | int, digits: int = 3) -> str:
    """One score as text, with its interval where there is one for all molecules."""
    value, ends = row["scores"], row["intervals"]
    for key in path:
        value = value[key] if isinstance(key, int) or key in value else None
        ends = None if ends is None or (isinstance(key, str) and key not in ends) else ends[key]
        if value is None:
            return "-"
    text = f"{value:.{digits}f}"
    return text if ends is None else f"{text} ({ends[0]:.{digits}f} to {ends[1]:.{digits}f})"


def plain(row: Mapping[str, Any], *path: str | int, digits: int = 3) -> str:
    """One score as text."""
    return at({**row, "intervals": None}, *path, digits=digits)


def share(row: Mapping[str, Any], failure: str) -> str:
    """How many predictions show a failure, and the share with its interval."""
    count = round(row["scores"]["failures"][failure] * row["scores"]["predictions"])
    return f"{count}: {at(row, 'failures', failure)}"


def image(name: str, row: Mapping[str, Any]) -> str:
    """Scores of a stack, means of the slices."""
    return " / ".join(plain(row, "images", name, score, -1) for score in ("mse", "pearson", "ssim"))


WHO: dict[str, _Column] = {
    "weights": lambda r: r["weights"],
    "pipeline": lambda r: r["pipeline"],
    "orientation": lambda r: r["orientation"],
}
QUALITY: dict[str, _Column] = WHO | {
    "visible atoms": lambda r: r["visible_atoms"],
    "molecules": lambda r: str(r["scores"]["molecules"]),
    "P / R at 0.5 Å": lambda r: f"{plain(r, 'precision', '0.5')} / {plain(r, 'recall', '0.5')}",
    "F1 at 0.35 / 1.0 Å": lambda r: f"{plain(r, 'f1', '0.35')} / {plain(r, 'f1', '1.0')}",
    "F1 at 0.5 Å": lambda r: at(r, "f1", "0.5"),
    "same class": lambda r: plain(r, "aware", "f1", "0.5"),
    "peers' F1 at 0.35 / 0.5 Å": lambda r: (
        f"{plain(r, 'nearest', 'f1', '0.35')} / {plain(r, 'nearest', 'f1', '0.5')}"
    ),
    "mean r / xy / z error, Å": lambda r: " / ".join(
        plain(r, "position_error", "mean", axis) for axis in ("r", "xy", "z")
    ),
    "bonds F1": lambda r: plain(r, "bonds", "f1"),
    "context P / R": lambda r: (
        f"{plain(r, 'context', 'precision', digits=2)} / {plain(r, 'context', 'recall', digits=2)}"
    ),
    "s": lambda r: plain(r, "seconds", digits=2),
}
FAILURES: dict[str, _Column] = WHO | {
    "piled up": lambda r: share(r, "piled_up"),
    "repeats": lambda r: share(r, "repeats"),
    "lost z": lambda r: share(r, "lost_z"),
    "shadowed atom missed": lambda r: share(r, "shadowed_missed"),
    "wrong first atom": lambda r: share(r, "wrong_first"),
    "recall shadowed / open": lambda r: f"{plain(r, 'shadowed_recall')} / {plain(r, 'open_recall')}",
    "first is top": lambda r: at(r, "first_is_top"),
    "ended": lambda r: ", ".join(f"{k} {v}" for k, v in r["scores"]["ended"].items()),
}
GRAPHS: dict[str, _Column] = WHO | {
    "bonds P / R": lambda r: f"{plain(r, 'bonds', 'precision')} / {plain(r, 'bonds', 'recall')}",
    "exact": lambda r: at(r, "exact"),
    "edits": lambda r: at(r, "edits", digits=2),
    "edits, up to 8 atoms": lambda r: at(r, "least_edits", digits=2),
    "RDKit-valid": lambda r: plain(r, "valid"),
    "missing / extra": lambda r: f"{plain(r, 'missing', digits=2)} / {plain(r, 'extra', digits=2)}",
    "Hausdorff / Chamfer, Å": lambda r: (
        f"{plain(r, 'hausdorff', digits=2)} / {plain(r, 'chamfer', digits=2)}"
    ),
    "steps": lambda r: plain(r, "steps", digits=2),
}
IMAGES: dict[str, _Column] = WHO | {
    f"{name}: MSE / r / SSIM": partial(image, name) for name in ("prediction", "empty", "another draw")
}


if __name__ == "__main__":
    main()
