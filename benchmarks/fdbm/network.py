"""What the network for any scan makes of images by the full-density-based model, beside images by
Lennard-Jones with the charges and dipoles of GFN2-xTB of the same molecules in the same poses, those of
:mod:`benchmarks.fdbm.molecules` whose densities are at hand.

F1 of atoms within 0.5 Å, elements right of those found, and chance: as many points, drawn uniformly in the
box of the true atoms. Scans have 128 x 128 pixels, and state their heights; predictions are not refined
unless asked for, for refinement would fit Lennard-Jones to densities.

    python -m benchmarks.fdbm.network [--folder runs/fdbm] [--weights scan] [--refine] [--most N]
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import table, write
from benchmarks.fdbm.molecules import FOLDER, MOLECULES, densities
from benchmarks.fdbm.run import place
from benchmarks.real.run import score
from torch_afm import predict
from torch_afm.cli.molecules import simulate
from torch_afm.config import Scan, to_dict
from torch_afm.config.prediction import PredictOptions, SearchOptions
from torch_afm.ppm import FDBM, ProbeParticleModel

SCAN = Scan()
CUTOFF = 0.5


def evaluate(smiles: str, folder: Path, weights: str, refine: bool) -> dict[str, Any]:
    """Scores of one molecule by both simulators."""
    data = place(densities(smiles, folder)[0])
    options = PredictOptions(search=SearchOptions(refine=refine))
    row: dict[str, Any] = {"smiles": smiles, "group": MOLECULES[smiles], "true_atoms": len(data.z)}
    for name, model in (("fdbm", FDBM()), ("lj", None)):
        sample = data.clone()
        if model is None:
            del sample.density, sample.potential
        stack = simulate(sample, smiles, ProbeParticleModel(SCAN, forcefield=model))
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = score(predict(stack, weights, options), data)
        right, matched = found[f"elements_{CUTOFF}"]
        row |= {
            f"{name}_f1": found[f"f1_{CUTOFF}"],
            f"{name}_chance": found[f"chance_{CUTOFF}"],
            f"{name}_right": right,
            f"{name}_matched": matched,
            f"{name}_cpu_s": time.process_time() - start,
        }
    return row


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Means over the molecules, a row for each simulator."""
    found = []
    for name, title in (("lj", "LJ, charges and dipoles"), ("fdbm", "densities")):
        right, matched = (sum(row[f"{name}_{key}"] for row in rows) for key in ("right", "matched"))
        found.append(
            {
                "images": title,
                "f1": float(np.mean([row[f"{name}_f1"] for row in rows])),
                "chance": float(np.mean([row[f"{name}_chance"] for row in rows])),
                "elements": right / matched if matched else float("nan"),
                "matched": matched,
            }
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where densities and results are kept")
    parser.add_argument("--weights", default="scan", help="name or folder")
    parser.add_argument("--refine", action="store_true")
    parser.add_argument("--most", type=int, default=len(MOLECULES), help="molecules, the first in the list")
    args = parser.parse_args()
    file = args.folder / f"network_{Path(args.weights).name}{'_refined' if args.refine else ''}.json"
    kept: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    there = json.loads((args.folder / "seconds.json").read_text("utf-8"))
    names = [smiles for smiles in MOLECULES if smiles in there][: args.most]
    for smiles in names:
        if smiles not in kept:
            kept[smiles] = evaluate(smiles, args.folder, args.weights, args.refine)
            file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
            print(kept[smiles], flush=True)
    rows = [kept[smiles] for smiles in names]
    columns = {
        "images by": lambda r: str(r["images"]),
        "F1 at 0.5 Å (chance)": lambda r: f"{r['f1']:.2f} ({r['chance']:.2f})",
        "elements right of found": lambda r: f"{r['elements']:.2f} of {r['matched']}",
    }
    print(table(summary(rows), columns))
    settings = {"scan": to_dict(SCAN), "weights": args.weights, "refine": args.refine, "molecules": len(rows)}
    command = (
        f"python -m benchmarks.fdbm.network --weights {args.weights}{' --refine' if args.refine else ''}"
    )
    write("fdbm_network", command, rows, settings, ("torch", "numpy"))


if __name__ == "__main__":
    main()
