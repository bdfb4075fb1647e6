"""``torch-afm predict``: the structure that a scan or a stack shows."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from torch_afm.prediction import predict
from torch_afm.prediction.outcome import check_folder
from torch_afm.progress import working


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.predict.parse`."""
    folder = Path(args.out)
    check_folder(args.scan, folder)
    with working("predict", folder) as progress:
        prediction = predict(args.scan, args.weights, args.options, progress)
        files = prediction.write(folder)
    print(prediction.describe())
    print(f"{'wrote':<10} {', '.join(file.name for file in files)} to {folder}")
    return 0
