"""Tables of what a JSON file holds, from its schema.

The directive ``schema`` with the path of a JSON schema within ``torch_afm``: a table of its keys, one of each
key that holds others, and one of each thing that several keys list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_Schema = Mapping[str, Any]


class SchemaTables(SphinxDirective):
    """``schema``: the tables of a file."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The tables, each under its name."""
        file = resources.files("torch_afm").joinpath(*self.arguments[0].split("/"))
        schema = json.loads(file.read_text(encoding="utf-8"))
        found: list[nodes.Node] = []
        for name, part in _parts(schema):
            heading = [nodes.strong(text=name), nodes.Text(": ")] if name else []
            found += [nodes.paragraph("", "", *heading, *_inline(part["description"])), _table(part)]
        return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_directive("schema", SchemaTables)
    return {"parallel_read_safe": True}


def _parts(schema: _Schema) -> Iterator[tuple[str, _Schema]]:
    """Everything that has keys of its own, with its name: the file, what is in it, and what is listed."""
    yield "", schema
    rest = [(key, part) for key, part in schema["properties"].items() if "properties" in part]
    while rest:
        name, part = rest.pop(0)
        yield name, part
        rest[:0] = [(f"{name}.{key}", p) for key, p in part["properties"].items() if "properties" in p]
    yield from schema.get("$defs", {}).items()


def _table(part: _Schema) -> nodes.table:
    table, group = nodes.table(), nodes.tgroup(cols=3)
    table += group
    group.extend(nodes.colspec(colwidth=width) for width in (3, 3, 10))
    body = nodes.tbody()
    for key, value in part["properties"].items():
        optional = "" if key in part["required"] else "; not always there"
        body += _row(f"``{key}``", _type(value), f"{value['description']}{optional}")
    group += [nodes.thead("", _row("key", "holds", "what it is")), body]
    return table


def _type(schema: _Schema) -> str:
    """What a value is, in words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "enum" in schema:
        return ", ".join(f"``{value}``" for value in schema["enum"])
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "array" in types:
        length = f"{schema['minItems']} x " if schema.get("minItems") == schema.get("maxItems", 0) else ""
        return f"{length}{_type(schema['items'])}" if length else f"list of {_type(schema['items'])}"
    words = {"object": "keys", "boolean": "true or false", "string": "text", "null": "null"}
    return " or ".join(words.get(name, name) for name in types)


def _row(*cells: str) -> nodes.row:
    row = nodes.row()
    for text in cells:
        row += nodes.entry("", nodes.paragraph("", "", *_inline(text)))
    return row


def _inline(text: str) -> list[nodes.Node]:
    """A text whose parts between backquotes are code."""
    parts = enumerate(re.split(r"`+", text))
    return [nodes.literal(text=part) if i % 2 else nodes.Text(part) for i, part in parts if part]
