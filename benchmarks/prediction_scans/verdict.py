"""Whether what the verdict calls explained is right: scans of the stand-in domain, measured as microscopes
measure, with the true structure, wrong ones, and what the network predicts, each fitted to its scan with a
free tip.

    python -m benchmarks.prediction_scans.verdict [--part test] [--scenes 4] [--keep build/verdict_scans]

Wrong structures lack an atom or half of all, have an atom too many, an atom of another element, or are
another molecule; each scan has three of the five by turns. A structure is *right* where no atom that lies
0.15 Å or more above the surface cut is missing or too many, and those within 0.5 Å of a true one have its
element, or the wrong ones are named doubtful; heights are counted from where they fit best. Structures that
are no prediction have no probabilities: their elements are doubtful. *Exact* ones are right without that.
Chance is the share of all structures that are right.

Limits of the verdict were chosen on the validation part; the test part is what is reported. The margin is the
evidence against the best of the other structures of the scan that is not the same: with the truth among them,
as where all candidates were tried; without it, as where the right one was not; or it is not known.

Each scan is kept in a file of the folder ``--keep``, and none of these is fitted again.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import table, write
from benchmarks.prediction_scans.verdict_cases import USED, Trial, draw, fit_scene, read_trials
from benchmarks.real.run import level
from benchmarks.standin.scores import SURFACE
from benchmarks.standin.strata import PARTS, SEED, molecules
from torch_afm.data import AFMData
from torch_afm.io.journal import keep_settings
from torch_afm.metrics import Calibration, agreement, match_atoms
from torch_afm.metrics.evidence import log_likelihood, noise_floor
from torch_afm.prediction import Verdict, judge
from torch_afm.progress import ProgressBar

#: Å: an atom is found within the first, and missing where it lies the second above the surface cut.
CUTOFF, BAND = 0.5, 0.15

#: What the margin counts against: nothing, all other structures of the scan, or those but the true one.
NONE, ALL, UNTRUE = "not known", "truth among them", "truth left out"

STATUSES = ("explained", "not explained", "not enough measured")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", default="test", choices=list(PARTS), help="of the split")
    parser.add_argument("--scenes", type=int, default=4, help="of each stratum")
    parser.add_argument("--keep", type=Path, default=Path("build/verdict_scans"))
    args = parser.parse_args()
    os.environ["POCL_MAX_PTHREAD_COUNT"] = "1"
    torch.set_num_threads(1)
    folder = args.keep / args.part
    folder.mkdir(parents=True, exist_ok=True)
    keep_settings(
        folder / "settings.json", {"part": args.part, "seed": SEED}, description="fitted structures"
    )
    pool, trials = molecules(args.part)["all"], []
    scenes = draw(args.part, args.scenes)
    for scene in ProgressBar(scenes, total=len(scenes), desc="verdict", unit="scene"):
        path = folder / f"{scene.number:04d}.npz"
        if not path.exists():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fit_scene(path, scene, pool)
        trials.append(list(read_trials(path)))
    judged = [record for scene_trials in trials for record in judge_scene(scene_trials)]
    rows = [summarize(judged, against) for against in (NONE, ALL, UNTRUE)]
    found = [count_statuses(judged, name) for name in dict.fromkeys(record["name"] for record in judged)]
    settings = {"part": args.part, "scenes": len(trials), "strata": list(USED), "seed": SEED}
    command = f"python -m benchmarks.prediction_scans.verdict --part {args.part} --scenes {args.scenes}"
    name = "prediction_scans_verdict" + "_validation" * (args.part == "validation")
    path = write(name, command, rows, settings | {"structures": found}, ("torch", "numpy"))
    print(table(rows, COLUMNS))
    print()
    print(table(found, COUNTS))
    print(f"\n{len(trials)} scans; wrote {path.name}")


def judge_scene(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Verdicts of the structures of a scan, for each thing that the margin may count against."""
    values = {trial.name: evidence(trial) for trial in trials}
    found = []
    for trial in trials:
        for against in (NONE, ALL, UNTRUE):
            left_out = {"truth"} if against == UNTRUE else set()
            others = [values[o.name] for o in trials if o.name not in left_out and not alike(trial, o)]
            if against == UNTRUE and trial.name == "truth":
                continue
            margin = None if against == NONE or not others else values[trial.name] - max(others)
            verdict = judge_trial(trial, margin)
            found.append(
                {
                    "scene": trial.scene,
                    "name": trial.name,
                    "against": against,
                    "margin": margin,
                    "status": verdict.status,
                    "reasons": list(verdict.reasons),
                    "right": is_right(trial, verdict),
                    "exact": is_right(trial, None),
                    "atoms": len(trial.structure.graph.z),
                    "doubtful": len(verdict.doubtful),
                }
            )
    return found


def alike(trial: Trial, other: Trial) -> bool:
    """Whether two structures show the same: all atoms above the cut within 0.5 Å of one of the same
    element."""
    a, b = trial.structure.graph, other.structure.graph
    if len(a.z) != len(b.z):
        return False
    found = match_atoms(level(a.pos, b.pos), b.pos, CUTOFF)
    return len(found.pred) == len(a.z) and bool((a.z[found.pred] == b.z[found.true]).all())


def judge_trial(trial: Trial, margin: float | None) -> Verdict:
    """The verdict of a structure."""
    graph = trial.structure.graph.clone()
    if trial.certainty is not None:
        graph.confidence = trial.certainty
        graph.class_probabilities = trial.certainty[:, None]
    limit = Calibration.min_pearson
    return judge(graph, trial.structure.context, trial.simulated, trial.stack, limit, margin)


def is_right(trial: Trial, verdict: Verdict | None) -> bool:
    """Whether the structure is the true one, but for what the verdict names doubtful."""
    graph, context = trial.structure
    pos, z = torch.cat([graph.pos, context.pos]), torch.cat([graph.z, context.z])
    pos = level(pos, trial.truth.pos)
    found = match_atoms(pos, trial.truth.pos, CUTOFF)
    same = z[found.pred] == trial.truth.z[found.true]
    extra = set(found.extra[pos[found.extra, 2] >= SURFACE + BAND].tolist())
    changed = set(found.pred[~same].tolist())
    if verdict is not None:
        extra -= set(verdict.doubtful)
        changed -= {*verdict.doubtful, *verdict.doubtful_elements}
    wrong = {atom for atom in extra | changed if atom < len(graph.z)}
    return not wrong and not bool(_seen(trial.truth, found.missing, trial).any())


def _seen(truth: AFMData, atoms: torch.Tensor, trial: Trial) -> torch.Tensor:
    """Which true atoms lie in the scan and above the blurred cut."""
    pos, axes = truth.pos[atoms], (trial.stack.x, trial.stack.y)
    low, high = (pos.new_tensor([float(axis[end]) for axis in axes]) for end in (0, -1))
    return ((pos[:, :2] >= low) & (pos[:, :2] <= high)).all(dim=1) & (pos[:, 2] >= SURFACE + BAND)


def evidence(trial: Trial) -> float:
    """Logarithm of the likelihood of the scan by the image."""
    scan = trial.stack.stack[0].astype(float)
    r = agreement(trial.simulated[0, 0].double().numpy(), scan)["pearson"]
    return log_likelihood(2 * (1 - np.array(r)), noise_floor(scan))


def summarize(judged: Sequence[Mapping[str, Any]], against: str) -> dict[str, Any]:
    """Of each status: how many structures have it, and how many of these are right."""
    records = [record for record in judged if record["against"] == against]
    truths = [record["status"] == "explained" for record in records if record["name"] == "truth"]
    row: dict[str, Any] = {"margin": against, "structures": len(records)}
    row["chance"] = float(np.mean([record["right"] for record in records]))
    row["truths explained"] = [sum(truths), len(truths)]
    for status in STATUSES:
        some = [record for record in records if record["status"] == status]
        row[status] = [sum(record["right"] for record in some), len(some)]
    explained = [record for record in records if record["status"] == "explained"]
    row["exact"] = [sum(record["exact"] for record in explained), len(explained)]
    return row


def count_statuses(judged: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """How many structures of a sort have each status."""
    row: dict[str, Any] = {"structure": name}
    for against in (NONE, ALL, UNTRUE):
        some = [r["status"] for r in judged if r["name"] == name and r["against"] == against]
        row[against] = [some.count(status) for status in STATUSES]
    return row


def _share(key: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: "{} of {}".format(*row[key])


COLUMNS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "other structures": lambda row: row["margin"],
    "structures": lambda row: str(row["structures"]),
    "right, of explained": _share("explained"),
    "exact, of explained": _share("exact"),
    "of not explained": _share("not explained"),
    "of not enough measured": _share("not enough measured"),
    "chance": lambda row: f"{100 * row['chance']:.0f} %",
    "truths explained": _share("truths explained"),
}

COUNTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "explained / not / not enough": lambda row: row["structure"],
    **{
        against: lambda row, against=against: " / ".join(map(str, row[against]))
        for against in (NONE, ALL, UNTRUE)
    },
}


if __name__ == "__main__":
    main()
