"""How well drift between slices is found, on a measured series and on simulated ones.

    TORCH_AFM_DATA=... python -m benchmarks.prediction_scans.drift [--molecules 24]

Measured (only with ``TORCH_AFM_DATA``): a hexagonal layer on Cu(111), ``real/hbn``, 18 images down and up
again, and 15 of these down alone. The truth is that of images at the same height in the whole series (31).

Simulated, each slice by itself with the sample moved: a hexagonal layer of boron nitride, 10 x 10 Å;
molecules of the embedded list, 18 x 18 Å, in their best orientation, every second tilted by 15° (the higher
end shows first, which looks like drift). Ten slices 0.1 Å apart, down alone, or down and up again; they drift
by 0, 0.05 or 0.2 Å from image to image to a random side; white noise of 0, 5 or 20 % of the contrast of the
nearest. Columns: the error of the velocity in Å an image; its standard error as estimated; the share of the
stacks whose drift is taken out; how far the farthest slice lies off in Å, before and after that.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from benchmarks.common import table, write
from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.datasets import MoleculeDataset
from torch_afm.datasets.smi import embedded_smiles
from torch_afm.io.scans import ScanStack, estimate_drift, read_scan
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.transforms import Orient, best_rotations

#: Å an image along x and y, by 12 images of one height down and up again.
TRUTH = np.array([0.066, -0.078])

#: Lattice of boron nitride in Å, and charges of B and N in e.
LATTICE, CHARGE = 2.504, 0.4

#: s from image to image; slices down; share of noise; Å an image.
SECONDS, SLICES, NOISES, SPEEDS = 122.0, 10, (0.0, 0.05, 0.2), (0.0, 0.05, 0.2)

MOLECULES = Scan(window=((-9.0, 9.0), (-9.0, 9.0)), pixels=(72, 72), n_slices=SLICES)
LAYER = Scan(window=((-5.0, 5.0), (-5.0, 5.0)), pixels=(48, 48), n_slices=SLICES)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--molecules", type=int, default=24)
    args = parser.parse_args()
    rows = measured() if "TORCH_AFM_DATA" in os.environ else []
    rows += simulated("hexagonal layer", LAYER, [hexagonal_layer()] * 4, NOISES[1:2])
    rows += simulated("molecules", MOLECULES, molecules(args.molecules), NOISES)
    print(table(rows, COLUMNS))
    command = f"TORCH_AFM_DATA=... python -m benchmarks.prediction_scans.drift --molecules {args.molecules}"
    settings = {"molecules": args.molecules, "seed": 0, "slices": SLICES, "truth": TRUTH.tolist()}
    write("prediction_scans_drift", command, rows, settings, ("torch", "numpy", "scipy"))


def measured() -> list[dict[str, Any]]:
    """The series of ``real/hbn``."""
    files = sorted((Path(os.environ["TORCH_AFM_DATA"]) / "real" / "hbn").glob("*.sxm"))
    rows = []
    for name, some in (("down and up", files), ("down", files[1:16])):
        stack = read_scan(some)
        drift = estimate_drift(stack)
        seconds = float(np.median(np.diff(np.sort(stack.meta["times"]))))
        velocity = np.array(drift.velocity) * seconds
        print(f"{len(some)} images of real/hbn, {name}: {drift.describe()}")
        x, y = velocity
        print(
            f"  {x:+.3f}, {y:+.3f} Å an image; truth {TRUTH[0]:+.3f}, {TRUTH[1]:+.3f}; off by "
            f"{np.linalg.norm(velocity - TRUTH):.3f}\n"
        )
        rows.append(
            {
                "sample": "real/hbn",
                "series": name,
                "noise": None,
                "speed": float(np.linalg.norm(TRUTH)),
                "velocity": velocity.tolist(),
                "errors": [float(np.linalg.norm(velocity - TRUTH))],
                "standard_error": drift.error * seconds,
                "taken_out": float(drift.significant),
                "before": None,
                "after": None,
            }
        )
    return rows


def simulated(
    sample: str, scan: Scan, graphs: Sequence[AFMData], noises: Sequence[float]
) -> list[dict[str, Any]]:
    """All cases of some structures."""
    rows = []
    for up in (False, True):
        for speed in SPEEDS:
            found: dict[float, list[tuple[float, ...]]] = {}
            for k, graph in enumerate(graphs):
                angle = np.random.default_rng(k).uniform(0, 2 * math.pi)
                velocity = speed * np.array([math.cos(angle), math.sin(angle)])
                clean = drifting(graph, scan, velocity, up)
                rng = np.random.default_rng(1000 + k)
                for noise in noises:
                    grain = noise * clean.values[-1].std() * rng.normal(size=clean.values.shape)
                    found.setdefault(noise, []).append(
                        score(clean.replace(values=clean.values + grain), velocity)
                    )
            for noise, scores in found.items():
                errors, deviations, taken, before, after = np.array(scores).T
                rows.append(
                    {
                        "sample": sample,
                        "series": "down and up" if up else "down",
                        "noise": noise,
                        "speed": speed,
                        "errors": errors.tolist(),
                        "standard_error": float(np.median(deviations)),
                        "taken_out": float(taken.mean()),
                        "before": float(before.mean()),
                        "after": float(after.mean()),
                    }
                )
    return rows


def score(stack: ScanStack, velocity: np.ndarray) -> tuple[float, float, float, float, float]:
    """Error, standard error, whether drift is taken out, and how far the farthest slice is off before and
    after that."""
    drift = estimate_drift(stack)
    times = np.array(stack.meta["times"])
    truth = (times - times[-1])[:, None] / SECONDS * velocity
    left = truth - drift.shifts if drift.significant else truth
    before, after = (float(np.linalg.norm(d, axis=1).max()) for d in (truth, left))
    error = float(np.linalg.norm(np.array(drift.velocity) * SECONDS - velocity))
    return error, drift.error * SECONDS, float(drift.significant), before, after


def drifting(graph: AFMData, scan: Scan, velocity: np.ndarray, up: bool) -> ScanStack:
    """Images of a sample that moves by ``velocity`` Å from one to the next, down, or down and up again."""
    steps = [*range(SLICES), *(range(SLICES - 2, -1, -1) if up else ())]
    renderer = ProbeParticleModel(dataclasses.replace(scan, n_slices=1))
    z_top = float(anchor_height(graph, scan, Tip()))
    images, heights = [], []
    for i, step in enumerate(steps):
        moved = graph.clone()
        moved.pos = graph.pos + torch.tensor([*(i * velocity), 0.0], dtype=graph.pos.dtype)
        images.append(renderer(moved, z_top=z_top - step * scan.dz)[0, 0, 0].double().numpy())
        heights.append(-step * scan.dz)
    order = np.argsort(-np.array(heights), kind="stable")
    meta = {"times": (SECONDS * order).tolist()}
    return ScanStack(np.stack(images)[order], np.array(heights)[order], scan.window, meta=meta)


def hexagonal_layer() -> AFMData:
    """A layer of boron nitride that reaches over the edges of the scan."""
    a, b = LATTICE * np.array([1.0, 0.0]), LATTICE * np.array([0.5, math.sqrt(3) / 2])
    cells = [i * a + j * b for i in range(-12, 13) for j in range(-12, 13)]
    places = np.concatenate([cells, cells + (a + b) / 3])
    z = np.repeat([5, 7], len(cells))
    kept = np.abs(places).max(axis=1) < 12
    pos = np.column_stack([places, np.zeros(len(places))])[kept]
    charge = np.where(z[kept] == 5, CHARGE, -CHARGE)
    return AFMData(
        z=torch.from_numpy(z[kept]),
        pos=torch.from_numpy(pos).float(),
        charge=torch.from_numpy(charge).float(),
    )


def molecules(count: int) -> list[AFMData]:
    """Molecules in their best orientation, every second of them tilted by 15°."""
    smiles = embedded_smiles()
    smiles = smiles[7 :: len(smiles) // count][:count]
    tilt = Rotation.from_rotvec([math.radians(15), 0, 0])
    found = []
    for k, molecule in enumerate(MoleculeDataset(smiles, cache=False)):
        rotation = best_rotations(molecule.pos, n=1)[0]
        found.append(Orient(tilt * rotation if k % 2 else rotation)(molecule))
    return found


#: Headings of the table.
COLUMNS = {
    "sample": lambda r: r["sample"],
    "series": lambda r: r["series"],
    "noise": lambda r: "measured" if r["noise"] is None else f"{100 * r['noise']:.0f} %",
    "Å an image": lambda r: f"{r['speed']:.2f}",
    "error (largest)": lambda r: f"{np.mean(r['errors']):.3f} ({np.max(r['errors']):.3f})",
    "standard error": lambda r: f"{r['standard_error']:.3f}",
    "taken out": lambda r: f"{100 * r['taken_out']:.0f} %",
    "farthest off, before": lambda r: "" if r["before"] is None else f"{r['before']:.2f} Å",
    "after": lambda r: "" if r["after"] is None else f"{r['after']:.2f} Å",
}


if __name__ == "__main__":
    main()
