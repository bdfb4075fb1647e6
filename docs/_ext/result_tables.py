"""Tables of ``benchmarks/results/*.json``: what was measured, by which command, on what.

The directive ``results`` shows every file, or those named. Files without columns of their own below show
what their rows have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

#: Rows shown at most; the rest is in the file.
MOST_ROWS = 48

#: Columns shown at most where none are chosen.
MOST_COLUMNS = 9

#: Of rows with the scores of whole predictions, besides what names the row: heading -> path of keys, joined
#: by dots ("[.]" is a dot in a key).
SCORES = {
    "predictions": "scores.predictions",
    "F1 at 0.35 Å": "scores.f1.0[.]35",
    "F1 at 0.5 Å": "scores.f1.0[.]5",
    "its interval": "intervals.f1.0[.]5",
    "F1 at 0.5 Å, element too": "scores.aware.f1.0[.]5",
    "missing": "scores.missing",
    "extra": "scores.extra",
}

#: File -> heading -> path of keys.
COLUMNS = {
    "dipoles": {
        "molecule": "molecule",
        "renderer": "renderer",
        "forward CPU s": "forward_with.cpu_s",
        "forward without": "forward_without.cpu_s",
        "backward CPU s": "backward_with.cpu_s",
        "backward without": "backward_without.cpu_s",
        "rms error / std": "rms_error",
        "other branch": "other_branch",
        "change / std": "change",
    },
    "gradients": {
        "molecule": "molecule",
        "renderer": "renderer",
        "gradient in": "gradient_in",
        "error": "error",
        "forward, CPU s": "forward.cpu_s",
        "backward, CPU s": "backward.cpu_s",
    },
    "throughput": {
        "question": "question",
        "case": "case",
        "run": "name",
        "workers": "workers",
        "threads": "threads",
        "seconds a sample": "wall_s",
        "CPU seconds a sample": "cpu_s",
        "losses differ by": "relative_difference.at_first",
    },
    "thesis_small": {
        "part": "part",
        "predictor": "predictor",
        "deep atoms kept": "keep_deep",
        "true elements": "true_elements",
        "position error, mean, Å": "table.position_error.mean.r",
        "median, Å": "table.position_error.median.r",
    },
}


class Results(SphinxDirective):
    """``results``: one section for each file of ``benchmarks/results`` (or those named in the argument)."""

    optional_arguments = 100

    def run(self) -> list[nodes.Node]:
        """The sections."""
        folder = Path(self.env.srcdir).parent / "benchmarks" / "results"
        files = [folder / f"{n}.json" for n in self.arguments] or sorted(folder.glob("*.json"))
        sections: list[nodes.Node] = []
        for file in files:
            self.env.note_dependency(str(file))
            sections.append(_section(file.stem, json.loads(file.read_text(encoding="utf-8"))))
        return sections


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.add_directive("results", Results)
    return {"parallel_read_safe": True}


def _section(name: str, document: Mapping[str, Any]) -> nodes.section:
    section = nodes.section(ids=[nodes.make_id(name)])
    section += nodes.title(text=name)
    section += nodes.literal_block(document["command"], document["command"], language="sh")
    machine, versions = document["machine"], document["versions"]
    said = ", ".join(f"{package} {number}" for package, number in versions.items())
    section += nodes.paragraph(text=f"{machine['cpu']}, {machine['cores']} cores; {said}.")
    rows = document["rows"]
    section += _table(columns_of(name, rows), rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        section += nodes.paragraph(text=f"{len(rows) - MOST_ROWS} more rows are in {name}.json.")
    return section


def columns_of(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Headings and the keys that they stand for: the chosen ones, or all that hold a number or a word."""
    if name in COLUMNS:
        return COLUMNS[name]
    scored = any("scores" in row for row in rows)
    left_out = ("scores", "intervals", "confidence") if scored else ("interval",)
    rest = [{k: v for k, v in row.items() if k not in left_out} for row in rows]
    paths = list(dict.fromkeys(path for row in rest for path in _leaves(row)))
    chosen = {_heading(path): path for path in paths[: 4 if scored else MOST_COLUMNS]}
    return chosen | (SCORES if scored else {})


def _heading(path: str) -> str:
    return path.replace("[.]", "\0").replace(".", " ").replace("_", " ").replace("\0", ".")


def _leaves(row: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Paths of all that a cell can show."""
    for key, value in row.items():
        path = prefix + key.replace(".", "[.]")
        if cell(value):
            yield path
        elif isinstance(value, Mapping):
            yield from _leaves(value, path + ".")


def find(row: Mapping[str, Any], path: str) -> Any:
    """What a row holds under a path; ``None`` if nothing."""
    value: Any = row
    for key in path.replace("[.]", "\0").split("."):
        value = value.get(key.replace("\0", ".")) if isinstance(value, Mapping) else None
    return value


def cell(value: Any) -> str:
    """A number, a word, a spread of times or an interval as text; nothing for what is not one of these."""
    if isinstance(value, Mapping):
        low, middle, high = (value.get(k) for k in ("quartile_1", "median", "quartile_3"))
        return "" if low is None else f"{cell(middle)} ({cell(low)} to {cell(high)})"
    if isinstance(value, list):
        pair = len(value) == 2 and all(isinstance(v, float) for v in value)
        return f"{cell(value[0])} to {cell(value[1])}" if pair else ""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return "" if value is None else str(value)


def _table(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> nodes.table:
    table = nodes.table()
    group = nodes.tgroup(cols=len(columns))
    table += group
    group.extend(nodes.colspec(colwidth=1) for _ in columns)
    head, body = nodes.thead(), nodes.tbody()
    group += [head, body]
    head += _row(list(columns))
    body.extend(_row([cell(find(row, path)) for path in columns.values()]) for row in rows)
    return table


def _row(cells: Sequence[str]) -> nodes.row:
    row = nodes.row()
    for text in cells:
        entry = nodes.entry()
        entry += nodes.paragraph(text=text)
        row += entry
    return row
