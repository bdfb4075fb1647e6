"""A report in one HTML file that needs nothing else: text, tables, figures inside."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.5 sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }}
table {{ border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem }}
td, th {{ border-bottom: 1px solid #ccc; padding: 0.25rem 0.8rem 0.25rem 0; text-align: left }}
figure {{ margin: 1.5rem 0 }} img {{ max-width: 100% }} figcaption {{ font-size: 0.9rem; color: #444 }}
code {{ background: #f2f2f2 }}
</style></head><body><h1>{title}</h1>
"""


class Report:
    """HTML put together piece by piece; text is plain and escaped."""

    def __init__(self, title: str) -> None:
        self._parts = [_HEAD.format(title=html.escape(title))]

    def heading(self, text: str) -> None:
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def code(self, text: str) -> None:
        self._parts.append(f"<p><code>{html.escape(text)}</code></p>")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        lines = [_row("th", head), *(_row("td", row) for row in rows)]
        self._parts.append(f"<table>{''.join(lines)}</table>")

    def figure(self, figure: Figure, caption: str, dpi: int = 100) -> None:
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=dpi)
        image = base64.b64encode(data.getvalue()).decode()
        text = html.escape(caption)
        self._parts.append(
            f'<figure><img alt="{text}" src="data:image/png;base64,{image}">'
            f"<figcaption>{text}</figcaption></figure>"
        )

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([*self._parts, "</body></html>\n"]), encoding="utf-8")


def _row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"
