"""Measured scans of known molecules: what ``torch_afm.predict`` makes of them, against the pose that was
found independently. Needs the public data in the folder that TORCH_AFM_DATA names.

    TORCH_AFM_DATA=... python -m benchmarks.real.run [--weights spatial]

Atoms are compared in the frame of the scan, as they are; the height of the tip is unknown, so all heights are
shifted by the median difference of the atoms that match laterally. Chance is the same number of points, drawn
uniformly in the box of the true atoms. Few stacks are anecdotes: nothing is to be tuned to them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import table, write
from torch_afm import ProbeParticleModel, anchor_height, predict
from torch_afm.data import AFMData, covalent_bonds
from torch_afm.elements import atomic_number
from torch_afm.functional import pearson, remove_slope
from torch_afm.metrics import match_atoms
from torch_afm.metrics.atoms import match_bonds
from torch_afm.prediction import Prediction, ScanPrediction

#: Å within which an atom is found.
CUTOFFS = (0.5, 0.8)
#: Draws of chance, and their seed.
DRAWS, SEED = 500, 0
#: First heights in Å, relative to the usual one, at which the true molecule is imaged: the best counts.
HEIGHTS = np.arange(-1.0, 0.51, 0.1)


class Labeled(NamedTuple):
    """A measured stack whose molecule and pose are known.

    Args:
        stack: its file.
        pose: file of the molecule in the frame of the scan.
        origin: how the pose was found.
    """

    stack: str
    pose: str
    origin: str


LABELED = (
    Labeled("edafm_BCB_CO_exp.h5", "edafm_BCB_CO_pose.xyz", "rigid, by correlation"),
    Labeled("edafm_BCB_CO_exp.h5", "BCB_CO_pose_fitted.json", "scale fitted"),
)


def read_pose(file: Path, stack: str) -> AFMData:
    """The true atoms in the frame of the scan, the top one at z = 0."""
    if file.suffix == ".json":
        pose = json.loads(file.read_text("utf-8"))[Path(stack).stem]
        z, pos, charge = torch.tensor(pose["z"]), torch.tensor(pose["pos"]), torch.zeros(len(pose["z"]))
    else:
        rows = [line.split() for line in file.read_text("utf-8").splitlines()[2:] if line.strip()]
        z = torch.tensor([atomic_number(row[0]) for row in rows])
        pos = torch.tensor([[float(v) for v in row[1:4]] for row in rows])
        charge = torch.tensor([float(row[4]) for row in rows])
    pos = pos.float()
    pos[:, 2] -= pos[:, 2].max()
    return AFMData(z=z, pos=pos, charge=charge.float(), edge_index=covalent_bonds(z, pos))


def level(pos: Tensor, truth: Tensor) -> Tensor:
    """Positions shifted to the height of the truth."""
    match = match_atoms(pos, truth, 1.0, xy_only=True)
    shifted = pos.clone()
    if len(match.pred):
        shifted[:, 2] += (truth[match.true, 2] - pos[match.pred, 2]).median()
    return shifted


def score(prediction: Prediction, truth: AFMData) -> dict[str, Any]:
    """Scores of all predicted atoms, context included, beside chance."""
    z = torch.cat([prediction.graph.z, prediction.context.z])
    pos = level(torch.cat([prediction.graph.pos, prediction.context.pos]), truth.pos)
    rng = np.random.default_rng(SEED)
    low, high = truth.pos.amin(0).numpy(), truth.pos.amax(0).numpy()
    row: dict[str, Any] = {"atoms": len(z), "true_atoms": len(truth.z)}
    for cutoff in CUTOFFS:
        match = match_atoms(pos, truth.pos, cutoff)
        right = int((z[match.pred] == truth.z[match.true]).sum())
        row[f"f1_{cutoff}"], row[f"elements_{cutoff}"] = match.f1, [right, len(match.pred)]
        points = (torch.from_numpy(rng.uniform(low, high, (len(z), 3))).float() for _ in range(DRAWS))
        row[f"chance_{cutoff}"] = float(np.mean([match_atoms(p, truth.pos, cutoff).f1 for p in points]))
    edges = prediction.graph.edge_index  # of the first atoms: the graph comes before its context
    found = match_bonds(edges, truth.edge_index, match_atoms(pos, truth.pos, CUTOFFS[-1]))
    row["bonds_f1"] = found.f1
    return row


def truth_pearson(prediction: ScanPrediction, truth: AFMData) -> float:
    """Best mean Pearson's r of images of the true molecule, by the nominal tip, with the stack."""
    ppm = ProbeParticleModel(prediction.scan).quiet()
    z_top = float(anchor_height(truth, ppm.scan, ppm.tip))
    reference = prediction.reference.tensor()
    images = (ppm(truth, z_top=z_top + h).cpu() for h in HEIGHTS)
    if prediction.reference.leveled:
        images = (remove_slope(image) for image in images)
    return max(float(pearson(image, reference).mean()) for image in images)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", default="spatial", help="name or folder")
    parser.add_argument("--name", default="real", help="of the file of results")
    args = parser.parse_args()
    if "TORCH_AFM_DATA" not in os.environ:
        sys.exit("skipped: TORCH_AFM_DATA is not set (the folder that holds real)")
    folder = Path(os.environ["TORCH_AFM_DATA"]) / "real"
    rows, predictions = [], {}
    for item in LABELED:
        if item.stack not in predictions:
            predictions[item.stack] = predict(folder / item.stack, args.weights)
        prediction, truth = predictions[item.stack], read_pose(folder / item.pose, item.stack)
        rows.append(
            {
                "stack": item.stack,
                "pose": item.origin,
                **score(prediction, truth),
                "pearson": prediction.verdict.pearson,
                "pearson_of_truth": truth_pearson(prediction, truth),
                "status": prediction.verdict.status,
            }
        )
    columns = {
        "stack": lambda r: str(r["stack"]),
        "pose": lambda r: str(r["pose"]),
        "atoms (true)": lambda r: f"{r['atoms']} ({r['true_atoms']})",
        "F1 at 0.5 Å (chance)": lambda r: f"{r['f1_0.5']:.2f} ({r['chance_0.5']:.2f})",
        "F1 at 0.8 Å (chance)": lambda r: f"{r['f1_0.8']:.2f} ({r['chance_0.8']:.2f})",
        "elements": lambda r: "{} of {}".format(*r["elements_0.8"]),
        "bonds F1": lambda r: f"{r['bonds_f1']:.2f}",
        "r (of the truth)": lambda r: f"{r['pearson']:.2f} ({r['pearson_of_truth']:.2f})",
        "verdict": lambda r: r["status"],
    }
    print(table(rows, columns))
    command = f"TORCH_AFM_DATA=... python -m benchmarks.real.run --weights {args.weights}"
    settings = {
        "weights": args.weights,
        "draws": DRAWS,
        "seed": SEED,
        "heights": np.round(HEIGHTS, 1).tolist(),
    }
    write(args.name, command, rows, settings, ("torch",))


if __name__ == "__main__":
    main()
