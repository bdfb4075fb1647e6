"""The scores of single-atom steps as text, beside the thesis' numbers."""

from __future__ import annotations

from typing import Any

#: Test-set numbers of the thesis in the layout of :meth:`torch_afm.metrics.StepMetrics.compute`: table 5.1
#: (column Testing), table 5.2 (Å), and section 5.1 for the bonds.
THESIS: dict[str, Any] = {
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


def format_tables(table: dict[str, Any]) -> str:
    """Text tables of single-atom scores, the thesis' number in brackets where it gives one.

    Args:
        table: what :meth:`torch_afm.metrics.StepMetrics.compute` returns.
    """
    stop = table["stop"]
    lines = [
        f"{table['steps']} single-atom steps, {table['stop_steps']} with nothing missing; [thesis]",
        "",
        "Loss (table 5.1)",
        *(
            f"  {name:9}{_number(table['loss'][name], 4)} {_reference(THESIS['loss'][name], 4)}"
            for name in ("position", "node", "edge", "total")
        ),
        "",
        "Position error, Å (table 5.2)",
        "        " + "".join(f"{name:>15}" for name in ("|r|", "|x|", "|y|", "|z|")),
    ]
    for name, row in table["position_error"].items():
        reference = THESIS["position_error"][name]
        cells = (f"{_number(row[c], 2)} {_reference(reference[c], 2)}" for c in "rxyz")
        lines.append(f"  {name:6}" + "".join(f"{cell:>15}" for cell in cells))
    slopes = ", ".join(f"{axis} {_number(table['parity'][axis]['slope'], 2).strip()}" for axis in "xyz")
    lines += [
        f"  slope of predicted on true: {slopes}",
        "",
        "Class of the atom, rows true, columns predicted (figure 5.4; thesis: each diagonal > 0.95)",
        *_confusion(table["class"], None),
        f"  stop: precision {_number(stop['precision'], 3)}, recall {_number(stop['recall'], 3)}",
        "",
        "Bonds, rows true, columns predicted (figure 5.5)",
        *_confusion(table["bond"], THESIS["bond"]["fraction"]),
    ]
    return "\n".join(lines)


def _confusion(table: dict[str, Any], reference: list[list[float]] | None) -> list[str]:
    names = table["names"]
    lines = ["  " + " " * 9 + "".join(f"{name:>24}" for name in names)]
    for i, name in enumerate(names):
        cells = []
        for j, count in enumerate(table["count"][i]):
            beside = f" {_reference(reference[i][j], 3)}" if reference else ""
            cells.append(f"{_number(table['fraction'][i][j], 3)}{beside} ({count})")
        lines.append(f"  {name:9}" + "".join(f"{cell:>24}" for cell in cells))
    return lines


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _reference(value: float, digits: int) -> str:
    return f"[{value:.{digits}f}]"
