"""The calibration of a network on the validation part of the stand-in: of the probabilities of atoms (found
within 0.5 Å, all down to 3 Å below the top), of their elements (of atoms found) and of bonds, and of the
standard deviations of positions.

    python -m benchmarks.standin.calibrate --weights FOLDER [--write]

Scenes are predicted with the weights as they are, without any ``calibration.json`` beside them, and kept in
the folder ``--keep``; records that ``python -m benchmarks.standin.run`` kept of weights without a calibration
are the same. Written there: ``calibration.json``, fitted on all scenes (``--write`` puts it beside the
weights, too), and a figure of each part, ``reliability_validation.png`` and ``reliability_test.png``.

Calibration errors of the validation part are cross-fitted: scenes of even number are calibrated by what was
fitted on those of odd number, and these by those. Where records of the test part are kept, too, they are
calibrated by the fit on all of the validation part. ``perfect`` is what a calibration without error would
show by chance, of as many cases: less is not to be had, and a stratum of few atoms shows much.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.common import table, write
from benchmarks.standin.run import describe_run, evaluate
from benchmarks.standin.scores import leave_out_leveled
from benchmarks.standin.strata import SEED, STRATA, draw_scenes
from torch_afm.io.journal import keep_settings, read_records
from torch_afm.metrics.calibration import (
    calibrate_record,
    confidence_tables,
    coverage,
    fit_calibration,
    reliability,
)
from torch_afm.metrics.molecules import MoleculeRecord
from torch_afm.models.pretrained import weights_folder
from torch_afm.prediction import load_calibration
from torch_afm.prediction.result import FILE
from torch_afm.utils import InputError
from torch_afm.viz.evaluation import plot_reliability

#: Calibration error that each of the four may have, and draws for that of a perfect calibration.
LIMIT, DRAWS = 0.03, 20

#: What is calibrated: name of a table -> of a column.
PROBABILITIES = {"atom": "atoms", "label": "elements", "bond": "bonds"}


class Scored(NamedTuple):
    """A scored scene: its number, its stratum, and the record of all its atoms down to 3 Å."""

    number: int
    stratum: str
    record: MoleculeRecord


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="spatial", help="name or folder")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=Path("build/standin"))
    parser.add_argument("--write", action="store_true", help=f"write {FILE} beside the weights, too")
    args = parser.parse_args()
    with without_calibration(args.weights) as weights:
        scenes = list(draw_scenes("validation"))
        name, settings = describe_run(scenes, weights, "validation")
        folder = args.keep / name
        validation = read_scored(evaluate(scenes, weights, False, args.processes, folder, settings))
        test = kept_scenes(args.keep, weights, "test")
    calibration = fit_calibration(
        [scene.record for scene in validation], load_calibration(args.weights).min_pearson
    )
    parts = {"validation": (validation, cross_fit(validation))}
    if test:
        after = [s._replace(record=calibrate_record(s.record, calibration)) for s in test]
        parts["test"] = (test, after)
    rows = [row for part, scored in parts.items() for row in summarize(part, *scored)]
    calibration.save(folder / FILE)
    if args.write:
        calibration.save(weights_folder(args.weights) / FILE)
    for part, scored in parts.items():
        figure = plot_reliability(*(confidence_tables([s.record for s in side]) for side in scored))
        figure.savefig(folder / f"reliability_{part}.png", dpi=120)
    command = f"python -m benchmarks.standin.calibrate --weights {settings['weights']}"
    found = settings | {"fitted": dataclasses.asdict(calibration)}
    path = write(f"{name}_calibration", command, rows, found, ("torch", "numpy", "scipy"))
    for part in parts:
        print(f"\nExpected calibration error, {part} part: before -> after (perfect)\n")
        print(table([row for row in rows if row["part"] == part], COLUMNS))
    whole = [row for row in rows if row["stratum"] == "all"]
    missed = [
        f"{column} ({row['part']})"
        for row in whole
        for column in (*PROBABILITIES.values(), "standard deviations")
        if row[column]["after"] is not None and row[column]["after"] > LIMIT
    ]
    print(f"\nmore than {LIMIT} after calibration: {', '.join(missed) or 'none'}")
    print(f"wrote {path.name}; {FILE} and figures in {folder}")


@contextmanager
def without_calibration(weights: str) -> Iterator[str]:
    """A folder of the same name with the same weights, but without their calibration."""
    source = weights_folder(weights).resolve()
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / source.name
        folder.mkdir()
        for file in source.iterdir():
            if file.name != FILE:
                (folder / file.name).symlink_to(file)
        yield str(folder)


def read_scored(records: Sequence[Mapping[str, Any]]) -> list[Scored]:
    """What the calibration needs of the records of :func:`benchmarks.standin.run.evaluate`."""
    return [
        Scored(record["scene"], record["stratum"], leave_out_leveled(MoleculeRecord.from_dict(record["all"])))
        for record in records
    ]


def kept_scenes(keep: Path, weights: str, part: str) -> list[Scored]:
    """The scenes of a part that were predicted already, with these weights; none where the records are of
    others, or of a prediction with a calibration, which is reported."""
    name, settings = describe_run(list(draw_scenes(part)), weights, part)
    if not (keep / name).exists():
        return []
    try:
        keep_settings(keep / name / "settings.json", settings, description="a run of the stand-in domain")
    except InputError as error:
        print(f"left out the {part} part: {error}", flush=True)
        return []
    return read_scored(read_records(keep / name / "records.jsonl"))


def cross_fit(scenes: Sequence[Scored]) -> list[Scored]:
    """The scenes, each calibrated by what was fitted on the half that it is not of: those of even number, and
    those of odd."""
    halves = [[scene for scene in scenes if scene.number % 2 == half] for half in (0, 1)]
    fits = [fit_calibration([scene.record for scene in half]) for half in halves]
    return [s._replace(record=calibrate_record(s.record, fits[1 - s.number % 2])) for s in scenes]


def summarize(part: str, before: Sequence[Scored], after: Sequence[Scored]) -> list[dict[str, Any]]:
    """A row for each stratum and one for all: of each that is calibrated, its number of cases (``count``),
    calibration errors ``before`` and ``after``, that of a ``perfect`` calibration, and ``bias``, the mean
    probability less the share that was so."""
    rows = []
    for stratum in (*(stratum.name for stratum in STRATA), "all"):
        sides = [[s.record for s in side if stratum in (s.stratum, "all")] for side in (before, after)]
        plain, corrected = (confidence_tables(side) for side in sides)
        row: dict[str, Any] = {"part": part, "stratum": stratum, "scenes": len(sides[0])}
        for name, column in PROBABILITIES.items():
            one = corrected[name]
            p = [v for r in sides[1] for v in r.calibration.get(name, [[]])[0]]
            row[column] = {
                "count": len(p),
                "before": plain[name]["ece"],
                "after": one["ece"],
                "perfect": perfect_probabilities(np.array(p)),
                "bias": one["mean_predicted"] - one["mean_observed"] if p else None,
            }
        count = sum(len(r.errors) for r in sides[1])
        axes = {
            axis: {"before": plain["position"][axis]["ece"], "after": corrected["position"][axis]["ece"]}
            for axis in "xyz"
        }
        row["standard deviations"] = {
            "count": count,
            **{side: _mean([axes[axis][side] for axis in "xyz"]) for side in ("before", "after")},
            "perfect": perfect_deviations(count),
            "axes": axes,
        }
        rows.append(row)
    return rows


def perfect_probabilities(p: np.ndarray) -> float | None:
    """Mean calibration error of as many cases that come true with these very probabilities."""
    rng = np.random.default_rng(SEED)
    return _mean([reliability(p, (rng.random(len(p)) < p).astype(float))["ece"] for _ in range(DRAWS)])


def perfect_deviations(count: int) -> float | None:
    """Mean calibration error of as many normal errors of these very standard deviations."""
    rng = np.random.default_rng(SEED)
    sigma = np.ones((count, 3))
    tables = [coverage(rng.normal(size=sigma.shape), sigma) for _ in range(DRAWS)]
    return _mean([one[axis]["ece"] for one in tables for axis in "xyz"])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


def _change(column: str) -> Callable[[Mapping[str, Any]], str]:
    def shown(row: Mapping[str, Any]) -> str:
        found = row[column]
        if found["before"] is None:
            return "-"
        text = f"{found['before']:.3f} -> {found['after']:.3f} ({found['perfect']:.3f})"
        return text if found.get("bias") is None else f"{text}, bias {found['bias']:+.2f}"

    return shown


COLUMNS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "stratum": lambda row: row["stratum"],
    "scenes": lambda row: str(row["scenes"]),
    **{name: _change(name) for name in (*PROBABILITIES.values(), "standard deviations")},
}


if __name__ == "__main__":
    main()
