"""The labeled stand-in for measured scans: scenes of molecules that no weights were trained on, measured as
microscopes measure, in strata fixed by seed, and what ``torch_afm.predict`` makes of the stacks that files
would contain.

    python -m benchmarks.standin.run [--weights spatial] [--part test] [--refine]

Every scene is predicted as a user's file is: nothing is known but the images, their relative heights, the
window, and the amplitude where the header tells it. A scan that is refused counts as an empty prediction.
Beside F1 stands chance, as many points drawn uniformly in the box of the true atoms; the true atoms
themselves score 1, and their image, by the nominal tip, agrees with the stack as well as ``r of the truth``
tells.

Without ``--refine`` structures are those of the network, not refined by gradient. 500 scenes of the weights
``spatial`` then cost 15 minutes of CPU; with it a prediction costs about 2.2 times as much (24 scenes).

Every scene is kept in a file of the folder ``--keep``, and none of these is predicted again.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import multiprocessing
import os
import re
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import table, write
from benchmarks.standin.imaging import draw_measurement, image_scene
from benchmarks.standin.scores import score_scene, summarize
from benchmarks.standin.strata import PARTS, SEED, STRATA, Scene, checksum, draw_scenes
from torch_afm import predict
from torch_afm.config.prediction import PredictOptions, SearchOptions
from torch_afm.io.journal import append_record, keep_settings, read_records
from torch_afm.models import load_generator
from torch_afm.models.pretrained import weights_folder
from torch_afm.prediction import load_calibration
from torch_afm.progress import ProgressBar
from torch_afm.utils import InputError


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="spatial", help="name or folder")
    parser.add_argument("--part", default="test", choices=list(PARTS), help="of the split")
    parser.add_argument("--refine", action="store_true", help="refine the structures")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=Path("build/standin"))
    args = parser.parse_args()
    scenes = list(draw_scenes(args.part))
    name, settings = describe_run(scenes, args.weights, args.part, args.refine)
    print(f"{len(scenes)} scenes, SHA-256 {settings['scenes_sha256']}", flush=True)
    records = evaluate(scenes, args.weights, args.refine, args.processes, args.keep / name, settings)
    rows = [
        summarize([r for r in records if r["stratum"] == stratum.name], stratum.name) for stratum in STRATA
    ]
    rows.append(summarize(records, "all"))
    command = f"python -m benchmarks.standin.run --weights {settings['weights']} --part {args.part}"
    command += " --refine" * args.refine
    path = write(name, command, rows, settings, ("torch", "numpy", "rdkit"))
    for title, columns in TABLES.items():
        print(f"\n{title}\n\n{table(rows, columns)}")
    print(f"\nwrote {path.name}")


def describe_run(
    scenes: list[Scene], weights: str, part: str, refine: bool = False
) -> tuple[str, dict[str, Any]]:
    """Name and settings of a run, by which its records are kept."""
    name = "_".join(
        ["standin", Path(weights).name, *["validation"] * (part != "test"), *["refined"] * refine]
    )
    network = (weights_folder(weights) / "model.safetensors").read_bytes()
    calibration = dataclasses.asdict(load_calibration(weights))
    del calibration["min_pearson"]  # of the verdict, which no record holds
    return name, {
        "weights": Path(weights).name,
        "weights_sha256": hashlib.sha256(network).hexdigest(),
        "calibration": calibration,
        "part": part,
        "refine": refine,
        "scenes": len(scenes),
        "scenes_sha256": checksum(scenes),
        "measurements_sha256": _digest([dataclasses.asdict(draw_measurement(s, SEED)) for s in scenes]),
        "seed": SEED,
    }


def evaluate(
    scenes: list[Scene], weights: str, refine: bool, processes: int, keep: Path, settings: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The record of each scene: those kept in a folder, and the others, in several processes.

    Raises:
        InputError: for a folder with records of other settings.
    """
    keep.mkdir(parents=True, exist_ok=True)
    keep_settings(keep / "settings.json", settings, description="a run of the stand-in domain")
    records = {record["scene"]: record for record in read_records(keep / "records.jsonl")}
    # In random order: what is done at any time is like the whole.
    order = np.random.default_rng(SEED).permutation(len(scenes))
    left = [scenes[i] for i in order if scenes[i].number not in records]
    # A process that has rendered cannot be forked into processes that render, each on one core.
    os.environ |= {"OMP_NUM_THREADS": "1", "POCL_MAX_PTHREAD_COUNT": "1"}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        jobs = [pool.submit(run_scene, scene, weights, refine) for scene in left]
        for job in ProgressBar(as_completed(jobs), total=len(jobs), desc="stand-in", unit="scene"):
            record = job.result()
            append_record(keep / "records.jsonl", record)
            records[record["scene"]] = record
    return [records[scene.number] for scene in scenes]


def run_scene(scene: Scene, weights: str, refine: bool, seed: int = SEED) -> dict[str, Any]:
    """Measure, predict and score one scene."""
    torch.set_num_threads(1)
    measured = image_scene(scene, seed)
    options = PredictOptions(search=SearchOptions(refine=refine))
    classes, calibration = load_generator(weights).classes, load_calibration(weights)
    start, refused, prediction = time.process_time(), None, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            prediction = predict(measured.stack, weights, options)
        except InputError as error:
            refused = str(error)
    seconds = time.process_time() - start
    scores = score_scene(measured, prediction, classes, calibration, scene.number)
    record = {"scene": scene.number, "stratum": scene.stratum.name, "refused": refused, "cpu_s": seconds}
    return record | scores | {"drawn": measured.drawn}


def _digest(measurements: list[dict[str, Any]]) -> str:
    """SHA-256 of numbers in whole ten-thousandths."""
    text = json.dumps(measurements)
    numbers = (f"{float(number):.4f}" for number in re.findall(r"-?\d+\.[\de+-]+", text))
    return hashlib.sha256(" ".join(numbers).encode()).hexdigest()


def _number(key: str, digits: int = 2) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: "-" if row[key] is None else f"{row[key]:.{digits}f}"


def _interval(key: str) -> Callable[[Mapping[str, Any]], str]:
    def shown(row: Mapping[str, Any]) -> str:
        ends = row[f"{key}_interval"]
        return _number(key)(row) + ("" if ends is None else f" ({ends[0]:.2f} to {ends[1]:.2f})")

    return shown


_WHAT: dict[str, Callable[[Mapping[str, Any]], str]] = {"stratum": lambda row: row["stratum"]}
TABLES = {
    "Atoms above the cut, at 0.5 Å": _WHAT
    | {
        "scenes (refused)": lambda row: f"{row['scenes']} ({row['refused']})",
        "F1": _interval("f1"),
        "F1 of chance": _number("chance"),
        "F1, blurred cut": _interval("f1_band"),
        "precision": _number("precision"),
        "recall": _number("recall"),
        "error, Å": _number("error"),
        "in x and y": _number("error_xy"),
        "r": _number("pearson"),
        "r of the truth": _number("truth_pearson"),
        "CPU s": _number("cpu_s"),
    },
    "What they are": _WHAT
    | {
        "skeleton F1": _number("skeleton"),
        "O F1": _number("oxygen"),
        "H F1": _number("hydrogen"),
        "elements right": _number("elements"),
        "bonds F1": _number("bonds"),
        "exact graphs": _number("exact"),
    },
    "Probabilities, of all atoms down to 3 Å": _WHAT
    | {
        "-ln likelihood, an atom": _number("nll"),
        "log loss of the atoms predicted": _number("atom_log_loss"),
        "ECE: atoms": _number("atom_ece"),
        "elements": _number("element_ece"),
        "bonds": _number("bond_ece"),
        "standard deviations": _number("sigma_ece"),
    },
}


if __name__ == "__main__":
    main()
