"""What several answers are worth: the best of them by its weight, and the best of them by the truth, beside
the plain prediction, the refined one and chance; and how well their confidences are calibrated.

    python -m benchmarks.prediction.answers [--scenes 24] [--answers 8] [--weights scan] [--keep FOLDER]

Scenes are those of the validation part of the stand-in domain (``python -m benchmarks.standin.run``), as many
of each stratum, the first ones; the settings of the search were chosen on some of them. F1 at 0.5 Å is that
of the atoms above the surface cut, counts of all scenes together, as there. Every scene is kept in a file of
the folder ``--keep``, and none of these is predicted again.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import table, write
from benchmarks.standin.imaging import Measured, image_scene
from benchmarks.standin.scores import leave_out_leveled, score_scene
from benchmarks.standin.strata import SEED, STRATA, Scene, draw_scenes
from torch_afm import predict
from torch_afm.config.prediction import PredictOptions, SearchOptions
from torch_afm.io.journal import append_record, keep_settings, read_records
from torch_afm.metrics.calibration import confidence_tables
from torch_afm.metrics.intervals import bootstrap
from torch_afm.metrics.molecules import CUTOFFS, MoleculeRecord
from torch_afm.models import load_generator
from torch_afm.prediction import ScanPrediction, load_calibration
from torch_afm.progress import ProgressBar
from torch_afm.utils import InputError

#: What is compared, by its options; ``oracle`` is the answer with the best F1.
_OPTIONS = {
    "plain": {"search": SearchOptions(refine=False)},
    "refined": {},
}
_NAMES = (*_OPTIONS, "first answer", "oracle")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--answers", type=int, default=8)
    parser.add_argument("--weights", default="scan", help="name or folder")
    parser.add_argument("--keep", type=Path, default=Path("build/answers"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.keep.mkdir(parents=True, exist_ok=True)
    settings = {"answers": args.answers, "weights": Path(args.weights).name, "seed": SEED}
    keep_settings(args.keep / "settings.json", settings, description="a comparison of answers")
    records = {record["scene"]: record for record in read_records(args.keep / "records.jsonl")}
    scenes = choose_scenes(args.scenes)
    for scene in ProgressBar(scenes, total=len(scenes), desc="answers", unit="scene"):
        if scene.number not in records:
            records[scene.number] = run_scene(scene, args.weights, args.answers)
            append_record(args.keep / "records.jsonl", records[scene.number])
    found = [records[scene.number] for scene in scenes]
    rows = [summarize([record["found"][name] for record in found], name) for name in _NAMES]
    command = f"python -m benchmarks.prediction.answers --scenes {args.scenes} --answers {args.answers}"
    distinct = [record["distinct"] for record in found]
    settings |= {"scenes": len(scenes), "distinct_answers": float(np.mean(distinct))}
    path = write("prediction_answers", command, rows, settings, ("torch", "numpy", "rdkit"))
    print(table(rows, {key: lambda row, key=key: _cell(row[key]) for key in rows[0]}))
    print(f"distinct answers {np.mean(distinct):.1f}; wrote {path.name}")


def choose_scenes(count: int) -> list[Scene]:
    """The first scenes of each stratum of the validation part, as many of each by and large."""
    place: dict[str, int] = {}
    ranked = []
    for scene in draw_scenes("validation"):
        rank = place[scene.stratum.name] = place.get(scene.stratum.name, -1) + 1
        ranked.append((rank, scene.number, scene))
        if rank * len(STRATA) > count and scene.stratum is STRATA[-1]:
            break
    return [scene for *_, scene in sorted(ranked, key=lambda entry: entry[:2])][:count]


def run_scene(scene: Scene, weights: str, count: int) -> dict[str, Any]:
    """Predict one scene in all ways, and score what was found."""
    measured = image_scene(scene, SEED)
    found: dict[str, dict[str, Any]] = {}
    for name, options in _OPTIONS.items():
        prediction, seconds = _predict(measured, weights, PredictOptions(**options))
        found[name] = _score(measured, prediction, weights, scene) | {"cpu_s": seconds}
    prediction, seconds = _predict(measured, weights, PredictOptions(answers=count))
    found["first answer"] = _score(measured, prediction, weights, scene) | {"cpu_s": seconds}
    answers = () if prediction is None else prediction.answers
    scored = [
        _score(measured, dataclasses.replace(prediction, graph=a.graph, context=a.context), weights, scene)
        for a in answers
        if prediction is not None
    ]
    best = max(scored, key=_f1, default=found["first answer"])
    found["oracle"] = best | {"cpu_s": seconds}
    return {
        "scene": scene.number,
        "stratum": scene.stratum.name,
        "distinct": len(answers),
        "weights": [a.weight for a in answers],
        "log_likelihood": [a.log_likelihood for a in answers],
        "f1": [_f1(record) for record in scored],
        "found": found,
    }


def _predict(
    measured: Measured, weights: str, options: PredictOptions
) -> tuple[ScanPrediction | None, float]:
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            prediction = predict(measured.stack, weights, options)
        except InputError:
            prediction = None
    return prediction, time.process_time() - start


def _score(
    measured: Measured, prediction: ScanPrediction | None, weights: str, scene: Scene
) -> dict[str, Any]:
    network, calibration = load_generator(weights), load_calibration(weights)
    scores = score_scene(measured, prediction, network.classes, calibration, scene.number)
    return {key: scores[key] for key in ("surface", "all", "skeleton", "chance")}


def _matched(record: Mapping[str, Any], part: str = "surface") -> tuple[float, float]:
    """Atoms found at 0.5 Å, and predicted and true ones."""
    molecule = MoleculeRecord.from_dict(record[part])
    return molecule.matched["blind"][CUTOFFS.index(0.5)], sum(molecule.atoms)


def _f1(record: Mapping[str, Any]) -> float:
    matched, atoms = _matched(record)
    return 2 * matched / atoms if atoms else 1.0


def summarize(records: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Scores of one way to predict, all scenes together."""
    matched, atoms = np.array([_matched(record) for record in records]).T
    deep, every = np.array([_matched(record, "all") for record in records]).T
    skeleton = np.sum([record["skeleton"] for record in records], axis=0)
    molecules = [leave_out_leveled(MoleculeRecord.from_dict(record["all"])) for record in records]
    confidence = confidence_tables(molecules)
    interval = bootstrap(
        lambda i: float(2 * matched[i].sum() / max(atoms[i].sum(), 1)), np.arange(len(records))
    )
    return {
        "what": name,
        "f1": float(2 * matched.sum() / atoms.sum()),
        "f1_interval": interval,
        "chance": float(2 * sum(record["chance"] for record in records) / atoms.sum()),
        "f1_all_depths": float(2 * deep.sum() / every.sum()),
        "skeleton": float(2 * skeleton[0] / skeleton[1:].sum()),
        "elements": confidence["label"]["mean_observed"],
        "atom_ece": confidence["atom"]["ece"],
        "element_ece": confidence["label"]["ece"],
        "bond_ece": confidence["bond"]["ece"],
        "atom_log_loss": confidence["atom"]["log_loss"],
        "cpu_s": float(np.mean([record["cpu_s"] for record in records])),
    }


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " to ".join(f"{v:.2f}" for v in value)
    return value if isinstance(value, str) else "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
