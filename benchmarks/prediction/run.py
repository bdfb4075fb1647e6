"""How good whole predictions are: molecules of the test split, which no weights were trained on, each
generated from its simulated stack, imaged by a randomly moved tip that the generator does not know of, and
matched one to one with the visible atoms: in its best orientation (rows ``best``) and in a random one of the
30 best (rows ``any``). By number of visible atoms, with bootstrap intervals over molecules.

    python -m benchmarks.prediction.run [--weights small] [--molecules 200] [--name prediction]
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.common import table, write
from torch_afm.config import Tip, to_dict
from torch_afm.data import AFMData, remove_atoms
from torch_afm.datasets import MoleculeDataset
from torch_afm.generation import generate_greedy, generate_spatial
from torch_afm.metrics import MoleculeMetrics, bootstrap, match_atoms
from torch_afm.metrics.molecules import SIZES
from torch_afm.models import GraphGenerator, SpatialGenerator, load_generator
from torch_afm.ppm import ProbeParticleModel, place
from torch_afm.transforms import MoveTip, Orient, RandomTip, best_rotations

CUTOFF = 0.5
ROTATIONS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="small")
    parser.add_argument("--molecules", type=int, default=200)
    parser.add_argument("--name", default="prediction", help="name of the file of results")
    args = parser.parse_args()
    model = load_generator(args.weights)
    ppm = ProbeParticleModel(model.config.scan)
    source = MoleculeDataset()
    # In random order: those first in the list are of an earlier recipe.
    test = np.random.default_rng(0).permutation(source.split()[2])[: args.molecules].tolist()
    rows = []
    for orientation in ("best", "any"):
        scores = [one(source[i], i, orientation, model, ppm) for i in tqdm(test, desc=orientation)]
        rows += summaries(orientation, scores)
    settings = {
        "weights": args.weights,
        "scan": to_dict(model.config.scan),
        "tip": to_dict(Tip()),
        "moved": repr(RandomTip()),
        "rotation": f"best, and a random one of the {ROTATIONS} best, of 500; seed 0",
        "seed": 0,
    }
    command = "python -m benchmarks.prediction.run " + " ".join(
        f"--{name} {value}" for name, value in vars(args).items()
    )
    path = write(args.name, command, rows, settings, ["torch", "torch-geometric"])
    columns = {
        "orientation": lambda r: r["orientation"],
        "visible atoms": lambda r: r["visible_atoms"],
        "molecules": lambda r: str(r["molecules"]),
        "P / R at 0.5 Å": lambda r: " / ".join(shown(r[name]["0.5"], 3) for name in ("precision", "recall")),
        "F1 at 0.35 / 0.5 / 1.0 Å": lambda r: " / ".join(shown(v, 3) for v in r["f1"].values()),
        "F1 at 0.5 Å, 95 %": lambda r: "{:.3f} to {:.3f}".format(*r["interval"]["f1"]["0.5"]),
        "3-D / xy / z error, Å": lambda r: " / ".join(shown(r[f"{k}_error"], 3) for k in ("r", "xy", "z")),
        "class": lambda r: shown(r["class_accuracy"], 3),
        "context P / R": lambda r: f"{shown(r['context_precision'], 2)} / {shown(r['context_recall'], 2)}",
        "ended": lambda r: ", ".join(f"{k} {v}" for k, v in r["ended"].items()),
        "s": lambda r: f"{r['seconds']:.2f}",
    }
    print(table(rows, columns))
    print(f"wrote {path.name}")


def one(
    molecule: AFMData,
    index: int,
    orientation: str,
    model: GraphGenerator | SpatialGenerator,
    ppm: ProbeParticleModel,
) -> dict[str, Any]:
    """One molecule through the whole job, and what its matched atoms are like."""
    rng = np.random.default_rng((0, index))
    turns = best_rotations(molecule.pos, n=1 if orientation == "best" else ROTATIONS)
    truth = Orient(turns[int(rng.integers(len(turns)))])(molecule)
    moved = RandomTip().draw(rng)
    z_top = float(place(truth, ppm.scan, ppm.tip))
    stack = ppm.render(truth, tip=MoveTip(**moved)(ppm.tip), z_top=z_top + moved["distance"])
    start = time.perf_counter()
    if isinstance(model, SpatialGenerator):
        generation: Any = generate_spatial(model, stack, ppm, z_top)
    else:
        generation = generate_greedy(model, stack, ppm, z_top)
    seconds = time.perf_counter() - start
    graph, height = generation.graph, truth.pos[:, 2]
    visible = remove_atoms(truth, height < model.config.z_min)
    match = match_atoms(graph.pos, visible.pos, CUTOFF)
    apart = graph.pos[match.pred] - visible.pos[match.true]
    of = model.classes.of
    right = of(graph.z[match.pred]) == of(visible.z[match.true])
    context = np.zeros(3, dtype=int)  # predicted, true, matched
    if isinstance(model, SpatialGenerator):
        deep = truth.pos[(height < model.config.z_min) & (height >= model.config.z_context)]
        matched = match_atoms(generation.context.pos, deep, CUTOFF).pred.numel()
        context[:] = generation.context.z.numel(), len(deep), matched
    return {
        "graph": graph,
        "visible": visible,
        "ended": generation.ended,
        "seconds": seconds,
        "pairs": np.column_stack(
            [apart.norm(dim=1), apart[:, :2].norm(dim=1), apart[:, 2].abs(), right.float()]
        ),
        "context": context,
    }


def summaries(orientation: str, scores: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for all molecules, and for those of each size."""
    metrics = MoleculeMetrics()
    for s in scores:
        metrics.update(s["graph"], s["visible"], s["ended"])
    scored, intervals = metrics.compute(), metrics.intervals()
    rows = []
    for size in scored:
        low, high = SIZES.get(size, (0, np.inf))
        part = [s for s in scores if low <= s["visible"].z.numel() <= high]
        extra = partial(errors, part)
        rows.append(
            {
                "orientation": orientation,
                "visible_atoms": size,
                **scored[size],
                **extra(np.arange(len(part))),
                "seconds": float(np.mean([s["seconds"] for s in part])),
                "interval": intervals[size] | bootstrap(extra, np.arange(len(part))),
            }
        )
    return rows


def errors(scores: list[dict[str, Any]], index: np.ndarray) -> dict[str, Any]:
    """Mean distances of the matched atoms of some molecules in Å, how many of them have the right class, and
    how much of the context was found."""
    pairs = np.concatenate([scores[i]["pairs"] for i in index])
    means = pairs.mean(axis=0).tolist() if len(pairs) else [None] * 4
    predicted, true, matched = np.sum([scores[i]["context"] for i in index], axis=0).tolist()
    return {
        **dict(zip(("r_error", "xy_error", "z_error", "class_accuracy"), means, strict=True)),
        "context_precision": matched / predicted if predicted else None,
        "context_recall": matched / true if true else None,
    }


def shown(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    main()
