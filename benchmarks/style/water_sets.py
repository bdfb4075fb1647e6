"""What each of the four training sets is worth on water: the weights ``scan``, trained on at equal budgets on
pure, handcrafted, style and hybrid sets of the same rendered windows of generated surfaces, with each method
of translation.

    python -m benchmarks.style.water_sets [--minutes 3] [--seeds 3]
    TORCH_AFM_DATA=... python -m benchmarks.style.water_sets --domain measured [--minutes 3] [--seeds 3]

- ``--domain standin``: the style is that of the stand-in (benchmarks/style/domains.py) on other surfaces.
  Prints of each method how near translations come to the style, what is left of the content and what they
  cost, and of each set F1 on labeled windows of other surfaces in that style, with 95 % intervals over seeds
  and windows.
- ``--domain measured``: the style is that of the public pictures of water on Au(111). There are no labels:
  prints the first table, and the command that predicts from the measured stacks with the weights there are.

Goes on where it stopped: what is done is kept under ``--out``. ``--minutes`` are of CPU: a few samples
that are timed tell how many all trainings get, the same number each.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from benchmarks.common import table, write
from benchmarks.style.domains import stand_in, to_scale
from benchmarks.style.standin import TRAINING
from benchmarks.style.training_sets import counts, gain, interval, resampled, scores, trained
from benchmarks.style.water import slices
from benchmarks.water.run import MAX_ATOMS, Z_MIN, window_trials
from torch_afm.data import AFMData, remove_atoms
from torch_afm.datasets import (
    CacheConfig,
    WaterSurfaces,
    build_training_set,
    read_slabs,
    write_cache,
)
from torch_afm.functional import normalize_slices
from torch_afm.metrics import match_atoms
from torch_afm.models import StyleTranslator, load_generator
from torch_afm.prediction import generate
from torch_afm.style import evaluate_translation, read_stacks
from torch_afm.train import StyleConfig, train_style

METHODS = {"cyclegan": {}, "fastcut": {"lambda_spectral": 1.0}}
#: Surfaces of the training sets, of domain B and of the test, and windows of each.
SIZES = {"a": (30, 12), "b": (15, 12), "test": (16, 1)}
QUICK = {"a": (10, 2), "b": (5, 2), "test": (2, 1)}
#: Å, within which an atom is found; of Adam, smaller than for weights that know less.
CUTOFF, _LR = 0.5, 2e-4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--domain", default="standin", choices=["standin", "measured"])
    parser.add_argument("--minutes", type=float, default=3.0, help="of CPU for each training")
    parser.add_argument("--seeds", type=int, default=3, help="networks trained on each set")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--weights", default="scan", help="that training begins from")
    parser.add_argument("--pairs", type=int, default=1800, help="pairs of crops each method learns from")
    parser.add_argument("--out", default="runs/water_sets")
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it runs; writes no result")
    args = parser.parse_args()
    if args.domain == "measured" and "TORCH_AFM_DATA" not in os.environ:
        raise SystemExit("skipped: TORCH_AFM_DATA is not set (the folder that holds water_au111)")
    torch.set_num_threads(1)
    out = Path(args.out) / "quick" if args.quick else Path(args.out)
    if args.quick:
        args.seeds, args.pairs = 1, 4
    sizes = QUICK if args.quick else SIZES
    surfaces = {part: made_surfaces(out / f"surfaces-{part}", part, sizes[part][0]) for part in sizes}
    model = load_generator(args.weights)
    digest = hashlib.sha256(b"".join(v.numpy().tobytes() for v in model.state_dict().values())).hexdigest()[
        :8
    ]
    rendered(out / "a", surfaces["a"], model.config.scan, sizes["a"][1])
    target = style_stacks(args, out, surfaces["b"], model.config.scan, sizes["b"][1])

    source = normalize_slices(torch.stack(read_stacks(out / "a"))[:, None])
    rows = []
    for method in args.methods:
        run = out / args.domain / f"{method}-{args.pairs}"
        rows.append({"part": "translation", **translation(run, method, args, source[:, 0], target)})
    print(table(rows, TRANSLATION), flush=True)
    sets = {"pure": ("pure", None), "handcrafted": ("handcrafted", None)}
    sets |= {f"{kind}, {m}": (kind, m) for m in args.methods for kind in ("style", "hybrid")}
    found: dict[str, list[list[dict[str, Any]]]] = {}
    for seed in range(args.seeds):
        for name, (kind, method) in sets.items():
            weights = [out / args.domain / f"{method}-{args.pairs}" / "forward"] if method else []
            shared = out if method is None else out / args.domain
            slug = f"{kind}-{method}-{args.pairs}" if method else kind
            build_training_set(kind, out / "a", shared / "sets" / slug, weights)
            run = shared / f"models-{digest}-{args.minutes:g}" / f"{slug}-{seed}"
            if not (run / "model").is_dir():
                count = samples(args, shared / "sets" / slug, out)
                begun = time.process_time()
                network = trained(args.weights, shared / "sets" / slug, count, seed, _LR)
                run.mkdir(parents=True, exist_ok=True)
                (run / "cpu_seconds.json").write_text(json.dumps(time.process_time() - begun))
                network.save_pretrained(run / "model")
            print(f"{name}, seed {seed}: {run / 'model'}", flush=True)
            if args.domain == "standin":
                found.setdefault(name, []).append(predicted(run, surfaces["test"]))
        if args.domain == "standin":
            found["weights as they are"] = [
                predicted(out / f"untrained-{digest}", surfaces["test"], args.weights)
            ]
        report(args, rows, found, seed + 1, samples(args, out / "a", out))
    if args.domain == "measured":
        print(
            "\nTORCH_AFM_DATA=... python -m benchmarks.prediction_scans.water --weights pure=FOLDER,... ..."
        )


def report(
    args: argparse.Namespace,
    translations: list[dict[str, Any]],
    found: dict[str, list[list[dict[str, Any]]]],
    seeds: int,
    count: int,
) -> None:
    """Print and write what is known after so many seeds."""
    others = [name for name in found if name not in ("pure", "weights as they are")]
    sets = [{"part": "set", **summary(name, runs)} for name, runs in found.items()]
    gains = [{"part": "gain", **gain(name, "pure", found)} for name in others]
    if found:
        print("\n" + table(sets, SCORES) + "\n\n" + table(gains, GAINS), flush=True)
    if args.quick:
        return
    names = ("domain", "minutes", "seeds", "pairs")
    settings = vars(args) | {"seeds": seeds, "surfaces": SIZES, "samples": count, "lr": _LR}
    del settings["quick"], settings["out"]
    command = "python -m benchmarks.style.water_sets " + " ".join(f"--{n} {settings[n]}" for n in names)
    rows = [*translations, *sets, *gains]
    path = write(f"style_water_sets_{args.domain}", command, rows, settings, ("torch", "lightning"))
    print(f"wrote {path.name}, {seeds} of {args.seeds} seeds", flush=True)


def made_surfaces(folder: Path, part: str, n: int) -> list[AFMData]:
    """Generated surfaces, each kept in a file."""
    folder.mkdir(parents=True, exist_ok=True)
    source = WaterSurfaces(n, seed=list(SIZES).index(part))
    for i in range(n):
        file, unfinished = (folder / f"{i:04d}.{end}" for end in ("extxyz", "part"))
        if not file.exists():
            ase.io.write(unfinished, source.atoms(i), format="extxyz")
            unfinished.rename(file)
    return read_slabs(folder)


def rendered(folder: Path, surfaces: list[AFMData], scan: Any, windows: int) -> None:
    """Reference stacks of windows of the surfaces."""
    write_cache(folder, surfaces, CacheConfig(scan=scan, rotations=windows))


def style_stacks(
    args: argparse.Namespace, out: Path, surfaces: list[AFMData], scan: Any, windows: int
) -> list[Tensor]:
    """Stacks ``[Z, Y, X]`` of the domain whose style is learned."""
    if args.domain == "standin":
        rendered(out / "b", surfaces, scan, windows)
        clean = normalize_slices(torch.stack(read_stacks(out / "b"))[:, None])
        return list(stand_in(clean, 1)[:, 0])
    pictures = slices(Path(os.environ["TORCH_AFM_DATA"]) / "water_au111" / "experimental_png")
    # From 0.125 Å a pixel to the network's 0.25 Å.
    return [avg_pool2d(picture[None], 2)[0] for picture in pictures]


def translation(
    run: Path, method: str, args: argparse.Namespace, source: Tensor, target: list[Tensor]
) -> dict[str, Any]:
    """Learn it, and judge it on stacks of both domains, every slice on its own scale."""
    epochs = 2 if args.quick else 12
    guard = {"min_correlation": -1.0, "max_lost": 1.0} if args.quick else {}
    settings = TRAINING | METHODS[method] | guard
    settings |= {"epochs": epochs // 2, "decay_epochs": epochs // 2, "epoch_pairs": args.pairs // epochs}
    settings |= {"every": epochs // 2, "validation": 4 if args.quick else 12}
    config = StyleConfig(
        out=str(run), method=method, threads=1, accelerator="cpu", progress=False, **settings
    )
    kept, begun = run / "cpu_seconds.json", time.process_time()
    choice = train_style(config, list(source), target)
    if not kept.exists():
        kept.write_text(json.dumps(time.process_time() - begun))
    if choice.epoch is None:
        raise SystemExit(f"{run}: the translation destroys content; {run}/evaluation.png shows how")
    translator = StyleTranslator.from_pretrained(run / "forward")
    some = source[:: max(1, len(source) // 24)][:, None]
    depth = min(10, min(len(stack) for stack in target))
    cut = torch.stack([stack[-depth:, :64, :64] for stack in target])[:, None]
    stacks = [to_scale(one[:, :, -depth:]) for one in (translator(some), some, cut)]
    found, before = (evaluate_translation(choice.epoch, one, *stacks[1:]) for one in stacks[:2])
    return {
        "method": method,
        "chosen": choice.epoch,
        "distances": found.distances,
        "before": before.distances,
        "floors": found.floors,
        "content": found.content,
        "train_cpu_s": json.loads(kept.read_text()),
    }


def samples(args: argparse.Namespace, folder: Path, out: Path) -> int:
    """How many of them every training gets: as many as the CPU minutes allow, by the first that is timed."""
    budget = out / f"samples-{args.minutes:g}.json"
    if not budget.exists():
        few = 8 if args.quick else 64
        begun = time.process_time()
        trained(args.weights, folder, few, 0, _LR)
        seconds = time.process_time() - begun
        wanted = few if args.quick else max(few, 8 * round(60 * args.minutes / seconds * few / 8))
        budget.write_text(json.dumps(wanted))
    return int(json.loads(budget.read_text()))


def predicted(run: Path, surfaces: list[AFMData], weights: str | None = None) -> list[dict[str, Any]]:
    """What a network makes of each window in the stand-in's style; kept beside its weights."""
    file = run / "predicted.json"
    if not file.exists():
        found = []
        for trial, renderer, model in window_trials(weights or str(run / "model"), surfaces):
            stack = stand_in(normalize_slices(trial.reference), trial.molecule)
            graph = generate(
                model, stack, renderer, trial.z_top, max_atoms=MAX_ATOMS, views=1, revisions=0
            ).graph
            truth = remove_atoms(trial.truth, trial.truth.pos[:, 2] < Z_MIN)
            match = match_atoms(graph.pos, truth.pos, CUTOFF)
            errors = (graph.pos[match.pred] - truth.pos[match.true]).norm(dim=1)
            row = {"atoms": [len(graph.z), len(truth.z), len(match.pred)], "errors": errors.tolist()}
            for element, z in (("O", 8), ("H", 1)):
                sides = [g.pos[g.z == z] for g in (graph, truth)]
                row[element] = [*map(len, sides), len(match_atoms(*sides, CUTOFF).pred)]
            found.append(row | {"water": int(((graph.z == 8) | (graph.z == 1)).sum())})
        run.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found))
    rows: list[dict[str, Any]] = json.loads(file.read_text())
    return rows


def summary(name: str, runs: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Scores of a training set, with intervals over seeds and windows."""
    count = counts(runs)
    f1, precision, recall, error = scores(count)
    ends = interval([scores(part) for (part,) in resampled(count)])
    row = {"name": name, "seeds": len(runs), "windows": count.shape[1], "f1": f1, "f1_interval": ends[0]}
    row |= {"precision": precision, "recall": recall, "error": error, "error_interval": ends[3]}
    row["f1_of_seeds"] = [scores(one)[0] for one in count]
    for element in ("O", "H"):
        predicted_, true, matched = np.array([[m[element] for m in run] for run in runs]).sum((0, 1))
        row[f"f1_{element}"] = float(2 * matched / max(predicted_ + true, 1))
    total = sum(m["atoms"][0] for run in runs for m in run)
    row["share_of_water"] = sum(m["water"] for run in runs for m in run) / max(total, 1)
    return row


def _between(name: str) -> Callable[[Any], str]:
    def shown(row: Any) -> str:
        low, high = row[f"{name}_interval"]
        return f"{row[name]:.3f} ({low:.3f} to {high:.3f})"

    return shown


TRANSLATION: dict[str, Callable[[Any], str]] = {
    "method": lambda r: r["method"],
    "epoch": lambda r: str(r["chosen"]),
}
for _name in ("physical frechet", "random frechet"):
    TRANSLATION[f"{_name} (before; floor)"] = lambda r, n=_name: (
        f"{r['distances'][n]:.3g} ({r['before'][n]:.3g}; {r['floors'][n]:.3g})"
    )
TRANSLATION |= {
    "correlation with the source": lambda r: f"{r['content']['correlation']:.3f}",
    "SSIM": lambda r: f"{r['content']['ssim']:.3f}",
    "lost": lambda r: f"{r['content']['lost']:.3f}",
    "CPU s": lambda r: f"{r['train_cpu_s']:.0f}",
}
SCORES: dict[str, Callable[[Any], str]] = {
    "training set": lambda r: r["name"],
    "seeds x windows": lambda r: f"{r['seeds']} x {r['windows']}",
    "F1 at 0.5 Å": _between("f1"),
    "O": lambda r: f"{r['f1_O']:.3f}",
    "H": lambda r: f"{r['f1_H']:.3f}",
    "precision / recall": lambda r: f"{r['precision']:.3f} / {r['recall']:.3f}",
    "share of H and O": lambda r: f"{r['share_of_water']:.3f}",
    "error of found atoms, Å": _between("error"),
}
GAINS: dict[str, Callable[[Any], str]] = {
    "difference": lambda r: r["name"],
    "F1 at 0.5 Å": _between("f1_gain"),
    "error, Å": _between("error_gain"),
}


if __name__ == "__main__":
    main()
