"""Measured scans of known molecules: the rank of the right one among 100 by ``torch_afm.identify``. Needs the
public data in the folder that TORCH_AFM_DATA names.

    TORCH_AFM_DATA=... python -m benchmarks.real.identify [--candidates 100]

The others are its isomers and nearest neighbors in the embedded lists. Chance is one in so many candidates.
Few stacks are anecdotes: nothing is to be tuned to them. Every stack is kept in a file of the folder
``--keep``, and none of these is identified again.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from rdkit import Chem

from benchmarks.common import table, write
from benchmarks.identification.decoys import decoys
from torch_afm.config.identification import IdentifyOptions
from torch_afm.datasets.planar import canonical
from torch_afm.identification import Candidate, identify
from torch_afm.io.journal import append_record, keep_settings, read_records


class Known(NamedTuple):
    """A measured stack of a known molecule.

    Args:
        stack: its file.
        smiles: the molecule.
        tip: that it was measured with.
    """

    stack: str
    smiles: str
    tip: str


_CAMPHOR = "CC1(C)C2CCC1(C)C(=O)C2"
KNOWN = (
    Known("edafm_BCB_CO_exp.h5", "Clc1cc(Cl)cc(Br)c1", "CO"),
    Known("edafm_BCB_Xe_exp.h5", "Clc1cc(Cl)cc(Br)c1", "Xe"),
    Known("camphor_exp_1.h5", _CAMPHOR, "CO"),
    Known("camphor_exp_3.h5", _CAMPHOR, "CO"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--keep", type=Path, default=Path("build/real_identify"))
    args = parser.parse_args()
    if "TORCH_AFM_DATA" not in os.environ:
        sys.exit("skipped: TORCH_AFM_DATA is not set (the folder that holds real)")
    folder = Path(os.environ["TORCH_AFM_DATA"]) / "real"
    args.keep.mkdir(parents=True, exist_ok=True)
    settings = {"candidates": args.candidates}
    keep_settings(args.keep / "settings.json", settings, description="a run of this benchmark")
    kept = {row["stack"]: row for row in read_records(args.keep / "records.jsonl")}
    for item in KNOWN:
        if item.stack not in kept:
            kept[item.stack] = rank(folder, item, args.candidates)
            append_record(args.keep / "records.jsonl", kept[item.stack])
    rows = [kept[item.stack] for item in KNOWN]
    columns = {
        "stack": lambda r: str(r["stack"]),
        "molecule": lambda r: str(r["molecule"]),
        "rank (of)": lambda r: f"{r['rank']} ({r['of']})",
        "first": lambda r: str(r["first"]),
        "its probability": lambda r: f"{r['probability']:.2f}",
        "its r": lambda r: f"{r['pearson']:.2f}",
        "none": lambda r: f"{r['none']:.2f}",
        "evidence behind": lambda r: "not fitted" if r["behind"] is None else f"{r['behind']:.1f}",
        "s": lambda r: f"{r['seconds']:.0f}",
        "CPU s": lambda r: f"{r['CPU seconds']:.0f}",
    }
    print(table(rows, columns))
    command = f"TORCH_AFM_DATA=... python -m benchmarks.real.identify --candidates {args.candidates}"
    write("real_identify", command, rows, settings, ("torch", "numpy", "rdkit"))


def rank(folder: Path, item: Known, n: int) -> dict[str, Any]:
    """The rank of the right molecule among ``n``."""
    truth = canonical(Chem.MolFromSmiles(item.smiles))
    candidates = [Candidate.from_smiles(name, seed=1) for name in [truth, *decoys(truth, n - 1)]]
    start = time.perf_counter(), time.process_time()
    found = identify(folder / item.stack, candidates, IdentifyOptions(tip=item.tip))
    seconds, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    order = [*(answer.candidate.name for answer in found.answers), *found.others]
    evidence = {answer.candidate.name: answer.evidence for answer in found.answers}
    first = found.answers[0]
    return {
        "stack": item.stack,
        "tip": item.tip,
        "molecule": truth,
        "rank": order.index(truth) + 1,
        "of": len(order),
        "first": first.candidate.name,
        "probability": first.probability,
        "none": found.none,
        "behind": first.evidence - evidence[truth] if truth in evidence else None,
        "pearson": float(first.pearson.mean()),
        "seconds": seconds,
        "CPU seconds": cpu,
    }


if __name__ == "__main__":
    main()
