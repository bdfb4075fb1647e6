"""Tables of scores as text."""

from __future__ import annotations

from typing import Any


def cell(
    table: dict[str, Any],
    intervals: dict[str, Any],
    path: tuple[str | int, ...],
    digits: int,
    reference: dict[str, Any] | None = None,
) -> str:
    """One number as text: ``value (low to high) [reference]``, as far as they are there.

    Args:
        table: scores, as :meth:`torch_afm.metrics.StepMetrics.compute` returns them.
        intervals: their intervals in the same layout, or nothing.
        path: where the number stands in the table.
        digits: after the point.
        reference: numbers to compare with in the same layout.
    """
    value, between, other = (_at(layout, path) for layout in (table, intervals, reference or {}))
    text = "-" if value is None else f"{value:.{digits}f}"
    if between is not None:
        text += f" ({between[0]:.{digits}f} to {between[1]:.{digits}f})"
    return text if other is None else f"{text} [{other:.{digits}f}]"


def _at(layout: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        if layout is None or (isinstance(layout, dict) and key not in layout):
            return None
        layout = layout[key]
    return layout


def aligned(rows: list[list[str]]) -> list[str]:
    """Rows of cells as indented lines: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        f"  {row[0]:{widths[0]}}" + "".join(f"{c:>{w + 3}}" for c, w in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
