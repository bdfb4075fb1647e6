"""Options of ``torch-afm doctor``."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import Namespace

from torch_afm.cli.parser import Parser


def parse(argv: Sequence[str]) -> Namespace:
    """The options in ``argv``."""
    parser = Parser(
        "doctor",
        "Check versions, OpenCL, CUDA, compiler, caches and weights, and render one molecule with each "
        "backend. Exit status 0 if torch-afm predict would work, 1 if not.",
    )
    return parser.parse_args(list(argv))
