"""Tables of what is registered: structure features, scores of predictions, distances of distributions.

The directive ``registered`` with one of the words ``features``, ``scores`` and ``distances``. A row's text is
the docstring of the registered function, so that a new one appears by itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from torch_afm.metrics.distributions import DISTANCES
from torch_afm.metrics.molecules import SCORES
from torch_afm.metrics.structure import FEATURES


class Registered(SphinxDirective):
    """``registered``: the table of a registry."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The table."""
        head, *rows = _TABLES[self.arguments[0]]()
        lines = [".. list-table::", "   :header-rows: 1", ""]
        for row in (head, *rows):
            lines += [f"   {'  -' if column else '* -'} {cell}" for column, cell in enumerate(row)]
        container = nodes.Element()
        self.state.nested_parse(StringList([*lines, ""]), self.content_offset, container)
        return container.children


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


def _distances() -> list[Sequence[str]]:
    rows = [
        (f"``{d.name}``", f":py:func:`~torch_afm.metrics.distributions.{d.function.__name__}`")
        for d in DISTANCES.values()
    ]
    return [("name", "function"), *rows]


def _first(function: Callable[..., object]) -> str:
    """First paragraph of the docstring."""
    return " ".join(inspect.cleandoc(function.__doc__ or "").split("\n\n")[0].split())


_TABLES = {"features": _features, "scores": _scores, "distances": _distances}
