"""What preparing a scan costs where there is nothing to repair, and what an off-center molecule does.

    python -m benchmarks.prediction_scans.preparation [--molecules 40]

Molecules of the embedded list in their best orientation, simulated over 22 Å without tilt, drift or noise;
the molecule lies 0 or 3 Å off the middle of the scan. Prints the F1 of visible atoms within 0.5 Å, with 95 %
bootstrap intervals over molecules: of one window around the scan's middle, with and without planes and drift
taken out, and of a window around each thing; and the drift that seems to be there.
"""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np
import torch

from benchmarks.common import table, write
from torch_afm.config import Tip
from torch_afm.data import remove_atoms
from torch_afm.datasets import MoleculeDataset
from torch_afm.datasets.smi import embedded_smiles
from torch_afm.io.scans import ScanPreparation, ScanStack, estimate_drift, prepare_scan
from torch_afm.metrics import match_atoms
from torch_afm.models import SpatialGenerator
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.prediction import predict_scan
from torch_afm.transforms import Orient, best_rotations

CASES = {
    "as it is": ScanPreparation(flatten="none", align="never", center=(0.0, 0.0)),
    "plane": ScanPreparation(flatten="plane", align="never", center=(0.0, 0.0)),
    "drift": ScanPreparation(flatten="none", align="always", center=(0.0, 0.0)),
    "plane, auto (default)": ScanPreparation(),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--molecules", type=int, default=40)
    args = parser.parse_args()
    smiles = embedded_smiles()
    smiles = smiles[7 :: len(smiles) // args.molecules][: args.molecules]
    model = SpatialGenerator.from_pretrained("spatial").eval()
    scan = dataclasses.replace(model.config.scan, window=((-11.0, 11.0),) * 2, pixels=(88, 88))
    renderer, scores, drift = ProbeParticleModel(scan), {}, []
    for molecule in MoleculeDataset(smiles, cache=False):
        molecule = Orient(best_rotations(molecule.pos, n=1)[0])(molecule)
        z_top = float(anchor_height(molecule, scan, Tip()))
        for off in (0.0, 3.0):
            moved = molecule.clone()
            moved.pos = molecule.pos + torch.tensor([off, 0.0, 0.0])
            images = renderer(moved, z_top=z_top)[0, 0].double().numpy()
            stack = ScanStack(images, scan.slice_heights(z_top), scan.window)
            visible = remove_atoms(moved, moved.pos[:, 2] < model.config.z_min)
            if off == 0:
                drift.append(estimate_drift(stack).largest)
            for case, settings in CASES.items():
                if off and "auto" not in case and case != "as it is":
                    continue
                prepared = prepare_scan(stack, model.config.scan, settings)
                found = predict_scan(
                    model,
                    prepared.stack.tensor(),
                    prepared.scan,
                    z_top,
                    views=1,
                    cover="auto" if settings.center is None else "grid",
                )
                f1 = match_atoms(found.graph.pos, visible.pos, 0.5).f1
                scores.setdefault((case, off), []).append(f1)
    rows = [{"case": c, "off": off, "f1": f, **_interval(f)} for (c, off), f in scores.items()]
    print(
        table(
            rows,
            {
                "preparation": lambda r: r["case"],
                "off the middle": lambda r: f"{r['off']:g} Å",
                "F1": lambda r: f"{r['mean']:.3f} ({r['low']:.3f}-{r['high']:.3f})",
            },
        )
    )
    seems = {"mean": float(np.mean(drift)), "largest": float(np.max(drift))}
    print(
        f"\nDrift that seems to be there: {seems['mean']:.2f} Å in the mean, {seems['largest']:.2f} Å at most"
    )
    settings_ = {"molecules": len(drift), "apparent_drift": seems, "weights": "spatial", "seed": 0}
    command = f"python -m benchmarks.prediction_scans.preparation --molecules {args.molecules}"
    write("prediction_scans_preparation", command, rows, settings_, ("torch", "numpy", "scipy"))


def _interval(values: list[float]) -> dict[str, float]:
    drawn = np.random.default_rng(0).choice(values, size=(2000, len(values))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"mean": float(np.mean(values)), "low": float(low), "high": float(high)}


if __name__ == "__main__":
    main()
