"""``torch-afm translate``: stacks into the style of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from torch_afm.cli.parser import Parser
from torch_afm.config import from_dict
from torch_afm.io import AFMStack, read_stack, write_stack
from torch_afm.nn.style import StyleTranslator
from torch_afm.utils import InputError
from torch_afm.viz import plot_translations

_HELP = """usage: torch-afm translate {train,apply} [options]

Give stacks the style of other ones, say simulated stacks that of an experiment, or the other way round.

actions:
  train  learn the translations between two sets of unpaired stacks
  apply  translate a stack

torch-afm translate ACTION --help tells an action's options."""


def main(argv: Sequence[str]) -> int:
    """Run the sub-command."""
    actions = {"train": _train, "apply": _apply}
    name = argv[0] if argv else "nothing"
    if name in ("-h", "--help"):
        print(_HELP)
        raise SystemExit(0)
    if name not in actions:
        raise InputError(f"expected an action, train or apply, got {name}; see torch-afm translate --help")
    return actions[name](list(argv[1:]))


def _train(argv: list[str]) -> int:
    # Not at the top: translating a stack needs no Lightning.
    from torch_afm.train import StyleConfig, train_style

    parser = Parser(
        "translate train",
        "Learn to translate stacks of domain A (simulations, say) into the style of domain B (experiments, "
        "say) and back, by CycleGAN, without pairs. Run again after an interruption, the same command "
        "continues from the last epoch.",
    )
    parser.add_argument("--config", action="config", help="YAML file with any of these options")
    parser.add_settings(StyleConfig, "settings")
    args = parser.parse_args(argv).as_dict()
    del args["config"]
    config = from_dict(StyleConfig, args)
    choice = train_style(config)
    if choice.epoch is None:
        print(f"chose      no translation; {config.out}/evaluation.png shows why")
        return 1
    print(f"chose      epoch {choice.epoch} of {config.total_epochs}; see {config.out}/evaluation.png")
    print(f"wrote      {config.out}/forward and backward: torch-afm translate apply --weights ...")
    return 0


def _apply(argv: list[str]) -> int:
    parser = Parser("translate apply", "Translate a stack: floats in, floats out, any size.")
    parser.add_argument("stack", help="stack file (.npz), as torch-afm simulate writes it")
    parser.add_argument(
        "--weights", metavar="FOLDER", required=True, help="forward or backward translation of a training run"
    )
    parser.add_argument(
        "--out", metavar="FILE", required=True, help="stack file to write (.npz); a picture stands beside it"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the noise, for a translation that adds any")
    args = parser.parse_args(argv)
    out = Path(args.out)
    if out.suffix != ".npz":
        raise InputError(f"--out: expected the name of an .npz file, got {args.out}")
    stack = read_stack(Path(args.stack))
    translator = StyleTranslator.load(args.weights)
    translated = translator(torch.from_numpy(stack.stack)[None], args.seed)[0].numpy()
    note = {
        "weights": str(args.weights),
        "source": str(args.stack),
        "seed": args.seed,
        "config": asdict(translator.config),
    }
    meta = stack.meta | {"translated": note}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_stack(out, AFMStack(translated, stack.x, stack.y, stack.z, meta))
    rows = {"source": stack.stack[0], "translated": translated[0]}
    plot_translations(rows, unit="Hz").savefig(out.with_suffix(".png"), dpi=120)
    print(f"wrote      {out} and {out.with_suffix('.png').name}")
    return 0
