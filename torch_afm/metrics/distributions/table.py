"""Distances as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch_afm.metrics.distributions.compare import DISTANCES, Comparison


def format_comparisons(comparisons: Mapping[str, Comparison]) -> str:
    """Tables of normalised distances: for each distance, features in rows, predictions in columns, intervals
    in parentheses, and the floor of the reference last; the numbers of values come first.

    Args:
        comparisons: name of the predictions -> their comparison, all with the same features and reference.
    """
    first = next(iter(comparisons.values()))
    features = list(first.features)
    counts = [
        [
            name,
            *(f"{c.features[name]['prediction']:,}" for c in comparisons.values()),
            f"{first.features[name]['reference']:,}",
        ]
        for name in features
    ]
    tables = [_table("values", [*comparisons, "reference"], counts)]
    for distance in DISTANCES:
        rows = []
        for name in features:
            found = [c.features[name]["distances"].get(distance) for c in comparisons.values()]
            if found[0] is not None:
                cells = [_cell(f["normalised"]) for f in found]
                rows.append([name, *cells, _number(found[0]["normalised"]["floor"])])
        if rows:
            tables.append(_table(f"{distance}, normalised", [*comparisons, "floor"], rows))
    return "\n\n".join(tables)


def _cell(numbers: dict[str, Any]) -> str:
    value = _number(numbers["value"])
    return (
        value if numbers["interval"] is None else f"{value} ({'-'.join(map(_number, numbers['interval']))})"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if value >= 0.01 else f"{value:.5f}"


def _table(title: str, columns: list[str], rows: list[list[str]]) -> str:
    cells = [[title, *columns], *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
