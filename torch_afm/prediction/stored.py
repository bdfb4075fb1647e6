"""Predictions read back from their files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from torch_afm.config import Scan, Tip, from_dict
from torch_afm.data import AFMData, covalent_bonds
from torch_afm.elements import atomic_number
from torch_afm.io import read_molecule
from torch_afm.prediction.refinement import Scanner
from torch_afm.utils import InputError, check_shape


@dataclass(frozen=True)
class Imaging:
    """What a structure was imaged with.

    Args:
        scan: the scan.
        tip: the tip, fitted where a refinement was accepted.
        z_top: first anchor height in Å, likewise.
        scanner: the scanner, likewise.
    """

    scan: Scan
    tip: Tip
    z_top: float
    scanner: Scanner


@dataclass(frozen=True)
class StoredPrediction:
    """A structure from a file, and what the file records of how it was found.

    Args:
        graph: the structure; bonds are those of covalent radii, probabilities and standard deviations the
            calibrated ones.
        context: its atoms below the surface cut.
        folder: where the file lies.
        imaging: what it was imaged with, if that is recorded.
        stack: file or folder of the scan it was found in, if that is recorded.
        weights: the network's, if they are recorded.
        recorded: whether it is a ``prediction.json``, no molecule file.
    """

    graph: AFMData
    context: AFMData
    folder: Path
    imaging: Imaging | None = None
    stack: Path | None = None
    weights: str | None = None
    recorded: bool = True


def read_prediction(path: str | Path) -> StoredPrediction:
    """Read what :meth:`torch_afm.prediction.ScanPrediction.write` wrote, or a molecule file.

    Args:
        path: ``prediction.json``, its folder, or an xyz or SDF file.

    Raises:
        InputError: for a file that is missing or none of these.
    """
    path = Path(path)
    path = path / "prediction.json" if path.is_dir() else path
    if path.suffix != ".json":
        return StoredPrediction(read_molecule(path), AFMData.empty(), path.parent, recorded=False)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        graph, context = (_atoms(record.get(key, [])) for key in ("atoms", "context"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"prediction: {path} is no prediction of torch-afm predict: {error}") from error
    stack, weights = (v if isinstance(v, str) else None for v in map(record.get, ("stack", "weights")))
    return StoredPrediction(
        graph,
        context,
        path.parent,
        _imaging(record["imaging"]) if record.get("imaging") else None,
        None if stack is None else Path(stack),
        weights,
    )


def _imaging(record: Mapping[str, Any]) -> Imaging:
    try:
        scan, tip = from_dict(Scan, record["scan"]), from_dict(Tip, record["tip"])
        scanner = from_dict(Scanner, record["scanner"]) if "scanner" in record else Scanner()
        return Imaging(scan, tip, float(record["z_top"]), scanner)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"prediction: imaging: cannot read it: {error}") from error


def _atoms(rows: Sequence[Mapping[str, Any]]) -> AFMData:
    if not rows:
        return AFMData.empty()
    z = torch.tensor([atomic_number(row["element"]) for row in rows], dtype=torch.long)
    pos = torch.tensor([row["pos"] for row in rows], dtype=torch.float32)
    check_shape("pos", pos, (len(z), 3))
    charge = torch.tensor([float(row.get("charge", 0.0)) for row in rows])
    atoms = AFMData(z=z, pos=pos, charge=charge, edge_index=covalent_bonds(z, pos))
    for key, shape in (("sigma", (len(z), 3)), ("confidence", (len(z),))):
        if all(key in row for row in rows):
            atoms[key] = torch.tensor([row[key] for row in rows], dtype=torch.float32)
            check_shape(key, atoms[key], shape)
    if all("class_probabilities" in row for row in rows):
        shares = [list(row["class_probabilities"].values()) for row in rows]
        atoms.class_probabilities = torch.tensor(shares, dtype=torch.float32)
    return atoms
