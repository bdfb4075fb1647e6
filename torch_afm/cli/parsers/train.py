"""Options of ``torch-afm train``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace

from torch_afm.cli.parser import Parser
from torch_afm.config import PRESETS, generator_config
from torch_afm.config.training import PRESET, TrainConfig, default_loss


def parse(argv: Sequence[str]) -> Namespace:
    """The options in ``argv``: those of the preset that it names, and their defaults."""
    parser = _parser(_preset(argv))
    return parser.instantiate(parser.parse_args(list(argv)))


def _parser(preset: str) -> Parser:
    parser = Parser(
        "train",
        "Train a graph generator on steps simulated on the fly. Run again after an interruption, the same "
        "command continues from the last epoch. The options --model.… and --loss.… are those of the network "
        "of the --preset.",
    )
    parser.add_argument(
        "--preset",
        default=PRESET,
        help=f"network to train, whose settings --model.… changes: {', '.join(PRESETS)}, or the entry point "
        "of a network from another package",
    )
    parser.add_argument("--config", action="config", help="YAML file with any of these options")
    parser.add_molecules()
    parser.add_settings(TrainConfig, "settings", skip=("model", "loss", "molecules", "geometry"))
    model = generator_config(preset)
    for name, settings in (("model", model), ("loss", default_loss(model))):
        parser.add_settings(type(settings), f"{name} of the preset {preset}", name)
        parser.set_defaults(_leaves(name, settings))
    return parser


def _leaves(prefix: str, settings: Any) -> dict[str, Any]:
    """The values of nested settings by the names of their options."""
    found: dict[str, Any] = {}
    for field in fields(settings):
        value, name = getattr(settings, field.name), f"{prefix}.{field.name}"
        found |= _leaves(name, value) if is_dataclass(value) else {name: value}
    return found


def _preset(argv: Sequence[str]) -> str:
    """The preset that options and files in ``argv`` name, the last of them; all else is for the parser that
    it decides on."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    first.add_argument("--preset", action="append", dest="found")
    first.add_argument("--config", action="append", dest="found", type=_preset_in)
    try:
        options, _ = first.parse_known_args(list(argv))
    except argparse.ArgumentError:  # an option without a value
        return PRESET
    named: list[str | None] = [PRESET, *(options.found or ())]
    return [name for name in named if name is not None][-1]


def _preset_in(file: str) -> str | None:
    """The preset that a YAML file names, if it can be read and names one."""
    try:
        preset = yaml.safe_load(Path(file).read_text("utf-8")).get("preset")
        return None if preset is None else str(preset)
    except (OSError, ValueError, AttributeError, RecursionError, yaml.YAMLError):
        return None
