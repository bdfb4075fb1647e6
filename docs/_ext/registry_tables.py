"""Tables of what is registered: structure features and scores of predictions.

The directive ``registered`` with one of the words ``features`` and ``scores``. The text of a row is the
docstring of the registered function, so that a new one appears by itself.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from torch_afm.metrics.molecules import SCORES
from torch_afm.metrics.structure import FEATURES

#: Code and roles in a docstring: ``x`` and :data:`x`.
_CODE = re.compile(r"``(.+?)``|(?::[\w:]+:)`~?(.+?)`")


class Registered(SphinxDirective):
    """``registered``: the table of a registry."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The table."""
        head, *rows = _TABLES[self.arguments[0]]()
        table, group = nodes.table(), nodes.tgroup(cols=len(head))
        table += group
        group.extend(nodes.colspec(colwidth=1) for _ in head)
        group += [nodes.thead("", _row(head)), nodes.tbody("", *map(_row, rows))]
        return [table]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_directive("registered", Registered)
    return {"parallel_read_safe": True}


def _features() -> list[Sequence[str]]:
    made = [*FEATURES.values(), *(feature for _, feature in FEATURES.families.values())]
    rows = [
        (f"``{name}``", ", ".join(filter(None, f.units)), f.title, _first(f.compute))
        for name, f in zip(FEATURES.names, made, strict=True)
    ]
    return [("name", "unit", "what it is", "counted"), *rows]


def _scores() -> list[Sequence[str]]:
    rows = [(f"``{s.name}``", s.title, s.unit, s.better or "", _first(s.function)) for s in SCORES.values()]
    return [("name", "in tables", "unit", "better", "what it is"), *rows]


def _first(function: Callable[..., object]) -> str:
    """First paragraph of the docstring."""
    return " ".join(inspect.cleandoc(function.__doc__ or "").split("\n\n")[0].split())


def _row(cells: Sequence[str]) -> nodes.row:
    row = nodes.row()
    for text in cells:
        paragraph = nodes.paragraph()
        # Every third part is text between code, the others are code or nothing.
        for i, part in enumerate(_CODE.split(text)):
            if part:
                paragraph += nodes.literal(text=part) if i % 3 else nodes.Text(part)
        row += nodes.entry("", paragraph)
    return row


_TABLES = {"features": _features, "scores": _scores}
