"""Water on metals: how near generated surfaces are to those of theory, before and after they are relaxed, how
much metal and surroundings change an image, and how good predictions are on surfaces that no weights were
trained on.

    [TORCH_AFM_DATA=...] python -m benchmarks.water.run [--weights FOLDER spatial] [--windows 1] [--parts ...]

- ``structure``: distances between the local order of generated water on gold, of each arrangement, and that
  of theory (needs the public data in the folder that TORCH_AFM_DATA names), with 95 % bootstrap intervals
  over structures and the floor, theory split in halves; first those of a bilayer that is not relaxed.
- ``background``: how much the normalized stack of a window changes without the metal, and without what lies
  farther than some distances beyond the window: root mean squares, in standard deviations of a slice.
- ``prediction``: windows of the generated test surfaces, and of theory where there are the data, imaged by a
  randomly moved tip that the generator does not know of; intervals over surfaces.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ase
import numpy as np
import torch

from benchmarks.common import table, write
from benchmarks.structure.water import CELL
from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, remove_atoms
from torch_afm.datasets import (
    StepDataset,
    StepDraws,
    StepRenderer,
    SurfaceWindows,
    WaterSurfaces,
    slab_from_ase,
    split_by_molecule,
    water_bilayer,
    water_surface,
)
from torch_afm.datasets.slabs import REACH, cut_window
from torch_afm.datasets.water import CHARGE
from torch_afm.datasets.water_surfaces import ARRANGEMENTS
from torch_afm.elements import AtomClasses
from torch_afm.evaluation.trials import Trial, score_trial
from torch_afm.functional import normalize_slices
from torch_afm.io import read_atoms
from torch_afm.metrics import MoleculeMetrics
from torch_afm.metrics.distributions import compare
from torch_afm.metrics.structure import StructureSettings, structure_features
from torch_afm.models import Generator, load_generator
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.prediction import generate
from torch_afm.transforms import RandomTip

PARTS = ("structure", "background", "prediction")
NAMES = ("d_OO", "d_OH", "HOH", "theta_ZOH", "hbond", "order")
#: Of these, pairs of numbers.
PAIRS = ("hbond", "order")
#: Of the run of examples/configs/water.yaml: seed of the split, depth of answers; and most atoms of a window.
SEED, Z_MIN, MAX_ATOMS = 3, -1.5, 200
GOLD = 79
#: Arrangements that are layers, as theory's are.
LAYERS = [one for one in ARRANGEMENTS if one not in ("clusters", "chains")]


def theory() -> list[ase.Atoms]:
    """The structures of theory with cell and charges, which their files leave out; none without the data."""
    if "TORCH_AFM_DATA" not in os.environ:
        return []
    found = read_atoms(Path(os.environ["TORCH_AFM_DATA"]) / "water_au111" / "theory_label_xyz")
    for atoms in found:
        atoms.set_cell(CELL + np.diag([0.0, 0.0, 40.0]))
        atoms.set_pbc((True, True, False))
        charges = {1: CHARGE, 8: -2 * CHARGE, GOLD: 0.0}
        atoms.set_initial_charges([charges[int(z)] for z in atoms.numbers])
    return found


def structure_rows(generated: Sequence[ase.Atoms], known: Sequence[ase.Atoms]) -> list[dict[str, Any]]:
    """Distances of local order."""
    settings = StructureSettings()
    ours, theirs = (structure_features(part, settings, NAMES) for part in (generated, known))
    rows = []
    for name in NAMES:
        # Exact distances of ten thousand pairs would take gigabytes.
        distance = "sliced" if name in PAIRS else "wasserstein"
        only = [[{name: one[name]} for one in part] for part in (ours, theirs)]
        entry = compare(*only, (distance,), n=200).features[name]
        numbers = entry["distances"][distance]["normalized"]
        first, second = (np.concatenate([one[name] for one in part]) for part in (ours, theirs))
        rows.append(
            {
                "part": "structure",
                "feature": name,
                "generated": entry["prediction"],
                "theory": entry["reference"],
                "mean_generated": first.mean(axis=0).tolist() if len(first) else None,
                "mean_theory": second.mean(axis=0).tolist() if len(second) else None,
                "kind": distance,
                "distance": numbers["value"],
                "interval": numbers["interval"],
                "floor": numbers["floor"],
            }
        )
    return rows


def background_rows(surfaces: Sequence[AFMData], scan: Scan) -> list[dict[str, Any]]:
    """What a normalized stack owes to the metal and to the surroundings."""
    renderer = ProbeParticleModel(scan)
    changes: dict[str, list[float]] = {}
    for number, slab in enumerate(surfaces):
        rng = np.random.default_rng((SEED, number))
        center, angle = rng.random(2) @ slab.cell[0, :2, :2].numpy(), rng.uniform(0, 2 * np.pi)
        whole = cut_window(slab, center, angle, scan, reach=25.0)
        outside = (whole.pos[:, :2].abs() - torch.tensor(scan.window)[:, 1]).amax(dim=1)
        z_top = float(anchor_height(remove_atoms(whole, outside > 3.0), scan, renderer.tip))

        def shown(gone: torch.Tensor, whole: AFMData = whole, z_top: float = z_top) -> torch.Tensor:
            return normalize_slices(renderer(remove_atoms(whole, gone), z_top=z_top).float())

        everything = shown(torch.zeros(len(outside), dtype=torch.bool))
        left_out = {"the metal": whole.z == GOLD}
        left_out |= {f"beyond {r:g} Å": outside > r for r in (4.0, 6.0, REACH, 12.0)}
        for name, gone in left_out.items():
            slices = (shown(gone) - everything).square().mean(dim=(0, 1, 3, 4)).sqrt()
            changes.setdefault(name, []).append(float(slices.max()))
    return [
        {"part": "background", "without": name, "windows": len(values), "median": float(np.median(values))}
        | {"largest": max(values)}
        for name, values in changes.items()
    ]


def window_trials(
    weights: str, surfaces: Sequence[AFMData], windows: int = 1
) -> Iterator[tuple[Trial, ProbeParticleModel, Generator]]:
    """Windows of surfaces, imaged by a randomly moved tip, with the renderer and the network to use."""
    model = load_generator(weights)
    model.config = dataclasses.replace(model.config, z_min=Z_MIN)
    model.eval()
    scan = model.config.scan
    draws = StepDraws(z_min=Z_MIN, classes=AtomClasses(model.config.groups), seed=SEED)
    dataset = StepDataset(SurfaceWindows(surfaces, scan, windows, seed=SEED), draws, StepRenderer(scan))
    renderer = ProbeParticleModel(scan)
    for group in range(len(dataset)):
        (whole,) = dataset.oriented([group])
        (draw,) = draws.draw([(0, group)], [whole], scan)
        truth = remove_atoms(whole, whole.hidden)
        z_top = float(dataset.images.anchor_heights([whole], dataset.source.margin)[0])
        moves = [draw.reference.tip, draw.simulated.tip]
        tips, heights = zip(*(RandomTip.apply(Tip(), z_top, **move) for move in moves), strict=True)
        stacks = [renderer(whole, tip=t, z_top=h) for t, h in zip(tips, heights, strict=True)]
        trial = Trial(group // windows, truth, stacks[0], stacks[1], tips[0], z_top, heights[0])
        yield trial, renderer, model


def prediction_rows(
    weights: str, name: str, surfaces: Sequence[AFMData], windows: int
) -> list[dict[str, Any]]:
    """Scores of whole predictions."""
    metrics, count = None, 0
    for trial, renderer, model in window_trials(weights, surfaces, windows):
        classes = AtomClasses(model.config.groups)
        metrics = metrics or MoleculeMetrics(classes)
        start = time.perf_counter()
        generation = generate(model, trial.reference, renderer, trial.z_top, max_atoms=MAX_ATOMS)
        seconds = time.perf_counter() - start
        context = model.z_targets if model.has_context else None
        metrics.add(score_trial(trial, generation, renderer, classes, Z_MIN, context, seconds))
        count += 1
    assert metrics is not None
    scores, intervals = metrics.compute()["all"], metrics.intervals()["all"]
    print(f"{weights} on {name}: F1 {scores['f1']['0.5']:.3f}", flush=True)
    row = {"part": "prediction", "weights": Path(weights).name, "surfaces": name, "windows": count}
    return [row | {"scores": scores, "intervals": intervals}]


def number(row: dict[str, Any], *path: str) -> str:
    """A score with its interval."""
    value, ends = row["scores"], row["intervals"]
    for key in path:
        value, ends = value[key], None if ends is None else ends.get(key)
    if value is None:
        return "-"
    return f"{value:.3f}" if ends is None else f"{value:.3f} ({ends[0]:.3f} to {ends[1]:.3f})"


def element(row: dict[str, Any], symbol: str) -> str:
    """Share of an element's atoms that are found, and of those predicted as it that are there, at 0.5 Å."""
    found = row["scores"]["class"]
    count, i = np.array(found["count"]), list(found["names"]).index(symbol)
    recall, precision = (1 - v[i, -1] / max(v[i].sum(), 1) for v in (count, count.T))
    return f"{precision:.3f} / {recall:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--weights", nargs="+", default=["spatial"], help="names or folders")
    parser.add_argument("--windows", type=int, default=1, help="of each surface")
    parser.add_argument("--surfaces", type=int, default=40, help="of each kind, at most")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--name", default="water", help="name of the file of results")
    args = parser.parse_args()
    torch.set_num_threads(1)
    known = theory()
    if not known:
        print("TORCH_AFM_DATA is not set: nothing is compared with theory")
    rows: list[dict[str, Any]] = []
    if "structure" in args.parts and known:
        seeds = [(SEED, i) for i in range(args.surfaces)]
        made = {"bilayer, not relaxed": [water_bilayer(seed) for seed in seeds]}
        made |= {name: [water_surface(seed, name) for seed in seeds] for name in LAYERS}
        made["all relaxed"] = [atoms for name in LAYERS for atoms in made[name]]
        for name, part in made.items():
            rows += [{"layers": name, **row} for row in structure_rows(part, known)]
        print(table(rows, STRUCTURE), end="\n\n", flush=True)
    kinds: dict[str, list[AFMData]] = {}
    if {"background", "prediction"} & set(args.parts):
        source = WaterSurfaces()
        test = split_by_molecule(len(source), seed=SEED)[2][: args.surfaces].tolist()
        kinds["generated"] = [source[i] for i in test]
        if known:
            kinds["theory"] = [slab_from_ase(atoms) for atoms in known[:: -(-len(known) // args.surfaces)]]
    if "background" in args.parts:
        rows += background_rows(kinds["generated"][:20], Scan(pixels=(64, 64)))
        print(table([r for r in rows if r["part"] == "background"], BACKGROUND), end="\n\n", flush=True)
    if "prediction" in args.parts:
        for weights in args.weights:
            for kind, surfaces in kinds.items():
                rows += prediction_rows(weights, kind, surfaces, args.windows)
        print(table([r for r in rows if r["part"] == "prediction"], PREDICTION), end="\n\n")
    command = (
        f"python -m benchmarks.water.run --weights {' '.join(Path(w).name for w in args.weights)} "
        f"--windows {args.windows} --surfaces {args.surfaces} --parts {' '.join(args.parts)} "
        f"--name {args.name}"
    )
    settings = {"seed": SEED, "z_min": Z_MIN, "max_atoms": MAX_ATOMS}
    settings |= {name: len(part) for name, part in kinds.items()}
    path = write(args.name, command, rows, settings, ["torch", "torch-geometric", "ase", "numpy"])
    print(f"wrote {path.name}")


def _list(values: Any, digits: int = 3) -> str:
    if values is None:
        return "-"
    return ", ".join(f"{v:.{digits}f}" for v in np.atleast_1d(values))


STRUCTURE = {
    "layers": lambda r: r["layers"],
    "feature": lambda r: r["feature"],
    "values generated / theory": lambda r: f"{r['generated']} / {r['theory']}",
    "means": lambda r: f"{_list(r['mean_generated'])} / {_list(r['mean_theory'])}",
    "normalized distance": lambda r: (
        f"{r['kind']} {_list(r['distance'])} ({_list(r['interval']).replace(',', ' to')})"
    ),
    "floor": lambda r: _list(r["floor"]),
}
BACKGROUND = {
    "without": lambda r: r["without"],
    "windows": lambda r: str(r["windows"]),
    "median change": lambda r: f"{r['median']:.4f}",
    "largest": lambda r: f"{r['largest']:.4f}",
}
PREDICTION = {
    "weights": lambda r: r["weights"],
    "surfaces": lambda r: r["surfaces"],
    "windows": lambda r: str(r["windows"]),
    "F1 at 0.5 Å": lambda r: number(r, "f1", "0.5"),
    "at 0.35 / 1.0 Å": lambda r: f"{r['scores']['f1']['0.35']:.3f} / {r['scores']['f1']['1.0']:.3f}",
    "same class": lambda r: number(r, "aware", "f1", "0.5"),
    "O P / R": lambda r: element(r, "O"),
    "H P / R": lambda r: element(r, "H"),
    "mean r / xy / z error, Å": lambda r: " / ".join(
        number(r, "position_error", "mean", axis).split()[0] for axis in ("r", "xy", "z")
    ),
    "context P / R": lambda r: f"{number(r, 'context', 'precision')} / {number(r, 'context', 'recall')}",
    "s": lambda r: number(r, "seconds"),
}


if __name__ == "__main__":
    main()
