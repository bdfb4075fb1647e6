"""``torch-afm metrics``: how far predicted structures are from theory, without labels."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ase
import numpy as np
from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt
from tqdm import tqdm

from torch_afm import __version__
from torch_afm.cli.parser import Parser, Seed
from torch_afm.io import read_atoms
from torch_afm.metrics import (
    FEATURES,
    Comparison,
    StructureSettings,
    compare,
    format_comparisons,
    structure_features,
)
from torch_afm.metrics.distributions.compare import DEFAULT
from torch_afm.utils import InputError
from torch_afm.viz import plot_distributions, plot_radar

#: Those of the published analysis.
_NAMES = ["d_OO", "d_OH", "HOH", "theta_ZOH", "hbond", "order"]

_CONVENTIONS: dict[str, Callable[[], StructureSettings]] = {
    "ours": StructureSettings,
    "visible": StructureSettings.visible,
    "huang2025": StructureSettings.huang2025,
}


def main(argv: Sequence[str]) -> int:
    """Run the sub-command."""
    args, settings = _arguments(list(argv))
    out = Path(args.out)
    labels = _labels(args.predictions)
    structures = {label: read_atoms(path) for label, path in zip(labels, args.predictions, strict=True)}
    theory = read_atoms(args.reference)
    if args.cell is not None:
        _repeat(theory, args.cell)
    out.mkdir(parents=True, exist_ok=True)  # now rather than after the work

    reference = _features(theory, settings, args.features, args.reference)
    features = {label: _features(s, settings, args.features, label) for label, s in structures.items()}
    distances = (*DEFAULT, "sinkhorn") if args.compat == "huang2025" else DEFAULT
    comparisons = {}
    for label, found in features.items():
        _some_values(found, label)
        comparisons[label] = compare(
            found,
            reference,
            distances,
            n=args.bootstrap,
            seed=args.seed,
            max_values=args.max_values,
            units=[re.sub(args.same, "", atoms.info["name"]) for atoms in structures[label]]
            if args.same
            else None,
            progress=True,
        )
    print(format_comparisons(comparisons))
    written = {
        "version": __version__,
        "reference": args.reference,
        "predictions": dict(zip(labels, args.predictions, strict=True)),
        "cell": args.cell,
        "compat": args.compat,
        "same": args.same,
        "structure": dataclasses.asdict(settings),
    }
    _write_json(out / "metrics.json", written, comparisons)
    _write_csv(out / "metrics.csv", written, comparisons)
    plot_distributions(features, reference).savefig(out / "distributions.png", dpi=120)
    plot_radar(comparisons).savefig(out / "radar.png", dpi=120)
    files = "metrics.json, metrics.csv, distributions.png and radar.png"
    print(f"\n{len(theory)} reference structures; wrote {files} to {out}")
    return 0


def _arguments(argv: list[str]) -> tuple[Namespace, StructureSettings]:
    """What was asked for; ``--compat`` sets what the settings of the features default to."""
    parser = _parser("ours")
    args = parser.parse_args(argv)
    if args.compat != "ours":
        args = _parser(args.compat).parse_args(argv)
    if not args.features:
        raise InputError("--features: expected at least one, got none")
    for name in args.features:
        FEATURES[name]  # raises for a name that is none
    try:
        re.compile(args.same or "")
    except re.error as error:
        raise InputError(f"--same: expected a regular expression, got {args.same!r} ({error})") from None
    fields = (field.name for field in dataclasses.fields(StructureSettings))
    return args, StructureSettings(**{name: args[name] for name in fields})


def _labels(paths: list[str]) -> list[str]:
    """Names of the predictions: of their files or folders, with the folder above where that is not enough."""
    names = [Path(p).resolve().name for p in paths]
    if len(set(names)) < len(names):
        names = ["/".join(Path(p).resolve().parts[-2:]) for p in paths]
    if len(set(names)) < len(names):
        raise InputError(f"PREDICTIONS: expected folders of different names, got {', '.join(names)}")
    return names


def _repeat(theory: list[ase.Atoms], sides: list[float]) -> None:
    """Make structures without a cell periodic in the plane."""
    if len(sides) != 2 or not all(np.isfinite(side) and side > 0 for side in sides):
        raise InputError(f"--cell: expected two lengths in Å, got {sides}")
    for atoms in theory:
        if not atoms.cell.rank:
            height = float(np.ptp(atoms.positions[:, 2])) + 20 if len(atoms) else 20
            atoms.set_cell([*sides, height])
            atoms.set_pbc((True, True, False))


def _features(
    structures: list[ase.Atoms], settings: StructureSettings, names: list[str], label: str
) -> list[dict[str, np.ndarray]]:
    empty = sum(len(atoms) == 0 for atoms in structures)
    if empty:
        warnings.warn(f"{label}: {empty} of {len(structures)} structures have no atoms", stacklevel=2)
    found = []
    for atoms in tqdm(structures, desc=f"features of {label}", disable=None, leave=False):
        try:
            found += structure_features(atoms, settings, names)
        except InputError as error:
            raise InputError(f"{label}, {atoms.info['name']}: {error}") from None
    _some_values(found, label)
    return found


def _some_values(found: list[dict[str, np.ndarray]], label: str) -> None:
    if not any(len(values) for part in found for values in part.values()):
        names = ", ".join(found[0])
        raise InputError(f"{label}: expected values of {names}, got none; see --features, --center")


def _write_json(path: Path, written: dict[str, Any], comparisons: dict[str, Comparison]) -> None:
    results = {label: comparison.to_dict() for label, comparison in comparisons.items()}
    # Python's JSON writes an infinity (an open layer) that other readers refuse.
    document = json.loads(json.dumps({**written, "results": results}), parse_constant=str)
    path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _write_csv(path: Path, written: dict[str, Any], comparisons: dict[str, Comparison]) -> None:
    """A first line of settings behind ``#``, then one row for each number."""
    rows = [{"predictions": name, **row} for name, c in comparisons.items() for row in c.rows()]
    settings = {**written, "distances": {name: c.settings for name, c in comparisons.items()}}
    with open(path, "w", encoding="utf-8", newline="") as opened:
        opened.write(f"# {json.dumps(settings)}\n")
        table = csv.DictWriter(opened, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def _parser(compat: str) -> Parser:
    parser = Parser(
        "metrics",
        "Compare predicted structures with theory without labels: distributions of local structural features "
        "(distances, angles, hydrogen bonds, tetrahedral orders) and how far they are apart, with 95 % "
        "bootstrap intervals over structures, the floor (reference against itself in halves) and the numbers "
        "of values. Prints tables of distances normalised to fixed ranges; writes numbers and settings as "
        "JSON and CSV, and pictures.",
    )
    parser.add_argument(
        "predictions",
        nargs="+",
        metavar="PREDICTIONS",
        help="folders of .xyz, .extxyz or ASE databases (.db, .json), or single such files",
    )
    parser.add_argument(
        "--reference", required=True, metavar="THEORY", help="the structures to compare with, likewise"
    )
    parser.add_argument(
        "--cell",
        type=list[float] | None,
        metavar="[X,Y]",
        help="sides in Å of the rectangular cell of THEORY, for files that leave it out. Default: none",
    )
    parser.add_argument("--out", metavar="FOLDER", default="metrics", help="folder to write to")
    parser.add_argument(
        "--compat",
        choices=list(_CONVENTIONS),
        default="ours",
        help="conventions that the settings below default to; visible: both sides cut to what an image "
        "shows; huang2025: those of arXiv:2509.02240, and its Sinkhorn divergence besides",
    )
    parser.add_argument(
        "--features",
        type=list[str],
        default=_NAMES,
        metavar="[A,B,...]",
        help=f"out of {', '.join(FEATURES)}",
    )
    parser.add_argument("--seed", type=Seed, default=0, help="of resamples, halves and directions")
    parser.add_argument(
        "--bootstrap", type=NonNegativeInt, default=1000, metavar="N", help="resamples; 0 for no intervals"
    )
    parser.add_argument(
        "--max-values",
        type=PositiveInt | None,
        metavar="N",
        help="values of a feature taken at most on each side, drawn at random. Default: all",
    )
    parser.add_argument(
        "--same",
        metavar="REGEX",
        help="predictions whose file names are equal without this are resampled together, say '_d[0-9]+' for "
        "rotations of one image. Default: each by itself",
    )
    parser.add_settings(StructureSettings, "conventions of the features")
    parser.set_defaults(**dataclasses.asdict(_CONVENTIONS[compat]()))
    return parser
