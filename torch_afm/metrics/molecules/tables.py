"""The scores of whole predictions as text, by number of visible atoms."""

from __future__ import annotations

from typing import Any

from torch_afm.metrics.molecules.record import CUTOFFS
from torch_afm.metrics.molecules.registry import GRAPHS, POSITIONS, SCORES, SEQUENCES
from torch_afm.metrics.text import aligned, cell

#: Rows of the table: heading, place in :meth:`torch_afm.metrics.MoleculeMetrics.compute`, digits.
_Row = tuple[str, tuple[str | int, ...], int]

_SECTIONS: dict[str, tuple[_Row, ...]] = {
    "Atoms, matched one to one": (
        *(
            (f"{name} at {c} Å", (key, str(c)), 3)
            for name, key in (("precision", "precision"), ("recall", "recall"), ("F1", "f1"))
            for c in CUTOFFS
        ),
        ("F1 at 0.5 Å, mean of molecules", ("macro", "f1", "0.5"), 3),
        ("F1 at 0.5 Å, same class", ("aware", "f1", "0.5"), 3),
        ("F1 at 0.5 Å, x and y alone", ("lateral", "f1", "0.5"), 3),
        ("missing, a molecule", ("missing",), 2),
        ("extra, a molecule", ("extra",), 2),
        ("error of the count", ("count_error",), 2),
        ("context: precision", ("context", "precision"), 3),
        ("context: recall", ("context", "recall"), 3),
    ),
    "Atoms, each true one takes the nearest, as peers count": tuple(
        (f"{name} at {c} Å", ("nearest", key, str(c)), 3)
        for name, key in (("precision", "precision"), ("recall", "recall"), ("F1", "f1"))
        for c in CUTOFFS[:2]
    ),
    POSITIONS: tuple(
        (f"{name} of {axis}", ("position_error", name, axis), 3)
        for name in ("mean", "median", "p95")
        for axis in ("r", "x", "y", "z")
    ),
    GRAPHS: (
        ("bonds: precision", ("bonds", "precision"), 3),
        ("bonds: recall of all", ("bonds", "recall"), 3),
        ("bonds: F1", ("bonds", "f1"), 3),
    ),
    SEQUENCES: (
        ("duplicates, share of atoms placed", ("duplicate_share",), 3),
        ("recall of shadowed atoms", ("shadowed_recall",), 3),
        ("recall of the others", ("open_recall",), 3),
        ("fail: piled up", ("failures", "piled_up"), 3),
        ("fail: repeats", ("failures", "repeats"), 3),
        ("fail: lost z", ("failures", "lost_z"), 3),
        ("fail: shadowed atom missed", ("failures", "shadowed_missed"), 3),
        ("fail: wrong first atom", ("failures", "wrong_first"), 3),
    ),
    "Image of the prediction against the reference, same tip, mean of slices": tuple(
        (f"{name}: {label}", ("images", name, score, -1), 3)
        for name in ("prediction", "empty", "another draw")
        for score, label in (("mse", "MSE, Hz²"), ("pearson", "Pearson"), ("ssim", "SSIM"))
    ),
}


def format_molecules(table: dict[str, Any], intervals: dict[str, Any] | None = None) -> str:
    """Text tables of the scores of whole predictions, a column for each number of visible atoms.

    Args:
        table: what :meth:`torch_afm.metrics.MoleculeMetrics.compute` returns.
        intervals: what :meth:`torch_afm.metrics.MoleculeMetrics.intervals` returns, to be shown in
            parentheses beside the scores of all molecules.
    """
    groups = list(table)
    head = ["visible atoms", *groups]
    lines = aligned([head, ["predictions", *(str(table[g]["predictions"]) for g in groups)]])
    for title, rows in _sections().items():
        cells = [
            [
                name,
                *(
                    cell(table[g], (intervals or {}).get(g, {}) if g == "all" else {}, path, digits)
                    for g in groups
                ),
            ]
            for name, path, digits in rows
        ]
        shown = [row for row in cells if any(c != "-" for c in row[1:])]
        if shown:
            lines += ["", title, *aligned([head, *shown])]
    ended = ", ".join(f"{name} {n}" for name, n in table["all"]["ended"].items())
    lines += ["", f"ended: {ended}", "", "Classes, rows true, columns predicted", *_confusion(table["all"])]
    return "\n".join(lines)


def _sections() -> dict[str, list[_Row]]:
    """The rows of each section, those of registered scores last."""
    sections = {title: list(rows) for title, rows in _SECTIONS.items()}
    for known in SCORES.values():
        heading = f"{known.title}, {known.unit}" if known.unit else known.title
        sections.setdefault(known.section, []).append((heading, (known.name,), known.digits))
    return sections


def _confusion(table: dict[str, Any]) -> list[str]:
    found = table["class"]
    rows = [
        [name, *(f"{'-' if f is None else f'{f:.3f}'} ({n})" for f, n in zip(fraction, count, strict=True))]
        for name, fraction, count in zip(found["names"], found["fraction"], found["count"], strict=True)
    ]
    return aligned([["", *found["columns"]], *rows])
