"""GFN2-xTB geometries and charges of the embedded lists beside RDKit's (MMFF94, Gasteiger): root mean square
deviation of the atoms and of the charges, and of the normalized images of molecules laid flat, in standard
deviations of a slice, by geometry alone, charges alone, and both.

    python -m benchmarks.data.geometries
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from benchmarks.common import table, write
from torch_afm.config import Scan
from torch_afm.data import AFMData, from_smiles
from torch_afm.datasets import StepRenderer, embedded_smiles
from torch_afm.datasets.geometries import shipped_geometries
from torch_afm.functional import normalize_slices
from torch_afm.transforms import Orient, flat_rotation

MOLECULES, SEED = 60, 0
STILL = {"tilt": [0.0, 0.0], "distance": 0.0}


def main() -> None:
    images = StepRenderer(Scan(pixels=(64, 64)))
    rows = [compare(name, images) for name in shipped_geometries()]
    percentiles = {
        "rmsd": "RMSD, Å",
        "charge": "charges, e",
        "geometry": "image: geometry",
        "charges": "image: charges",
        "both": "image: both",
    }
    print(
        table(
            rows,
            {"list": lambda r: r["list"], "molecules": lambda r: str(r["molecules"])}
            | {
                heading: lambda r, k=key: f"{r[k][0]:.3f} ({r[k][1]:.3f})"
                for key, heading in percentiles.items()
            },
        )
    )
    print("\nMedian (90th percentile).")
    settings = {
        "molecules": MOLECULES,
        "seed": SEED,
        "pixels": [64, 64],
        "statistics": "median, 90th percentile",
    }
    write("geometries", "python -m benchmarks.data.geometries", rows, settings, ["rdkit", "torch"])


def compare(name: str, images: StepRenderer) -> dict[str, Any]:
    """A row of the table for one list."""
    smiles, found = embedded_smiles(name), shipped_geometries()[name]
    covered = np.flatnonzero(found.atoms)
    chosen = np.sort(np.random.default_rng(SEED).choice(covered, min(MOLECULES, len(covered)), replace=False))
    values: dict[str, list[float]] = {k: [] for k in ("rmsd", "charge", "geometry", "charges", "both")}
    for i in chosen.tolist():
        ours, theirs = found.molecule(i, smiles[i]), from_smiles(smiles[i])
        turn = flat_rotation(theirs.pos)
        a, b = (m.pos.double().numpy() - m.pos.double().numpy().mean(axis=0) for m in (ours, theirs))
        align, distance = Rotation.align_vectors(b, a)
        ours.pos = torch.from_numpy(align.apply(a)).float()
        values["rmsd"].append(float(distance) / np.sqrt(len(a)))
        values["charge"].append(float((ours.charge - theirs.charge).square().mean().sqrt()))
        shown = [
            Orient(turn)(AFMData(z=ours.z, pos=pos.clone(), charge=charge))
            for pos, charge in (
                (theirs.pos, theirs.charge),
                (ours.pos, theirs.charge),
                (theirs.pos, ours.charge),
                (ours.pos, ours.charge),
            )
        ]
        stacks = normalize_slices(images.render(shown, [STILL] * 4, images.anchor_heights(shown)))
        differences = (stacks[1:] - stacks[0]).square().mean(dim=(1, 2, 3, 4)).sqrt()
        for key, value in zip(("geometry", "charges", "both"), differences.tolist(), strict=True):
            values[key].append(value)
    percentiles = {key: np.percentile(column, [50, 90]).tolist() for key, column in values.items()}
    return {"list": name, "molecules": len(chosen), "covered": len(covered), "of": len(smiles), **percentiles}


if __name__ == "__main__":
    main()
