"""The index of the examples as a page: ``examples/README.md``, its links as paths in the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

#: A link to a file, not to the web: ``[text](path)``.
_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)([^)]+)\)")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True}


def _write(app: Sphinx) -> None:
    source = Path(app.srcdir)
    text = (source.parent / "examples" / "README.md").read_text(encoding="utf-8")
    text = _LINK.sub(lambda link: f"`examples/{link[2]}`", text)
    page = source / "examples.md"
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")
