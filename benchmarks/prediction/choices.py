"""How the settings of generation were chosen: validation molecules, in the best orientation and imaged by a
moved tip, predicted with one setting changed at a time.

    python -m benchmarks.prediction.choices [--weights spatial] [--molecules 100]
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.common import table, write
from torch_afm.datasets import MoleculeDataset
from torch_afm.evaluation import evaluate_predictions
from torch_afm.models import load_generator
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import generate

CHOICES: dict[str, dict[str, list[Any]]] = {
    "greedy": {
        "confidence": [0.35, 0.4, 0.45, 0.5, 0.55],
        "revisions": [0, 1, 2, 4],
        "views": [1, 4, 8],
    },
    "beam": {"image_weight": [0.0, 4.0, 16.0], "width": [2, 4]},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="spatial")
    parser.add_argument("--molecules", type=int, default=100)
    parser.add_argument("--searches", nargs="+", default=list(CHOICES), choices=list(CHOICES))
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_generator(args.weights).eval()
    source, config = MoleculeDataset(), model.config
    chosen = np.random.default_rng(1).permutation(source.split()[1])[: args.molecules].tolist()
    pipelines = {
        f"{search}: {name} = {value}": partial(generate, model, search=search, **{name: value})
        for search in args.searches
        for name, values in CHOICES[search].items()
        for value in values
    }
    found = evaluate_predictions(
        pipelines,
        [(i, source[i]) for i in chosen],
        ProbeParticleModel(config.scan),
        model.classes,
        config.z_min,
        model.z_targets if model.has_context else None,
    )
    rows = [{"choice": name, "scores": metrics.compute()["all"]} for name, metrics in found.items()]
    settings = {"weights": args.weights, "molecules": args.molecules, "split": "validation", "seed": 0}
    command = f"python -m benchmarks.prediction.choices --weights {args.weights} --molecules {args.molecules}"
    path = write("prediction_choices", command, rows, settings, ["torch", "torch-geometric"])
    columns = {
        "choice": lambda r: r["choice"],
        "P / R at 0.5 Å": lambda r: (
            f"{r['scores']['precision']['0.5']:.3f} / {r['scores']['recall']['0.5']:.3f}"
        ),
        "F1": lambda r: f"{r['scores']['f1']['0.5']:.3f}",
        "error, Å": lambda r: f"{r['scores']['position_error']['mean']['r']:.3f}",
        "z": lambda r: f"{r['scores']['position_error']['mean']['z']:.3f}",
        "bonds F1": lambda r: f"{r['scores']['bonds']['f1']:.3f}",
        "exact": lambda r: f"{r['scores']['exact']:.2f}",
        "s": lambda r: f"{r['scores']['seconds']:.2f}",
    }
    print(table(rows, columns))
    print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
