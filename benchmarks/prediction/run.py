"""How good whole predictions are: molecules of the test split, which no weights were trained on, each in its
best orientation, generated greedily from their simulated stack and matched one to one with the visible atoms.
By number of visible atoms; medians over repeats do not apply, seconds are the mean of one pass.

    python -m benchmarks.prediction.run [--weights small] [--molecules 200]
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.common import table, write
from torch_afm.config import Tip, to_dict
from torch_afm.data import AFMData, remove_atoms
from torch_afm.datasets import MoleculeDataset
from torch_afm.generation import generate_greedy
from torch_afm.metrics import match_atoms
from torch_afm.models import GraphGenerator
from torch_afm.ppm import ProbeParticleModel, place
from torch_afm.transforms import Orient, best_rotations

CUTOFFS = (0.35, 0.5, 1.0)
SIZES = ((1, 3), (4, 6), (7, 10), (11, 999))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="small")
    parser.add_argument("--molecules", type=int, default=200)
    args = parser.parse_args()
    model = GraphGenerator.from_pretrained(args.weights)
    ppm = ProbeParticleModel(model.config.scan)
    source = MoleculeDataset()
    # In random order: those first in the list are of an earlier recipe.
    test = np.random.default_rng(0).permutation(source.split()[2])[: args.molecules]
    scores = [one(source[int(i)], model, ppm) for i in tqdm(test, desc="predict", unit="molecule")]
    rows = [
        summary(f"{low} to {high}" if high < 999 else f"over {low - 1}", part)
        for low, high in SIZES
        if (part := [s for s in scores if low <= s["visible"] <= high])
    ]
    rows.append(summary("all", scores))
    settings = {
        "weights": args.weights,
        "scan": to_dict(model.config.scan),
        "tip": to_dict(Tip()),
        "rotation": "best of 500, seed 0",
        "seed": 0,
    }
    path = write(
        "prediction",
        f"python -m benchmarks.prediction.run --weights {args.weights} --molecules {args.molecules}",
        rows,
        settings,
        ["torch", "torch-geometric"],
    )
    columns = {
        "visible atoms": lambda r: r["visible_atoms"],
        "molecules": lambda r: str(r["molecules"]),
        "generated, mean": lambda r: f"{r['generated']:.1f}",
        **{
            f"P / R / F1 at {c} Å": lambda r, c=str(c): " / ".join(f"{v:.2f}" for v in r["atoms"][c])
            for c in CUTOFFS
        },
        "ended": lambda r: ", ".join(f"{k} {v}" for k, v in r["ended"].items()),
        "s": lambda r: f"{r['seconds']:.1f}",
    }
    print(table(rows, columns))
    print(f"wrote {path.name}")


def one(molecule: AFMData, model: GraphGenerator, ppm: ProbeParticleModel) -> dict[str, Any]:
    """One molecule through the whole job: matched, predicted and true numbers of atoms."""
    truth = Orient(best_rotations(molecule.pos, n=1)[0])(molecule)
    z_top = float(place(truth, ppm.scan, ppm.tip))
    start = time.perf_counter()
    generation = generate_greedy(model, ppm.render(truth, z_top=z_top), ppm, z_top)
    seconds = time.perf_counter() - start
    visible = remove_atoms(truth, truth.pos[:, 2] < model.config.z_min)
    matched = {c: match_atoms(generation.graph.pos, visible.pos, c).pred.numel() for c in CUTOFFS}
    return {
        "visible": visible.z.numel(),
        "generated": generation.graph.z.numel(),
        "matched": matched,
        "ended": generation.ended,
        "seconds": seconds,
    }


def summary(name: str, scores: list[dict[str, Any]]) -> dict[str, Any]:
    """Micro-averaged precision, recall and F1 of a group of molecules."""
    predicted, true = (sum(s[key] for s in scores) for key in ("generated", "visible"))
    atoms = {}
    for cutoff in CUTOFFS:
        hits = sum(s["matched"][cutoff] for s in scores)
        atoms[str(cutoff)] = (hits / max(predicted, 1), hits / true, 2 * hits / (predicted + true))
    return {
        "visible_atoms": name,
        "molecules": len(scores),
        "generated": predicted / len(scores),
        "atoms": atoms,
        "ended": dict(sorted(Counter(s["ended"] for s in scores).items())),
        "seconds": float(np.mean([s["seconds"] for s in scores])),
    }


if __name__ == "__main__":
    main()
