"""``torch-afm metrics``: how far predicted structures are from theory, without labels."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import warnings
from pathlib import Path
from typing import Any

import ase
import numpy as np
from jsonargparse import Namespace

from torch_afm import __version__
from torch_afm.io import read_atoms
from torch_afm.io.files import write_json
from torch_afm.metrics import StructureSettings, compare, structure_features
from torch_afm.metrics.distributions import DISTANCES, Comparison, format_comparisons
from torch_afm.progress import ProgressBar
from torch_afm.utils import InputError
from torch_afm.viz import plot_distributions, plot_radar


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.metrics.parse`."""
    settings = StructureSettings(
        **{field.name: args[field.name] for field in dataclasses.fields(StructureSettings)}
    )
    out = Path(args.out)
    labels = _labels(args.predictions)
    structures = {label: read_atoms(path) for label, path in zip(labels, args.predictions, strict=True)}
    theory = read_atoms(args.reference)
    if args.cell is not None:
        _repeat(theory, args.cell)
    out.mkdir(parents=True, exist_ok=True)  # now rather than after the work

    reference = _features(theory, settings, args.features, args.reference)
    features = {label: _features(s, settings, args.features, label) for label, s in structures.items()}
    distances = list(DISTANCES) if args.compat == "huang2025" else None
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
    for atoms in ProgressBar(structures, desc=f"features of {label}", leave=False):
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
    write_json(path, document)


def _write_csv(path: Path, written: dict[str, Any], comparisons: dict[str, Comparison]) -> None:
    """A first line of settings behind ``#``, then one row for each number."""
    rows = [{"predictions": name, **row} for name, c in comparisons.items() for row in c.rows()]
    settings = {**written, "distances": {name: c.settings for name, c in comparisons.items()}}
    with open(path, "w", encoding="utf-8", newline="") as opened:
        opened.write(f"# {json.dumps(settings)}\n")
        table = csv.DictWriter(opened, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
