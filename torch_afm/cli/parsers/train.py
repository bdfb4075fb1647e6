"""Options of ``torch-afm train``."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import Namespace

from torch_afm.cli.parser import Parser
from torch_afm.config.training import TrainConfig


def parse(argv: Sequence[str]) -> Namespace:
    """The options in ``argv``."""
    return _parser().parse_args(list(argv))


def _parser() -> Parser:
    parser = Parser(
        "train",
        "Train a graph generator on steps simulated on the fly. Run again after an interruption, the same "
        "command continues from the last epoch.",
    )
    parser.add_argument("--config", action="config", help="YAML file with any of these options")
    parser.add_settings(TrainConfig, "settings")
    return parser
