"""``torch-afm live``: a local page on which settings move and images follow."""

from __future__ import annotations

from jsonargparse import Namespace

from torch_afm.live.page import serve


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.live.parse`."""
    serve(args.port, show=not args.no_browser)
    return 0
