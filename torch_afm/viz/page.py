"""Pages that need no other file and no network, on one template."""

from __future__ import annotations

import html
from importlib import resources


def page_html(title: str, body: str, style: str, scripts: bool = False) -> str:
    """A page of the template ``resources/base.html``: its head, colors and print layout, and a heading.

    Args:
        title: its title and heading; it is escaped.
        body: what stands below the heading, as HTML.
        style: name of the style sheet in ``resources`` that is added to that of the template.
        scripts: whether scripts within the body may run.
    """
    parts = {
        "SCRIPTS": "; script-src 'unsafe-inline'" if scripts else "",
        "TITLE": html.escape(title),
        "STYLE": read_resource(style),
    }
    before, after = read_resource("base.html").split("__BODY__")
    for name, text in parts.items():
        before = before.replace(f"__{name}__", text)
    return before + body + after


def read_resource(name: str) -> str:
    """Text of a file of ``resources``."""
    return resources.files("torch_afm.viz").joinpath("resources", name).read_text(encoding="utf-8")
