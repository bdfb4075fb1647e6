"""Chapter 5 of the thesis for any weights, on the test molecules, which no packaged weights were trained on:
tables 5.1 and 5.2 with bootstrap intervals over molecules, figures 5.1 to 5.9, trivial baselines, and the
mutant's stack rendered with what prediction cannot know. One HTML file, and
benchmarks/results/thesis_<name>.json.

    python -m benchmarks.thesis.run --weights small|FOLDER [--samples 4000] [--sequences 200]

What was measured is kept beside the report: run it again after an interruption, and it continues.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch_geometric.data import Batch

from benchmarks.common import RESULTS, write
from benchmarks.thesis.measure import BASELINES, MODEL, SETTINGS, Evaluation
from benchmarks.thesis.report import Report
from torch_afm.config import to_dict
from torch_afm.data import AFMData
from torch_afm.metrics import StepMetrics
from torch_afm.metrics.molecules import CUTOFFS
from torch_afm.metrics.steps.tables import REFERENCE
from torch_afm.metrics.text import format_cell
from torch_afm.models import load_generator
from torch_afm.nn import StepPrediction
from torch_afm.viz import (
    plot_confusion,
    plot_curves,
    plot_depth,
    plot_generation,
    plot_graphs_3d,
    plot_parity,
    plot_step,
)

#: Columns of the tables that compare settings and baselines: heading, place in the table, digits.
COLUMNS: tuple[tuple[str, tuple[str | int, ...], int], ...] = (
    ("|r| mean, Å", ("position_error", "mean", "r"), 2),
    ("|r| median, Å", ("position_error", "median", "r"), 2),
    ("slope of z", ("parity", "z", "slope"), 2),
    ("recall stop", ("class", "fraction", 0, 0), 3),
    ("recall H", ("class", "fraction", 1, 1), 3),
    ("recall heavy", ("class", "fraction", 2, 2), 3),
    ("recall bond", ("bond", "fraction", 1, 1), 3),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="small", help="name or folder")
    parser.add_argument("--samples", type=int, default=4000, help="single-atom steps in each setting")
    parser.add_argument("--sequences", type=int, default=200, help="whole predictions")
    parser.add_argument("--curves", nargs="*", default=None, help="metrics.csv files of the training run")
    parser.add_argument("--out", type=Path, help="report; default runs/thesis_<name>/report.html")
    args = parser.parse_args()
    torch.set_num_threads(1)
    name = _name(args.weights)
    out = args.out or Path("runs") / f"thesis_{name}" / "report.html"
    curves = args.curves
    if curves is None:
        own = RESULTS / f"{name}_training.csv"
        curves = [own] if own.exists() else []

    model = load_generator(args.weights)
    evaluation = Evaluation(model, args.samples, args.sequences, out.parent)
    steps = {setting: evaluation.steps(*setting) for setting in SETTINGS}
    rows = [
        {
            "part": "steps",
            "predictor": predictor,
            "keep_deep": deep,
            "true_elements": elements,
            "table": metrics.compute(),
            "intervals": metrics.intervals(),
        }
        for (deep, elements), found in steps.items()
        for predictor, metrics in found.items()
    ]
    sequences = evaluation.sequences()
    rows.append({"part": "sequences", "table": sequences.compute(), "intervals": sequences.intervals()})

    command = f"python -m benchmarks.thesis.run --weights {name} --samples {args.samples} "
    command += f"--sequences {args.sequences}"
    settings = {
        "weights": name,
        "model": to_dict(model.config),
        "test_molecules": len(evaluation.molecules),
        "samples": args.samples,
        "sequences": args.sequences,
        "interval": "95 %, 1000 bootstrap resamples of molecules, seed 0",
        "seed": evaluation.seed,
    }
    path = write(f"thesis_{name}", command, rows, settings, ["torch", "torch-geometric"])
    report = Report(f"Chapter 5 of the thesis, with the weights {name}")
    report.text(
        f"{args.samples} single-atom steps and {args.sequences} whole predictions of the "
        f"{len(evaluation.molecules)} test molecules of the published split. In square brackets the thesis' "
        "numbers, measured on other molecules, so the comparison is rough; in parentheses 95 % bootstrap "
        "intervals over molecules."
    )
    report.code(command)
    _tables(report, rows)
    figures = _step_figures(report, steps[SETTINGS[0]][MODEL], rows[0], evaluation, curves)
    figures |= _sequence_part(report, rows[-1], evaluation)
    report.write(out)
    for key in ("parity", "depth", "confusion", "best"):
        if key in figures:
            figures[key].savefig(RESULTS / f"thesis_{name}_{key}.png", dpi=80)
    print(f"wrote {out} and {path.name}")


def _name(weights: str) -> str:
    """``small``, or of runs/large/model the run's name."""
    path = Path(weights)
    return path.resolve().parent.name if path.name == "model" else path.name


def _tables(report: Report, rows: list[dict[str, Any]]) -> None:
    table, between = rows[0]["table"], rows[0]["intervals"]
    report.heading("Table 5.1: losses")
    report.table(
        ["", "test"],
        [
            [part, format_cell(table, between, ("loss", part), 4, REFERENCE)]
            for part in ("position", "node", "edge", "total")
        ],
    )
    report.heading("Table 5.2: position error, Å")
    report.table(
        ["", "|r|", "|x|", "|y|", "|z|"],
        [
            [row, *(format_cell(table, between, ("position_error", row, c), 2, REFERENCE) for c in "rxyz")]
            for row in table["position_error"]
        ],
    )
    report.heading("Trivial baselines, on the same steps")
    report.text(
        "An atom anywhere in the window; a hydrogen under the brightest pixel of the nearest slice; stop "
        "whatever there is to see. The error is that to the nearest missing atom, so where many are missing "
        "any guess is close to one."
    )
    of = {r["predictor"]: r for r in rows if r["part"] == "steps" and r["predictor"] in BASELINES}
    report.table(
        ["", *(head for head, _, _ in COLUMNS)],
        [
            *([name.replace("_", " "), *_cells(r)] for name, r in {MODEL: rows[0], **of}.items()),
            ["thesis", "0.50", "0.40", "about 0", *["over 0.95"] * 3, "0.857"],
        ],
    )
    report.heading("The mutant's stack: deep atoms, true elements and charges")
    report.text(
        "Rendered as prediction can (visible atoms only, H or carbon, no charges) and with what training "
        "data alone know. Packaged weights were trained on the first."
    )
    report.table(
        ["deep atoms", "elements and charges", *(head for head, _, _ in COLUMNS)],
        [
            [
                "kept" if r["keep_deep"] else "left out",
                "true" if r["true_elements"] else "predicted",
                *_cells(r),
            ]
            for r in rows
            if r["part"] == "steps" and r["predictor"] == MODEL
        ],
    )


def _cells(row: dict[str, Any]) -> list[str]:
    return [format_cell(row["table"], row["intervals"], path, digits) for _, path, digits in COLUMNS]


def _step_figures(
    report: Report, metrics: StepMetrics, row: dict[str, Any], evaluation: Evaluation, curves: list[Path]
) -> dict[str, Figure]:
    report.heading("Figures 5.1 to 5.6: single-atom steps")
    figures: dict[str, Figure] = {}
    if curves:
        figures["curves"] = plot_curves(curves)
        report.figure(figures["curves"], "Figure 5.1: training and validation losses, before their factors.")
    else:
        report.text("Figure 5.1: no learning curves given (--curves).")
    figures["parity"] = plot_parity(*metrics.positions())
    figures["depth"] = plot_depth(row["table"], row["intervals"])
    figures["confusion"] = plot_confusion(row["table"])
    report.figure(figures["parity"], "Figure 5.2: predicted against true coordinates.")
    report.figure(figures["depth"], "Figure 5.3: mean error against depth, with 95 % intervals.")
    report.figure(
        figures["confusion"],
        "Figures 5.4 and 5.5: classes and bonds. Fraction of the row and, in parentheses, number of cases.",
    )
    found = _example(metrics, evaluation)
    if found is not None:
        data, step, error = found
        report.figure(
            plot_step(data, step, evaluation.model.config.scan, evaluation.classes),
            "Figure 5.6: a single-atom prediction with one atom missing and one predicted; its error, "
            f"{error:.2f} Å, is close to the median of all.",
        )
    return figures


def _example(
    metrics: StepMetrics, evaluation: Evaluation, tries: int = 200
) -> tuple[AFMData, StepPrediction, float] | None:
    """A step with one atom missing, three or more there and one predicted: the first, from median errors
    outwards."""
    rows = metrics.rows()
    error = np.linalg.norm(rows["pred"] - rows["true"], axis=1)
    there = np.flatnonzero((rows["bonds"].sum(axis=(1, 2)) >= 3) & (rows["predicted"] > 0))
    nearest = there[np.argsort(np.abs(error[there] - np.nanmedian(error)), kind="stable")][:tries]
    dataset = evaluation.dataset(*SETTINGS[0])
    order = evaluation.order(dataset)
    for i in nearest:
        data = dataset[order[i]]
        if len(data.missing_z) == 1:
            with torch.no_grad():
                return data, evaluation.predict(Batch.from_data_list([data])), float(error[i])
    return None


def _sequence_part(report: Report, row: dict[str, Any], evaluation: Evaluation) -> dict[str, Figure]:
    table, between = row["table"], row["intervals"]
    report.heading("Whole predictions, matched one to one with the visible atoms")
    report.table(
        [
            "visible atoms",
            "molecules",
            "atoms placed",
            *(f"{s} {c} Å" for c in CUTOFFS for s in "PR"),
            "ended",
        ],
        [
            [
                name,
                str(group["molecules"]),
                format_cell(table, between, (name, "atoms"), 1),
                *(
                    format_cell(table, between, (name, share, str(c)), 2)
                    for c in CUTOFFS
                    for share in ("precision", "recall")
                ),
                ", ".join(f"{how} {n}" for how, n in group["ended"].items()),
            ]
            for name, group in table.items()
        ],
    )
    report.heading("Figures 5.7 to 5.9: best, average and worst prediction")
    report.text(
        "Ranked by the mean of F1 within 0.5 and 1 Å; of equals the molecule with the most visible atoms."
    )
    metrics = evaluation.sequences()
    score, size = metrics.f1()[:, 1:].mean(axis=1), metrics.sizes()
    ranks = {"best": score, "average": -np.abs(score - score.mean()), "worst": -score}
    figures = {}
    for number, (name, rank) in enumerate(ranks.items(), start=7):
        i = int(np.lexsort((size, rank))[-1])
        found, stack, truth = evaluation.sequence(int(evaluation.chosen[i]))
        figures[name] = plot_generation(found.graph, found.steps, stack, found.ended, truth=truth)
        report.figure(
            figures[name], f"Figure 5.{number}: {name} of {len(score)} predictions, score {score[i]:.2f}."
        )
        views = plot_graphs_3d({"prediction": found.graph, "truth": truth})
        report.figure(views, f"Figure 5.{number}, prediction and truth from the side.")
    return figures


if __name__ == "__main__":
    main()
