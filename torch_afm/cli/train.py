"""``torch-afm train``: train a generator."""

from __future__ import annotations

from collections.abc import Sequence

from torch_afm.cli.parser import Parser
from torch_afm.config import from_dict
from torch_afm.train import TrainConfig, train


def main(argv: Sequence[str]) -> int:
    """Run the sub-command."""
    args = _parser().parse_args(list(argv)).as_dict()
    del args["config"]
    config = from_dict(TrainConfig, args)
    train(config)
    print(f"wrote {config.out}/model: torch-afm evaluate --weights {config.out}/model")
    return 0


def _parser() -> Parser:
    parser = Parser(
        "train",
        "Train a graph generator on steps simulated on the fly. Run again after an interruption, the same "
        "command continues from the last epoch.",
    )
    parser.add_argument("--config", action="config", help="YAML file with any of these options")
    parser.add_settings(TrainConfig, "settings")
    return parser
