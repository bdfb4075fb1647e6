"""``torch-afm train``: train a generator."""

from __future__ import annotations

from dataclasses import fields

from jsonargparse import Namespace

from torch_afm.train import TrainConfig, train


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.train.parse`."""
    config = TrainConfig(**{field.name: args[field.name] for field in fields(TrainConfig)})
    train(config)
    print(f"wrote {config.out}/model: torch-afm evaluate --weights {config.out}/model")
    return 0
