"""Which window and which slices a prediction looks at: molecules in the middle of a scan and off it, two in a
wide scan, and scans that reach too near.

    python -m benchmarks.prediction_scans.windows [--molecules 24]

The first molecules of the published test split in their best orientation, simulated without noise; predicted
with one view and without refinement, the height of the tip known but for the last case. Prints the mean F1 of
visible atoms within 0.5 Å:

- of a molecule in the middle of a scan of 16 and of 22 Å and 3 Å off it, and of two molecules 15 Å apart in
  one of 32 Å: one window around the place that is known, windows around each thing (``--cover auto``) and all
  over the scan (``--cover grid``);
- of scans of twenty heights whose last ten are nearer than those of training, and whose height is not known:
  the nearest ten slices, those that :func:`choose_slices` takes, and the right ones. How far the heights are
  off does not count there.
"""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import table, write
from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, from_smiles, remove_atoms
from torch_afm.datasets import published_split
from torch_afm.datasets.smi import embedded_smiles
from torch_afm.generation import choose_slices, predict_scan
from torch_afm.metrics import match_atoms
from torch_afm.models import SpatialGenerator
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.transforms import Orient, best_rotations

#: Pixels of a scan, and where the molecules in it lie, in Å.
SCENES = {
    "16 Å, in the middle": (64, [(0.0, 0.0)]),
    "16 Å, 3 Å off": (64, [(3.0, 0.0)]),
    "22 Å, in the middle": (88, [(0.0, 0.0)]),
    "22 Å, 3 Å off": (88, [(3.0, 0.0)]),
    "32 Å, two molecules": (127, [(-7.5, -1.0), (7.5, 1.0)]),
}


def wide(model: SpatialGenerator, pixels: int) -> Scan:
    """The model's scan over more pixels."""
    one = model.config.scan
    (low, high), n = one.window[0], one.pixels[0]
    half = (high - low) / (n - 1) * (pixels - 1) / 2
    return dataclasses.replace(one, window=((-half, half),) * 2, pixels=(pixels, pixels))


def found_f1(found: Tensor, true: Tensor) -> float:
    return match_atoms(found, true, 0.5).f1


def scene(model: SpatialGenerator, molecules: list[AFMData], name: str) -> dict[str, float]:
    """F1 of one scene by cover."""
    pixels, places = SCENES[name]
    scan, one = wide(model, pixels), model.config.scan
    parts = []
    for molecule, (x, y) in zip(molecules, places, strict=True):
        moved = molecule.clone()
        moved.pos = molecule.pos + torch.tensor([x, y, 0.0])
        parts.append(moved)
    whole = AFMData(**{key: torch.cat([part[key] for part in parts]) for key in ("z", "pos", "charge")})
    z_top = float(anchor_height(whole, scan, Tip()))
    reference = ProbeParticleModel(scan)(whole, z_top=z_top)
    visible = remove_atoms(whole, whole.pos[:, 2] < model.config.z_min).pos
    scores = {
        cover: found_f1(predict_scan(model, reference, scan, z_top, cover=cover, views=1).graph.pos, visible)
        for cover in ("auto", "grid")
    }
    known, pitch = [], float(scan.x[1] - scan.x[0])
    for x, y in places:
        column, row = (
            min(max(round((pixels - one.pixels[0]) / 2 + c / pitch), 0), pixels - one.pixels[0])
            for c in (x, y)
        )
        part = reference[..., row : row + one.pixels[1], column : column + one.pixels[0]]
        xs, ys = scan.x[column : column + one.pixels[0]], scan.y[row : row + one.pixels[1]]
        around = dataclasses.replace(
            one, window=((float(xs[0]), float(xs[-1])), (float(ys[0]), float(ys[-1])))
        )
        known.append(predict_scan(model, part, around, z_top, views=1).graph.pos)
    return scores | {"known": found_f1(torch.cat(known), visible)}


def too_near(model: SpatialGenerator, molecule: AFMData) -> dict[str, float]:
    """F1 of a scan whose last ten heights are nearer than those of training."""
    one = model.config.scan
    z_top, n = float(anchor_height(molecule, one, Tip())), one.n_slices
    scan = dataclasses.replace(one, n_slices=2 * n)
    reference = ProbeParticleModel(scan, on_unconverged="ignore")(molecule, z_top=z_top)
    visible = remove_atoms(molecule, molecule.pos[:, 2] < model.config.z_min).pos
    best = max(choose_slices(model, reference, scan), key=lambda guess: guess.pearson)
    oxygen = AFMData(z=torch.tensor([8]), pos=torch.zeros(1, 3), charge=torch.zeros(1))
    trained = float(anchor_height(oxygen, one, Tip()))
    guesses = {"nearest": (n, trained), "chosen": (best.first, best.z_top), "right": (0, trained)}
    scores = {}
    for name, (first, height) in guesses.items():
        part = reference[:, :, first : first + n]
        found = predict_scan(model, part, one, height, views=1).graph.pos
        lifts = torch.linspace(-0.4, 0.4, 9)
        scores[name] = max(found_f1(found + torch.tensor([0.0, 0.0, float(dz)]), visible) for dz in lifts)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--molecules", type=int, default=24)
    args = parser.parse_args()
    smiles = embedded_smiles()
    molecules = []
    for i in published_split()[2][: args.molecules]:
        molecule = from_smiles(smiles[i])
        molecules.append(Orient(best_rotations(molecule.pos, n=1)[0])(molecule))
    model = SpatialGenerator.from_pretrained("spatial").eval()
    rows = []
    for name, (_, places) in SCENES.items():
        step = len(places)
        groups = [molecules[i : i + step] for i in range(0, len(molecules) - step + 1, step)]
        rows.append({"scene": name, "f1": _columns([scene(model, group, name) for group in groups])})
        print(rows[-1]["scene"], {key: round(float(np.mean(v)), 3) for key, v in rows[-1]["f1"].items()})
    rows.append({"scene": "20 heights", "f1": _columns([too_near(model, m) for m in molecules])})
    for row in rows:
        row["mean"] = {key: float(np.mean(values)) for key, values in row["f1"].items()}
    for part in (rows[:-1], rows[-1:]):
        columns = {"scan": lambda r: r["scene"]} | {
            key: (lambda r, key=key: f"{r['mean'][key]:.3f}") for key in part[0]["mean"]
        }
        print("\n" + table(part, columns))
    settings = {"molecules": len(molecules), "views": 1, "weights": "spatial", "cutoff": 0.5}
    command = f"python -m benchmarks.prediction_scans.windows --molecules {args.molecules}"
    write("prediction_scans_windows", command, rows, settings, ("torch", "numpy", "scipy"))


def _columns(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    return {key: [row[key] for row in rows] for key in rows[0]}


if __name__ == "__main__":
    main()
