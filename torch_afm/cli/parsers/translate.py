"""Options of ``torch-afm translate``."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import Namespace

from torch_afm.cli.parser import Parser, Seed
from torch_afm.config.style import StyleConfig
from torch_afm.utils import InputError

_HELP = """usage: torch-afm translate {train,apply} [options]

Give stacks the style of other ones, say simulated stacks that of an experiment, or the other way round.

actions:
  train  learn the translations between two sets of unpaired stacks
  apply  translate a stack

torch-afm translate ACTION --help tells an action's options."""


def parse(argv: Sequence[str]) -> Namespace:
    """``action`` and its ``options``, of ``argv``."""
    parsers = {"train": _train, "apply": _apply}
    action = argv[0] if argv else "nothing"
    if action in ("-h", "--help"):
        print(_HELP)
        raise SystemExit(0)
    if action not in parsers:
        raise InputError(f"expected an action, train or apply, got {action}; see torch-afm translate --help")
    return Namespace(action=action, options=parsers[action]().parse_args(list(argv[1:])))


def _train() -> Parser:
    parser = Parser(
        "translate train",
        "Learn to translate stacks of domain A (simulations, say) into the style of domain B (experiments, "
        "say), without pairs, by CycleGAN (which also learns the way back) or FastCUT. Run again after an "
        "interruption, the same command continues from the last epoch.",
    )
    parser.add_argument("--config", action="config", help="YAML file with any of these options")
    parser.add_settings(StyleConfig, "settings")
    return parser


def _apply() -> Parser:
    parser = Parser("translate apply", "Translate a stack: floats in, floats out, any size.")
    parser.add_argument("stack", help="stack file (.npz), as torch-afm simulate writes it")
    parser.add_argument(
        "--weights", metavar="FOLDER", required=True, help="forward or backward translation of a training run"
    )
    parser.add_argument(
        "--out", metavar="FILE", required=True, help="stack file to write (.npz); a picture stands beside it"
    )
    parser.add_argument("--seed", type=Seed, default=0, help="of the noise, for a translation that adds any")
    return parser
