"""The scores of single-atom steps as text, beside the numbers of the graph-AFM thesis, Aalto University (see
CITATION.cff)."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch_afm.metrics.text import aligned, cell

#: Test-set numbers of the thesis in the layout of :meth:`torch_afm.metrics.StepMetrics.compute`: table 5.1
#: (column Testing), table 5.2 (Å), and section 5.1 for the bonds.
REFERENCE: dict[str, Any] = {
    "loss": {"position": 0.1936, "node": 0.0881, "edge": 0.0350, "total": 0.5279},
    "position_error": {
        "mean": {"r": 0.50, "x": 0.29, "y": 0.29, "z": 0.14},
        "median": {"r": 0.40, "x": 0.20, "y": 0.21, "z": 0.11},
        "std": {"r": 0.38, "x": 0.31, "y": 0.30, "z": 0.12},
        "p90": {"r": 0.94, "x": 0.66, "y": 0.63, "z": 0.32},
        "p95": {"r": 1.19, "x": 0.87, "y": 0.84, "z": 0.39},
        "p99": {"r": 1.94, "x": 1.43, "y": 1.43, "z": 0.52},
    },
    "bond": {"names": ["no bond", "bond"], "fraction": [[0.983, 0.017], [0.143, 0.857]]},
}


#: One number as text, beside that of the thesis.
_cell = partial(cell, reference=REFERENCE)


def headline(table: dict[str, Any]) -> dict[str, float]:
    """The few numbers to follow while training, by name; those that no step defines are left out.

    Args:
        table: what :meth:`torch_afm.metrics.StepMetrics.compute` returns.
    """
    error = table["position_error"]
    values = {
        "r_mean": error["mean"]["r"],
        "r_median": error["median"]["r"],
        "r_p95": error["p95"]["r"],
        "z_slope": table["parity"]["z"]["slope"],
        "stop_precision": table["stop"]["precision"],
        "stop_recall": table["stop"]["recall"],
        "bond_recall": table["bond"]["fraction"][1][1],
    }
    for i, name in enumerate(table["class"]["names"][1:], start=1):
        values[f"recall_{name}"] = table["class"]["fraction"][i][i]
    return {name: value for name, value in values.items() if value is not None}


def format_steps(table: dict[str, Any], intervals: dict[str, Any] | None = None) -> str:
    """Text tables of single-atom scores, with the thesis' number in square brackets where it gives one.

    Args:
        table: what :meth:`torch_afm.metrics.StepMetrics.compute` returns.
        intervals: what :meth:`torch_afm.metrics.StepMetrics.intervals` returns, to be shown in parentheses.
    """
    between = intervals or {}
    lines = [
        f"{table['steps']} single-atom steps, {table['stop_steps']} with nothing missing"
        + ("; (bootstrap interval over molecules)" if intervals else "")
        + "; [thesis]",
        "",
        "Loss (table 5.1)",
        *(
            f"  {name:9}{_cell(table, between, ('loss', name), 4)}"
            for name in ("position", "node", "edge", "total")
        ),
        "",
        "Position error, Å (table 5.2)",
    ]
    rows = [
        [name, *(_cell(table, between, ("position_error", name, c), 2) for c in "rxyz")]
        for name in table["position_error"]
    ]
    slopes = ", ".join(f"{axis} {_cell(table, between, ('parity', axis, 'slope'), 2)}" for axis in "xyz")
    stop = ", ".join(f"{name} {_cell(table, between, ('stop', name), 3)}" for name in ("precision", "recall"))
    lines += [
        *aligned([["", "|r|", "|x|", "|y|", "|z|"], *rows]),
        f"  slope of predicted on true: {slopes}",
        "",
        "Class of the atom, rows true, columns predicted (figure 5.4; thesis: each diagonal > 0.95)",
        *_confusion(table, between, "class"),
        f"  stop: {stop}",
        f"  calibration error of its probability: {_cell(table, between, ('calibration', 'ece'), 3)}",
        "",
        "Bonds, rows true, columns predicted (figure 5.5)",
        *_confusion(table, between, "bond"),
    ]
    return "\n".join(lines)


def _confusion(table: dict[str, Any], intervals: dict[str, Any], name: str) -> list[str]:
    names = table[name]["names"]
    rows = [
        [true]
        + [
            f"{_cell(table, intervals, (name, 'fraction', i, j), 3)} ({table[name]['count'][i][j]})"
            for j in range(len(names))
        ]
        for i, true in enumerate(names)
    ]
    return aligned([["", *names], *rows])
