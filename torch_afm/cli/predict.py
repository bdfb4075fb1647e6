"""``torch-afm predict``: the structure that a scan or a stack shows."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from torch_afm.generation import predict
from torch_afm.generation.outcome import check_folder
from torch_afm.progress import working


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.predict.parse`."""
    folder = Path(args.out)
    check_folder(args.stack, folder)
    with working("predict", folder) as progress:
        found = predict(args.stack, args.weights, args.options, progress)
        files = found.write(folder)
    print(found.describe())
    print(f"{'wrote':<10} {', '.join(file.name for file in files)} to {folder}")
    return 0
