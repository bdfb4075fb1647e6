"""Experimental stacks of water on Au(111), from their pictures to structures, judged against theory. Needs
the public data in the folder that TORCH_AFM_DATA names.

    TORCH_AFM_DATA=... python -m benchmarks.prediction_scans.water [--weights spatial] [--rotations 4]

For each stack: both orders of its slices are tried, each at several heights of the tip on the strongest
window; the images of the structures and the sharpness of the slices decide. Then each rotation of the scan is
predicted, refined with the tip unknown, and stitched.
Prints

- which order was taken, and why; how well the image of each structure agrees with the scan, of
  what it consists, and how far the rotations of a scan agree with each other;
- how far the structures are from theory: exact Wasserstein distances of local features with 95 % bootstrap
  intervals over stacks and theory structures, beside the published predictions of the same stacks.

The step between slices is not known; 0.1 Å is taken.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ase
import torch

from benchmarks.common import table, write
from benchmarks.structure.water import load, unit
from torch_afm.config import PredictOptions, SearchOptions
from torch_afm.elements import symbol
from torch_afm.io.scans import read_scan
from torch_afm.metrics.distributions import compare
from torch_afm.metrics.structure import StructureSettings, structure_features
from torch_afm.prediction import judge, load_calibration, predict

#: Width of each stack in Å.
STACKS = {"Ying_Jiang_1": 32.0, "Ying_Jiang_2_1": 34.0, "Ying_Jiang_3": 40.0, "Ying_Jiang_5": 40.0}
STEP = 0.1
NAMES = ("d_OO", "d_OH", "HOH", "theta_ZOH", "hbond", "order")
CONVENTIONS = {"published": StructureSettings.huang2025(), "visible": StructureSettings.visible()}


def run_stack(
    weights: str, pictures: Path, name: str, rotations: int, min_pearson: float
) -> tuple[dict[str, Any], list[ase.Atoms]]:
    """One stack: what came of it, and its structures."""
    with tempfile.TemporaryDirectory() as folder:
        for file in pictures.glob(f"{name}_*.png"):
            if file.stem.rsplit("_", 1)[0] == name:
                shutil.copy(file, folder)
        width = STACKS[name]
        count = len(list(Path(folder).iterdir()))
        pixels = read_scan(folder, heights=range(count), pixel_size=1.0).values.shape[2]
        stack = read_scan(folder, step=STEP, pixel_size=width / pixels)
    options = PredictOptions(search=SearchOptions(views=1), reverse="try", rotations=rotations)
    result = predict(stack, weights, options)
    rows, structures = [], []
    found = zip(result.rotations.turns, result.rotations.predictions, strict=True)
    for turns, one in found:
        verdict = judge(one.graph, one.context, one.simulated, result.reference, min_pearson)
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
    return row, structures


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
    return rows


def report(stacks: Sequence[Mapping[str, Any]], judged: Sequence[Mapping[str, Any]], least: float) -> str:
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
        "stack": lambda r: r["stack"],
        "order of the slices": lambda r: r["order"],
        "r of the rotations": lambda r: spread(r, "pearson", ".2f"),
        "atoms": lambda r: spread(r, "atoms", "d"),
        "share of H and O, H per O": share,
        "refined windows": lambda r: " / ".join(f"{s['refined']} of {s['windows']}" for s in r["rotations"]),
        "F1 between rotations": lambda r: "-" if r["consistency"] is None else f"{r['consistency']:.2f}",
    }
    parts = [f"Stacks (r without noise of {least:.2f} is asked)", table(stacks, columns)]
    models = list(dict.fromkeys(r["model"] for r in judged))
    for conventions in CONVENTIONS:
        lines = []
        for name in NAMES:
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
    parser.add_argument("--weights", default="spatial", help="name or folder")
    parser.add_argument("--rotations", type=int, default=4, choices=[1, 2, 4])
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap resamples")
    parser.add_argument("--name", default="prediction_scans_water", help="of the file of results")
    args = parser.parse_args()
    if "TORCH_AFM_DATA" not in os.environ:
        sys.exit("skipped: TORCH_AFM_DATA is not set (the folder that holds water_au111)")
    root = Path(os.environ["TORCH_AFM_DATA"]) / "water_au111"
    least = load_calibration(args.weights).min_pearson
    rows, structures = [], []
    for name in STACKS:
        row, found = run_stack(args.weights, root / "experimental_png", name, args.rotations, least)
        rows.append(row)
        structures += found
        print(f"{name}: done", file=sys.stderr, flush=True)
    theory, published = load(root)
    label = Path(args.weights).name
    models = {f"ours, {label}": structures}
    models |= {
        f"published, {model_}": [a for a in of if unit(a) in STACKS] for model_, of in published.items()
    }
    judged = distances(theory, models, args.draws)
    print(report(rows, judged, least))
    settings = {"weights": label, "rotations": args.rotations, "step": STEP, "draws": args.draws, "seed": 0}
    settings |= {"min_pearson": least, "structures": {m: len(s) for m, s in models.items()}}
    command = f"python -m benchmarks.prediction_scans.water --weights {label} --rotations {args.rotations}"
    write(
        args.name,
        command,
        [{"part": "stacks", **r} for r in rows] + [{"part": "theory", **r} for r in judged],
        settings,
        ("torch", "numpy", "scipy", "ase"),
    )


if __name__ == "__main__":
    main()
