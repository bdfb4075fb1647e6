"""``torch-afm train``: train a generator."""

from __future__ import annotations

from jsonargparse import Namespace

from torch_afm.config import from_dict
from torch_afm.train import TrainConfig, train


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.train.parse`."""
    settings = args.as_dict()
    del settings["config"]
    config = from_dict(TrainConfig, settings)
    train(config)
    print(f"wrote {config.out}/model: torch-afm evaluate --weights {config.out}/model")
    return 0
