"""Experimental stacks of water on Au(111), from their pictures to structures, judged against theory. Needs
the public data in the folder that TORCH_AFM_DATA names.

    TORCH_AFM_DATA=... python -m benchmarks.prediction_scans.water [--weights scan] [--rotations 4]
    TORCH_AFM_DATA=... python -m benchmarks.prediction_scans.water --weights pure=A,B,C style=D,E,F

Several weights under one name, such as those of several seeds, count as one model. For each stack: both
orders of its slices are tried, and the images of the structures and the sharpness of the slices decide. Then
each rotation of the scan is predicted and, without --no-refine, refined with the tip unknown.
Prints

- which order was taken, and why; how well the image of each structure agrees with the scan, of what it
  consists, how many oxygens there are in an area, and how far the rotations of a scan agree with each other;
- how far the structures are from theory: exact Wasserstein distances of local features with 95 % bootstrap
  intervals over stacks and theory structures, beside the published predictions of the same stacks.

Under ``--out`` are what is done, with which the same command goes on, and for each stack a picture: the scan
beside the images of the structures of each model. The step between slices is not known; 0.1 Å is taken.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import torch

from benchmarks.common import table, write
from benchmarks.structure.water import load, unit
from torch_afm.config import PredictOptions, SearchOptions
from torch_afm.elements import symbol
from torch_afm.io.scans import read_scan
from torch_afm.metrics.distributions import compare
from torch_afm.metrics.structure import StructureSettings, structure_features
from torch_afm.models import load_generator
from torch_afm.prediction import judge, load_calibration, predict
from torch_afm.viz import plot_translations

#: Width of each stack in Å.
STACKS = {"Ying_Jiang_1": 32.0, "Ying_Jiang_2_1": 34.0, "Ying_Jiang_3": 40.0, "Ying_Jiang_5": 40.0}
STEP = 0.1
NAMES = ("d_OO", "d_OH", "HOH", "theta_ZOH", "hbond", "order")
CONVENTIONS = {"published": StructureSettings.huang2025(), "visible": StructureSettings.visible()}


def run_stack(
    weights: str, pictures: Path, name: str, rotations: int, refine: bool, kept: Path
) -> tuple[dict[str, Any], list[ase.Atoms]]:
    """One stack: what came of it, and its structures; ``kept``, without ending, is where they are stored."""
    record, images, xyz = (kept.with_name(f"{kept.name}.{end}") for end in ("json", "npz", "extxyz"))
    if not record.exists():
        row, structures, stacks = predict_stack(weights, pictures, name, rotations, refine)
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(images, **stacks)
        ase.io.write(xyz, structures)
        record.write_text(json.dumps(row))
    return json.loads(record.read_text()), ase.io.read(xyz, ":")


def predict_stack(
    weights: str, pictures: Path, name: str, rotations: int, refine: bool
) -> tuple[dict[str, Any], list[ase.Atoms], dict[str, np.ndarray]]:
    """One stack: what came of it, its structures, and the scan and the image of the first of them."""
    with tempfile.TemporaryDirectory() as folder:
        for file in pictures.glob(f"{name}_*.png"):
            if file.stem.rsplit("_", 1)[0] == name:
                shutil.copy(file, folder)
        width = STACKS[name]
        count = len(list(Path(folder).iterdir()))
        pixels = read_scan(folder, heights=range(count), pixel_size=1.0).values.shape[2]
        stack = read_scan(folder, step=STEP, pixel_size=width / pixels)
    search = SearchOptions(views=1, refine=refine)
    options = PredictOptions(search=search, reverse="try", rotations=rotations)  # type: ignore[arg-type]
    result = predict(stack, weights, options)
    least = load_calibration(weights).min_pearson
    rows, structures = [], []
    for turns, one in zip(result.rotations.turns, result.rotations.predictions, strict=True):
        verdict = judge(one.graph, one.context, one.simulated, result.reference, least)
        z, pos = (torch.cat([part[key] for part in (one.graph, one.context)]) for key in ("z", "pos"))
        elements = Counter(symbol(n) for n in z.tolist())
        structures.append(
            ase.Atoms(numbers=z.tolist(), positions=pos.numpy(), info={"name": f"{name}_d{90 * turns}_mol"})
        )
        rows.append(
            {
                "degrees": 90 * turns,
                "pearson": verdict.pearson,
                "status": verdict.status,
                "visible": len(one.graph.z),
                "atoms": len(z),
                "elements": dict(elements),
                "oxygens_per_nm2": 100 * elements["O"] / width**2,
                "windows": len(one.windows),
                "refined": sum(window.refined for window in one.windows),
            }
        )
    agreement = result.rotations.consistency
    row = {
        "stack": name,
        "order": dict(result.log)["order"],
        "z_top": result.chosen.z_top,
        "warnings": list(result.warnings),
        "rotations": rows,
        "consistency": None if agreement is None else agreement.mean_f1,
    }
    simulated = result.rotations.predictions[0].simulated[0, 0].numpy()
    return row, structures, {"measured": result.reference.stack[0], "simulated": simulated}


def picture(name: str, kept: Mapping[str, Path], out: Path) -> None:
    """The scan, and the image of what each model found in it."""
    stacks = {}
    for label, path in kept.items():
        with np.load(path.with_name(f"{path.name}.npz")) as images:
            stacks |= {"measured": images["measured"], label: images["simulated"]}
    depth = min(len(stack) for stack in stacks.values())
    shown = {label: normalized(stack[-depth:]) for label, stack in stacks.items()}
    plot_translations(shown, name).savefig(out / f"{name}.png", dpi=120)


def normalized(stack: np.ndarray) -> np.ndarray:
    """Slices of mean 0 and deviation 1: a scan of pictures has no unit."""
    mean, deviation = (f(stack, axis=(1, 2), keepdims=True) for f in (np.mean, np.std))
    shown: np.ndarray = (stack - mean) / np.maximum(deviation, 1e-12)
    return shown


def distances(
    theory: Sequence[ase.Atoms], models: Mapping[str, Sequence[ase.Atoms]], draws: int
) -> list[dict[str, Any]]:
    """Exact distances from theory, by conventions, feature and model."""
    rows = []
    for conventions, settings in CONVENTIONS.items():
        reference = structure_features(theory, settings, NAMES)
        for model, structures in models.items():
            found = structure_features(structures, settings, NAMES)
            units = [unit(a) for a in structures]
            told = compare(found, reference, ("wasserstein",), n=draws, units=units).features
            for name in NAMES:
                entry = told[name]
                rows.append(
                    {
                        "conventions": conventions,
                        "feature": name,
                        "model": model,
                        "values": entry["prediction"],
                        **entry["distances"]["wasserstein"]["normalized"],
                    }
                )
            values = [row["value"] for row in rows[-len(NAMES) :]]
            mean = None if None in values else sum(values) / len(values)
            row = {"conventions": conventions, "feature": "mean", "model": model}
            rows.append(row | {"values": len(structures), "value": mean, "interval": None})
    return rows


def report(stacks: Sequence[Mapping[str, Any]], judged: Sequence[Mapping[str, Any]]) -> str:
    """Everything as tables."""

    def share(row: Mapping[str, Any]) -> str:
        total: Counter[str] = Counter()
        for r in row["rotations"]:
            total.update(r["elements"])
        water = total["H"] + total["O"]
        return f"{water / max(total.total(), 1):.2f}, {total['H'] / max(total['O'], 1):.1f}"

    def spread(row: Mapping[str, Any], key: str, form: str) -> str:
        return " / ".join(format(r[key], form) for r in row["rotations"])

    columns: dict[str, Any] = {
        "model": lambda r: r["model"],
        "stack": lambda r: r["stack"],
        "order of the slices": lambda r: r["order"],
        "r of the rotations": lambda r: spread(r, "pearson", ".2f"),
        "atoms": lambda r: spread(r, "atoms", "d"),
        "share of H and O, H per O": share,
        "O per nm²": lambda r: spread(r, "oxygens_per_nm2", ".1f"),
        "refined windows": lambda r: " / ".join(f"{s['refined']} of {s['windows']}" for s in r["rotations"]),
        "F1 between rotations": lambda r: "-" if r["consistency"] is None else f"{r['consistency']:.2f}",
    }
    parts = ["Stacks", table(stacks, columns)]
    models = list(dict.fromkeys(r["model"] for r in judged))
    for conventions in CONVENTIONS:
        lines = []
        for name in (*NAMES, "mean"):
            some = [r for r in judged if r["conventions"] == conventions and r["feature"] == name]
            lines.append({"feature": name} | {r["model"]: cell(r) for r in some})
        heads = {key: lambda r, key=key: r[key] for key in ("feature", *models)}
        parts += [
            f"Exact Wasserstein distance from theory, {conventions} conventions [95 % interval] (values)",
            table(lines, heads),
        ]
    return "\n\n".join(parts)


def cell(row: Mapping[str, Any]) -> str:
    """Distance, interval and number of values."""
    if row["value"] is None:
        return f"- ({row['values']})"
    ends = "" if row["interval"] is None else " [{:.3f}, {:.3f}]".format(*row["interval"])
    return f"{row['value']:.3f}{ends} ({row['values']})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--weights", nargs="+", default=["scan"], help="names or folders, or NAME=FOLDER,FOLDER for a model"
    )
    parser.add_argument("--rotations", type=int, default=4, choices=[1, 2, 4])
    parser.add_argument("--refine", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--stacks", nargs="+", default=list(STACKS), choices=STACKS)
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap resamples")
    parser.add_argument("--out", default="runs/prediction_scans_water")
    parser.add_argument("--name", default="prediction_scans_water", help="of the file of results")
    args = parser.parse_args()
    if "TORCH_AFM_DATA" not in os.environ:
        sys.exit("skipped: TORCH_AFM_DATA is not set (the folder that holds water_au111)")
    root, out = Path(os.environ["TORCH_AFM_DATA"]) / "water_au111", Path(args.out)
    labels = dict(named(text) for text in args.weights)
    rows: list[dict[str, Any]] = []
    models: dict[str, list[ase.Atoms]] = {}
    for name in args.stacks:
        shown = {}
        for label, folders in labels.items():
            for number, weights in enumerate(folders):
                digest = hashlib.sha256(b"".join(tensors(weights))).hexdigest()[:12]
                kept = out / f"{digest}-{args.rotations}-{'refined' if args.refine else 'plain'}" / name
                row, found = run_stack(
                    weights, root / "experimental_png", name, args.rotations, args.refine, kept
                )
                rows.append({"model": label, "seed": number, **row})
                models.setdefault(f"ours, {label}", []).extend(found)
                shown.setdefault(label, kept)
                print(f"{label}, {number}, {name}: done", file=sys.stderr, flush=True)
        picture(name, shown, out)
    theory, published = load(root)
    models |= {
        f"published, {model}": [a for a in some if unit(a) in args.stacks]
        for model, some in published.items()
    }
    judged = distances(theory, models, args.draws)
    print(report(rows, judged))
    settings = {"weights": {label: len(some) for label, some in labels.items()}, "rotations": args.rotations}
    settings |= {"refine": args.refine, "stacks": args.stacks, "step": STEP, "draws": args.draws, "seed": 0}
    settings |= {"structures": {m: len(s) for m, s in models.items()}}
    settings |= {"published_oxygens_per_nm2": coverage(published, args.stacks)}
    command = (
        f"python -m benchmarks.prediction_scans.water --weights {' '.join(labels)} "
        f"--rotations {args.rotations}"
        + " --no-refine" * (not args.refine)
        + f" --name {args.name}" * (args.name != parser.get_default("name"))
    )
    write(
        args.name,
        command,
        [{"part": "stacks", **r} for r in rows] + [{"part": "theory", **r} for r in judged],
        settings,
        ("torch", "numpy", "scipy", "ase"),
    )


def named(text: str) -> tuple[str, list[str]]:
    """Name and folders of a model."""
    label, equals, folders = text.partition("=")
    return (label, folders.split(",")) if equals else (Path(text).name, [text])


def tensors(weights: str) -> list[bytes]:
    """What tells weights from others."""
    return [value.numpy().tobytes() for value in load_generator(weights).state_dict().values()]


def coverage(published: Mapping[str, Sequence[ase.Atoms]], stacks: Sequence[str]) -> dict[str, float]:
    """Oxygens that each of the published models predicts in an nm², mean over stacks and rotations."""
    return {
        model: float(
            np.mean([100 * (a.numbers == 8).sum() / STACKS[unit(a)] ** 2 for a in some if unit(a) in stacks])
        )
        for model, some in published.items()
    }


if __name__ == "__main__":
    main()
