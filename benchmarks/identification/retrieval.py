"""Retrieval of molecules by clean simulated scans: the rank of the right one of 100, none of them in any
training set.

    python -m benchmarks.identification.retrieval [--part test] [--molecules 100] [--candidates 100]

Each molecule is simulated where it lies, with the nominal tip, heights and scanner, 0.3 % of noise, and
charges as they are; half of the molecules are planar, half are not. The others are its isomers and nearest
neighbors in the embedded lists. Chance is one in so many; intervals are Wilson's, of 95 %.

Published rates beside it, none of the same task: 95.4 % for a network that predicts fingerprints from
simulated stacks of quasi-planar molecules and looks them up among those of QUAM-AFM, chosen at random and
not for being alike (Lastre et al., J. Cheminformatics 16, 130 (2024)); and 74 % for AFM_3Drebuilt, which
builds the molecule without any list. Here a list is given, of the molecules that are most easily mistaken.

Every molecule is kept in a file of the folder ``--keep``, and none of these is identified again.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import binomtest

from benchmarks.common import table, write
from benchmarks.identification.run import SEED, Case, cell, draw_cases, evaluate, identify_among
from benchmarks.standin.imaging import measure
from benchmarks.standin.strata import PARTS
from torch_afm.datasets.nuisances import Measurement, Nuisances

#: What others published, and in what task.
PUBLISHED = (
    {"by": "Lastre et al. 2024", "top 1": 0.954, "task": "fingerprints of quasi-planar molecules, QUAM-AFM"},
    {"by": "AFM_3Drebuilt 2026", "top 1": 0.74, "task": "built without a list of candidates"},
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", default="test", choices=list(PARTS), help="of the split")
    parser.add_argument("--molecules", type=int, default=100)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=Path("build/retrieval"))
    args = parser.parse_args()
    cases = draw_cases(args.part, args.molecules)
    settings = {"part": args.part, "candidates": args.candidates, "seed": SEED}
    records = evaluate(run_case, cases, args.candidates, args.processes, args.keep / args.part, settings)
    rows = [
        summarize([r for r in records if r["planar"] == planar], name, args.candidates)
        for planar, name in ((True, "flat"), (False, "not flat"))
    ]
    rows.append(summarize(records, "all", args.candidates))
    print(table(rows, {key: lambda row, key=key: cell(row[key]) for key in rows[0]}))
    write(
        "identification_retrieval",
        f"python -m benchmarks.identification.retrieval --part {args.part} --molecules {args.molecules} "
        f"--candidates {args.candidates}",
        [*rows, *PUBLISHED],
        settings,
        ("torch", "numpy", "rdkit"),
    )


def run_case(case: Case, n: int) -> dict[str, Any]:
    """Simulate a scene, and find its molecule among ``n`` candidates."""
    torch.set_num_threads(1)
    scan, measurement = case.scene.stratum.scan, Measurement.nominal(case.scene.stratum.scan)
    steps = Nuisances().draw_steps(measurement, scan, np.random.default_rng((SEED, case.number)))
    record, _ = identify_among(measure(case.scene.atoms, measurement, steps, scan).stack, case, n)
    return record


def summarize(records: Sequence[Mapping[str, Any]], name: str, n: int) -> dict[str, Any]:
    """Rates over some molecules, with their intervals."""
    rank = np.array([r["rank"] for r in records])
    row: dict[str, Any] = {"molecules": name, "number": len(records), "chance": 1 / n}
    for k in (1, 5):
        row[f"top {k}"] = float((rank <= k).mean())
        interval = binomtest(int((rank <= k).sum()), len(rank)).proportion_ci(method="wilson")
        row[f"top {k}, interval"] = [round(float(interval.low), 3), round(float(interval.high), 3)]
    return row | {"CPU s a scan": float(np.median([r["seconds"] for r in records]))}


if __name__ == "__main__":
    main()
