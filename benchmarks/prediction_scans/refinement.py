"""What refinement through the simulator is worth on the stand-in for measured scans, by stratum.

    python -m benchmarks.prediction_scans.refinement [--scenes 5] [--settings measured|simulated]

The start is the truth in the frame of the scan, as a good network might have found it: atoms 0.1 Å off along
x and y and 0.15 Å along z (standard deviations, as the start states them), 1 in 20 missing, as many false
ones at random places, no charges. The scanner, the tip and its height are unknown, and the stack is prepared
as ``torch_afm.predict`` prepares it for networks of whole scans, its drift left where it is. Structures are
shifted by the median difference in height before they are compared with the truth.

F1 is that of the atoms above the surface cut, at 0.5 Å, with the band around the cut that counts for nothing;
its interval is that of the change, over scenes. Errors are those of the atoms that lay within 0.5 Å of a true
one at the start, before and after, so that no atom can drop out by getting worse. Scale errors are means of
both axes, those of stiffness of its logarithm.

Every scene is kept in a file of the folder ``--keep``, and none of these is refined again.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import table, write
from benchmarks.real.run import level
from benchmarks.standin.imaging import Measured, image_scene
from benchmarks.standin.scores import CUTOFF, DEEPEST, SURFACE
from benchmarks.standin.strata import SEED, STRATA, Scene, checksum, draw_scenes
from torch_afm.config import Tip
from torch_afm.config.generators import PRESETS
from torch_afm.config.prediction import ScanPreparation
from torch_afm.data import AFMData, remove_atoms
from torch_afm.elements import ORGANIC_AND_IODINE, AtomClasses
from torch_afm.functional import remove_slope
from torch_afm.io.journal import append_record, keep_settings, read_records
from torch_afm.io.scans import PreparedScan, prepare_scan
from torch_afm.metrics import match_atoms
from torch_afm.metrics.atoms import match_surface
from torch_afm.metrics.intervals import bootstrap
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import RefinementResult, RefinementSettings, refine
from torch_afm.prediction.atoms import concat_graphs, select_atoms
from torch_afm.prediction.frames import inside_scan
from torch_afm.prediction.refinement import ScannedModel
from torch_afm.prediction.result import mean_pearson
from torch_afm.prediction.slices import trained_height
from torch_afm.progress import ProgressBar

#: Å: standard deviations of a start along x, y and z.
NOISE = (0.1, 0.1, 0.15)

#: Shares of atoms that a start lacks, and that it has beside the true ones, and Å between those and others.
MISSING, FALSE, ROOM = 0.05, 0.05, 0.8

#: Probability of the right element at the start.
SURE = 0.9

CLASSES = AtomClasses(tuple((symbol,) for symbol in ORGANIC_AND_IODINE))

#: What is fitted where the instrument is unknown, and where only the height of the tip is.
SETTINGS = {
    "measured": dataclasses.replace(RefinementSettings.measured(), plane=True),
    "simulated": RefinementSettings(distance_sigma=0.3, plane=True),
}


class Case(NamedTuple):
    """A scene to refine: the stack as it is prepared, a guess of the first anchor height in Å, the true atoms
    in the window, and the start."""

    prepared: PreparedScan
    z_top: float
    truth: AFMData
    start: AFMData


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=5, help="of each stratum, the first")
    parser.add_argument("--settings", default="measured", choices=list(SETTINGS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=Path("build/refinement"))
    args = parser.parse_args()
    counted: dict[str, int] = {}
    chosen = []
    for scene in draw_scenes("validation"):
        counted[scene.stratum.name] = counted.get(scene.stratum.name, 0) + 1
        if counted[scene.stratum.name] <= args.scenes:
            chosen.append(scene)
    name = "prediction_scans_refinement" + "_simulated" * (args.settings == "simulated")
    settings = {"refinement": repr(SETTINGS[args.settings]), "noise": NOISE, "seed": SEED}
    settings |= {"missing": MISSING, "false": FALSE}
    records = evaluate(chosen, args.settings, args.processes, args.keep / args.settings, settings)
    rows = [
        summarize([r for r in records if r["stratum"] == stratum.name], stratum.name) for stratum in STRATA
    ]
    rows.append(summarize(records, "all"))
    command = f"python -m benchmarks.prediction_scans.refinement --scenes {args.scenes}"
    command += f" --settings {args.settings}"
    settings |= {"scenes": args.scenes, "scenes_sha256": checksum(chosen), "per_scene": records}
    path = write(name, command, rows, settings, ("torch", "numpy"))
    for title, columns in TABLES.items():
        print(f"\n{title}\n\n{table(rows, columns)}")
    print(f"\nwrote {path.name}")


def evaluate(
    scenes: Sequence[Scene], settings: str, processes: int, keep: Path, described: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The record of each scene: those kept in a folder, and the others, in several processes.

    Raises:
        InputError: for a folder with records of other settings.
    """
    keep.mkdir(parents=True, exist_ok=True)
    keep_settings(keep / "settings.json", described, description="a refinement of the stand-in")
    records = {record["scene"]: record for record in read_records(keep / "records.jsonl")}
    # In random order: what is done at any time is like the whole.
    order = np.random.default_rng(SEED).permutation(len(scenes))
    left = [scenes[i] for i in order if scenes[i].number not in records]
    os.environ |= {"OMP_NUM_THREADS": "1", "POCL_MAX_PTHREAD_COUNT": "1"}
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(run_scene, scene, settings) for scene in left]
        for job in ProgressBar(as_completed(jobs), total=len(jobs), desc="refinement", unit="scene"):
            record = job.result()
            append_record(keep / "records.jsonl", record)
            records[record["scene"]] = record
    return [records[scene.number] for scene in scenes]


def run_scene(scene: Scene, settings: str) -> dict[str, Any]:
    """Measure a scene, refine a start, and compare both with the truth."""
    torch.set_num_threads(1)
    chosen, measured = SETTINGS[settings], image_scene(scene, SEED)
    case = prepare_case(measured, chosen, np.random.default_rng((SEED, scene.number, 20)))
    ppm = ProbeParticleModel(case.prepared.scan).quiet()
    stack = case.prepared.stack.tensor()
    below = case.start.pos[:, 2] < SURFACE
    graph, context = select_atoms(case.start, ~below), select_atoms(case.start, below)
    record: dict[str, Any] = {"scene": scene.number, "stratum": scene.stratum.name}
    begun = time.process_time()
    result = refine(
        graph, stack, ppm, case.z_top, Tip(), context if len(context.z) else None, settings=chosen, top=0.0
    )
    record["cpu_s"] = time.process_time() - begun
    return record | score_result(result, case, measured) | {"pearson": _agreement(result, case, ppm, stack)}


def prepare_case(measured: Measured, settings: RefinementSettings, rng: np.random.Generator) -> Case:
    """The stack as a network of whole scans is shown it, and a start."""
    wanted = PRESETS["scan"].scan
    prepared = prepare_scan(measured.stack, wanted, ScanPreparation(align="never"), whole=True)
    z_top = trained_height(prepared.scan, wanted) - (wanted.n_slices - prepared.scan.n_slices) * wanted.dz
    placed = measured.truth
    counted = inside_scan(placed.pos, prepared.scan) & CLASSES.has(placed.z) & (placed.pos[:, 2] >= DEEPEST)
    truth = remove_atoms(placed, ~counted)
    return Case(prepared, z_top, truth, draw_start(truth, settings, rng))


def draw_start(truth: AFMData, settings: RefinementSettings, rng: np.random.Generator) -> AFMData:
    """The truth as a network might have found it; one atom above the surface cut at least."""
    sigma = torch.tensor(NOISE)
    found = torch.from_numpy(rng.random(len(truth.z)) >= MISSING)
    found[truth.pos[:, 2].argmax()] = True
    z = truth.z[found]
    pos = truth.pos[found] + sigma * torch.from_numpy(rng.standard_normal((len(z), 3))).float()
    low, high = truth.pos.amin(0).numpy(), truth.pos.amax(0).numpy()
    for _ in range(rng.binomial(len(truth.z), FALSE)):
        place = torch.from_numpy(rng.uniform(low, high)).float()
        element = truth.z[rng.integers(len(truth.z))]
        if torch.cdist(place[None], pos).min() >= ROOM:
            pos, z = torch.cat([pos, place[None]]), torch.cat([z, element[None]])
    pos[:, 2] -= pos[:, 2].max()
    n = len(CLASSES) - 1
    label = torch.nn.functional.one_hot(CLASSES.index_of(z) - 1, n).float()
    return AFMData(
        z=z,
        pos=pos,
        charge=torch.zeros(len(z)),
        class_probabilities=SURE * label + (1 - SURE) / (n - 1) * (1 - label),
        confidence=torch.full((len(z),), 1 - FALSE),
        sigma=(sigma / settings.sigma_scale).expand(len(z), 3).clone(),
    )


def score_result(result: RefinementResult, case: Case, measured: Measured) -> dict[str, Any]:
    """Numbers before and after as ``[before, after]``: ``[matched, predicted, true]`` of ``surface``, mean
    ``error`` and ``error_xy`` in Å of the pairs of the start, error of the logarithms of the ``scale`` and of
    the ``stiffness``."""
    truth = case.truth.pos
    n, n_context = len(result.data.z), len(result.context.z)
    # The order of the start: atoms above the surface cut first.
    below = case.start.pos[:, 2] < SURFACE
    before = torch.cat([case.start.pos[~below], case.start.pos[below]])
    after = torch.cat([result.data.pos, result.context.pos, result.added.pos])
    sides = [level(pos.float(), truth) for pos in (before, after)]
    match = match_atoms(sides[0], truth, CUTOFF)
    gaps = [(pos[match.pred] - truth[match.true]).double() for pos in sides]
    (sx, sy), drawn = result.scanner.scale, measured.drawn
    true_x, true_y = drawn["matrix"][0][0], drawn["matrix"][1][1]
    given = Tip().stiffness[0]
    true_stiffness = drawn["stiffness"] or given
    return {
        "atoms": n + n_context,
        "pairs": len(match.pred),
        "accepted": result.accepted,
        "reason": result.reason,
        "surface": [list(dataclasses.astuple(match_surface(pos, truth, SURFACE))) for pos in sides],
        "error": [_mean(gap.norm(dim=1)) for gap in gaps],
        "error_xy": [_mean(gap[:, :2].norm(dim=1)) for gap in gaps],
        "added": len(result.added.z),
        "added_right": len(match_atoms(sides[1][n + n_context :], truth, CUTOFF).pred),
        "scale": [
            (abs(math.log(x / true_x)) + abs(math.log(y / true_y))) / 2 for x, y in ((1.0, 1.0), (sx, sy))
        ],
        "stiffness": [abs(math.log(k / true_stiffness)) for k in (given, result.tip.stiffness[0])],
    }


def _agreement(
    result: RefinementResult, case: Case, ppm: ProbeParticleModel, stack: Tensor
) -> tuple[float, float]:
    """Pearson's r of the image of the start by the nominal tip, and of that of the result by its."""
    whole = concat_graphs([result.data, result.context, result.added])
    shown = AFMData(z=whole.z, pos=whole.pos, charge=whole.charge)
    images = (
        ppm(AFMData(z=case.start.z, pos=case.start.pos, charge=case.start.charge), z_top=case.z_top),
        ScannedModel(ppm, result.scanner)(shown, tip=result.tip, z_top=result.z_top),
    )
    before, after = (mean_pearson(remove_slope(image), stack) for image in images)
    return before, after


def _mean(values: Tensor) -> float | None:
    return float(values.mean()) if len(values) else None


def summarize(records: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Some scenes as one row: F1 of all their atoms together, means over atoms of the errors and over scenes
    of all else, before and after."""
    counts = np.array([record["surface"] for record in records], dtype=float)
    pairs = np.array([record["pairs"] for record in records], dtype=float)

    def f1(index: np.ndarray) -> list[float]:
        matched, predicted, true = counts[index].sum(axis=0).T
        return (2 * matched / np.maximum(predicted + true, 1)).tolist()

    def mean_over_atoms(key: str) -> list[float]:
        values = np.array([[v or 0.0 for v in record[key]] for record in records])
        return (pairs @ values / max(pairs.sum(), 1)).tolist()

    place = np.arange(len(records))
    change = [f1(np.array([i])) for i in place]
    return {
        "stratum": name,
        "scenes": len(records),
        "atoms": int(sum(record["atoms"] for record in records)),
        "f1": f1(place),
        "f1_change_interval": bootstrap(lambda i: float(np.diff(f1(i))[0]), place),
        "worst": min(after - before for before, after in change),
        "error": mean_over_atoms("error"),
        "error_xy": mean_over_atoms("error_xy"),
        "worse": float(np.mean([(r["error"][1] or 0) > (r["error"][0] or 0) for r in records])),
        "accepted": float(np.mean([record["accepted"] for record in records])),
        "added": int(sum(record["added"] for record in records)),
        "added_right": int(sum(record["added_right"] for record in records)),
        "cpu_s": float(np.mean([record["cpu_s"] for record in records])),
        **{
            key: np.mean([record[key] for record in records], axis=0).tolist()
            for key in ("scale", "stiffness", "pearson")
        },
    }


def _both(key: str, digits: int = 3) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: " -> ".join(f"{value:.{digits}f}" for value in row[key])


_WHAT: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "stratum": lambda row: f"{row['stratum']} ({row['scenes']})"
}
TABLES = {
    "Atoms": _WHAT
    | {
        "F1": _both("f1"),
        "its change, interval": lambda row: "{:+.3f} to {:+.3f}".format(*row["f1_change_interval"]),
        "worst scene": lambda row: f"{row['worst']:+.2f}",
        "error, Å": _both("error"),
        "in x and y": _both("error_xy"),
        "error grew": lambda row: f"{100 * row['worse']:.0f} %",
        "accepted": lambda row: f"{100 * row['accepted']:.0f} %",
        "added, right / all": lambda row: f"{row['added_right']} / {row['added']}",
    },
    "Instrument and image": _WHAT
    | {
        "atoms": lambda row: str(row["atoms"]),
        "scale off by": _both("scale"),
        "ln stiffness off by": _both("stiffness", 2),
        "r": _both("pearson"),
        "CPU s": lambda row: f"{row['cpu_s']:.1f}",
    },
}


if __name__ == "__main__":
    main()
