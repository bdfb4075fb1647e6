"""``torch-afm translate``: stacks into the style of others."""

from __future__ import annotations

from pathlib import Path

import torch
from jsonargparse import Namespace

from torch_afm.config import from_dict, to_dict
from torch_afm.config.style import StyleConfig
from torch_afm.io import AFMStack, read_stack, write_stack
from torch_afm.models import StyleTranslator
from torch_afm.utils import InputError
from torch_afm.viz import plot_translations


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.translate.parse`."""
    return {"train": _train, "apply": _apply}[args.action](args.options)


def _train(args: Namespace) -> int:
    # Not at the top: translating a stack needs no Lightning.
    from torch_afm.train import train_style

    settings = args.as_dict()
    del settings["config"]
    config = from_dict(StyleConfig, settings)
    choice = train_style(config)
    if choice.epoch is None:
        print(f"chose      no translation; {config.out}/evaluation.png shows why")
        return 1
    print(f"chose      epoch {choice.epoch} of {config.total_epochs}; see {config.out}/evaluation.png")
    found = [name for name in ("forward", "backward") if (Path(config.out) / name).is_dir()]
    print(f"wrote      {config.out}/{' and '.join(found)}: torch-afm translate apply --weights ...")
    return 0


def _apply(args: Namespace) -> int:
    out = Path(args.out)
    if out.suffix != ".npz":
        raise InputError(f"--out: expected the name of an .npz file, got {args.out}")
    stack = read_stack(Path(args.stack))
    translator = StyleTranslator.from_pretrained(Path(args.weights))
    translated = translator(torch.from_numpy(stack.stack)[None], args.seed)[0].numpy()
    note = {
        "weights": str(args.weights),
        "source": str(args.stack),
        "seed": args.seed,
        "config": to_dict(translator.config),
    }
    meta = stack.meta | {"translated": note}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_stack(out, AFMStack(translated, stack.x, stack.y, stack.z, meta))
    rows = {"source": stack.stack[0], "translated": translated[0]}
    plot_translations(rows, unit="Hz").savefig(out.with_suffix(".png"), dpi=120)
    print(f"wrote      {out} and {out.with_suffix('.png').name}")
    return 0
