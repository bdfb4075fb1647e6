"""Options of ``torch-afm live``."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import Namespace
from jsonargparse.typing import restricted_number_type

from torch_afm.cli.parser import Parser

#: A port, or 0 for any that is free.
Port = restricted_number_type("Port", int, [(">=", 0), ("<", 2**16)])


def parse(argv: Sequence[str]) -> Namespace:
    """The options in ``argv``."""
    return _parser().parse_args(list(argv))


def _parser() -> Parser:
    parser = Parser(
        "live",
        "Open a page in the browser: drop a molecule or a scan on it, move height, stiffness, tilt, "
        "amplitude, charges and tip, and see the image follow; compare it with the scan, and predict. The "
        "page is served to this machine alone and needs no network, but pip install 'torch_afm[live]'.",
    )
    parser.add_argument("--port", type=Port, default=8137, help="port of 127.0.0.1; 0 takes any that is free")
    parser.add_argument("--no-browser", action="store_true", help="print the address, and open no browser")
    return parser
