"""Which of 100 molecules a scan shows: labeled scans of the stand-in domain, measured as microscopes measure,
with the truth among 99 isomers and neighbors of it, and without it.

    python -m benchmarks.identification.run [--part test] [--scans 200] [--candidates 100]

Half of the molecules are planar, half are not. Poses are compared with the truth in the frame of the scan:
the middle of the heavy atoms, the turn, and what is left of the distances between the atoms. Chance is one in
so many candidates. Every scan is kept in a file of the folder ``--keep``, and none of these is identified
again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rdkit import Chem
from scipy.spatial.transform import Rotation

from benchmarks.common import table, write
from benchmarks.identification.decoys import decoys
from benchmarks.standin.imaging import Measured, image_scene
from benchmarks.standin.strata import PARTS, Scene, Stratum, centered
from torch_afm.config.nuisances import NuisanceConfig
from torch_afm.config.scenes import SceneConfig
from torch_afm.data import AFMData
from torch_afm.datasets import MoleculeDataset, embedded_smiles, published_split
from torch_afm.datasets.enumerate import is_planar
from torch_afm.datasets.planar import canonical
from torch_afm.datasets.scenes import Scenes
from torch_afm.identification import Candidate, Identification, identify
from torch_afm.io.journal import append_record, keep_settings, read_records
from torch_afm.io.scans import ScanStack
from torch_afm.metrics.evidence import other_evidence, probabilities
from torch_afm.progress import ProgressBar

#: Seed of all that is drawn.
SEED = 0

#: A molecule alone, in the middle of a window of 20 Å, and at least three of its atoms shown.
STRATUM = Stratum(
    "identification",
    1,
    SceneConfig(alone=1.0, several=0.0, island=0.0, layer=0.0, water=0.0, min_atoms=3, metal=0.0),
    edge=20.0,
    centered=True,
    nuisances=NuisanceConfig(slices=(4, 20), window=(20.0, 40.0), inverted=0.0),
)


class Case(NamedTuple):
    """A scan whose molecule is known.

    Args:
        number: of the case.
        smiles: the molecule.
        planar: whether it is planar.
        scene: its atoms.
    """

    number: int
    smiles: str
    planar: bool
    scene: Scene


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", default="test", choices=list(PARTS), help="of the split")
    parser.add_argument("--scans", type=int, default=200)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=Path("build/identification"))
    args = parser.parse_args()
    cases = draw_cases(args.part, args.scans)
    settings = {"part": args.part, "candidates": args.candidates, "seed": SEED}
    records = evaluate(run_case, cases, args.candidates, args.processes, args.keep / args.part, settings)
    rows = [
        summarize([r for r in records if r["planar"] == planar], name)
        for planar, name in ((True, "flat"), (False, "not flat"))
    ]
    rows.append(summarize(records, "all"))
    print(table(rows, {key: lambda row, key=key: cell(row[key]) for key in rows[0]}))
    write(
        f"identification_{args.part}",
        f"python -m benchmarks.identification.run --part {args.part} --scans {args.scans} "
        f"--candidates {args.candidates}",
        rows,
        settings,
        ("torch", "numpy", "rdkit"),
    )


def draw_cases(part: str, n: int) -> list[Case]:
    """Molecules of a part of the split, planar and others by turns, each where it lies."""
    rng = np.random.default_rng(SEED)
    lists = []
    for name, options in (("planar", {"geometry": "xtb"}), ("organic", {})):
        data, smiles = MoleculeDataset.read(name, **options), embedded_smiles(name)
        ids = rng.permutation(published_split(name)[PARTS[part]]).tolist()
        lists.append([(smiles[i], data[i]) for i in ids])
    flat = lists[0]
    other = [(smiles, molecule) for smiles, molecule in lists[1] if not is_planar(molecule)]
    cases = []
    for number in range(n):
        smiles, molecule = (flat if number % 2 == 0 else other)[number // 2]
        if "dipole" not in molecule:
            molecule.dipole = torch.zeros_like(molecule.pos)
        scenes = Scenes([molecule], STRATUM.scan, STRATUM.scenes, 1, seed=1000 + number)
        cases.append(
            Case(number, smiles, number % 2 == 0, Scene(number, STRATUM, centered(scenes.oriented(0))))
        )
    return cases


def evaluate(
    run: Callable[[Case, int], dict[str, Any]],
    cases: Sequence[Case],
    n: int,
    processes: int,
    keep: Path,
    settings: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """The record of each case, with ``n`` candidates: those kept in a folder, and the others, in several
    processes."""
    keep.mkdir(parents=True, exist_ok=True)
    keep_settings(keep / "settings.json", settings, description="a run of an identification benchmark")
    records = {record["case"]: record for record in read_records(keep / "records.jsonl")}
    left = [case for case in cases if case.number not in records]
    os.environ |= {"OMP_NUM_THREADS": "1", "POCL_MAX_PTHREAD_COUNT": "1"}
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(run, case, n) for case in left]
        for job in ProgressBar(as_completed(jobs), total=len(jobs), desc="identification", unit="scan"):
            record = job.result()
            append_record(keep / "records.jsonl", record)
            records[record["case"]] = record
    return [records[case.number] for case in cases]


def run_case(case: Case, n: int) -> dict[str, Any]:
    """Measure a scene, and identify its molecule among ``n`` candidates."""
    torch.set_num_threads(1)
    measured = image_scene(case.scene, SEED)
    record, found = identify_among(measured.stack, case, n)
    return record | {"error": _pose_error(found, record["smiles"], measured)}


def identify_among(stack: ScanStack, case: Case, n: int) -> tuple[dict[str, Any], Identification]:
    """Identify the molecule of a case among ``n`` candidates."""
    truth = canonical(Chem.MolFromSmiles(case.smiles))
    names = [truth, *decoys(case.smiles, n - 1)]
    candidates = [Candidate.from_smiles(name, seed=1) for name in names]
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = identify(stack, candidates)
    seconds = time.process_time() - start
    order = [*(answer.candidate.name for answer in found.answers), *found.others]
    record = {
        "case": case.number,
        "smiles": truth,
        "planar": case.planar,
        "rank": order.index(truth) + 1,
        "probability": found.answers[0].probability,
        "evidence": {answer.candidate.name: answer.evidence for answer in found.answers},
        "noise": found.noise.tolist(),
        "pearson": float(found.answers[0].pearson.mean()),
        "seconds": seconds,
    }
    return record, found


def _pose_error(found: Identification, truth: str, measured: Measured) -> dict[str, float] | None:
    """How far the pose of the true molecule is off, see :func:`compare_poses`."""
    for answer in found.answers:
        if answer.candidate.name == truth:
            return compare_poses(answer.atoms, measured.truth)
    return None


def compare_poses(found: AFMData, truth: AFMData) -> dict[str, float]:
    """Lateral distance of the middles of the heavy atoms in Å; the turn in degrees that takes one onto the
    other, and the mean lateral distance in Å of each atom from the nearest one of its element when middles
    and turns agree.

    Args:
        found: the fitted pose.
        truth: the true one.
    """
    a, b = (m.pos[m.z > 1].double().numpy() for m in (found, truth))
    away = a[:, :2].mean(0) - b[:, :2].mean(0)
    za, zb = (m.z[m.z > 1].numpy() for m in (found, truth))
    best = (np.inf, 0.0)
    for angle in np.arange(-8, 8.25, 0.25):
        turned = Rotation.from_euler("z", angle, degrees=True).apply(a - a.mean(0))
        distance = np.linalg.norm(turned[:, None, :2] - (b - b.mean(0))[None, :, :2], axis=-1)
        distance = np.where(za[:, None] == zb, distance, 9.0)
        best = min(best, (float(distance.min(1).mean()), float(angle)))
    return {
        "place": float(np.linalg.norm(away)),
        "turn": abs(best[1]),
        "internal": best[0],
    }


def summarize(records: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Rates over some scans."""
    rank = np.array([r["rank"] for r in records])
    with_truth = [_probable(r, None) for r in records]
    without = [_probable(r, r["smiles"]) for r in records]
    right = [r["error"] for r in records if r["rank"] == 1]
    place, turn, internal = (
        np.array([error[key] for error in right]) for key in ("place", "turn", "internal")
    )
    return {
        "scans": name,
        "number": len(records),
        "chance": 0.01,
        "top 1": float((rank == 1).mean()),
        "top 5": float((rank <= 5).mean()),
        "none, truth among them": float(np.mean([none > best for none, best in with_truth])),
        "none, truth left out": float(np.mean([none > best for none, best in without])),
        "within 0.15 Å and 3°": float(((place <= 0.15) & (turn <= 3)).mean()) if right else None,
        "place, median Å": float(np.median(place)) if right else None,
        "turn, median °": float(np.median(turn)) if right else None,
        "internal, median Å": float(np.median(internal)) if right else None,
        "CPU s a scan": float(np.median([r["seconds"] for r in records])),
    }


def _probable(record: Mapping[str, Any], without: str | None) -> tuple[float, float]:
    """Probabilities of none and of the best candidate."""
    evidence = [value for name, value in record["evidence"].items() if name != without]
    chances, none = probabilities(evidence, other_evidence(np.array(record["noise"])))
    return none, float(chances.max())


def cell(value: Any) -> str:
    """A number in a table."""
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
