"""``torch-afm identify``: which of some molecules a scan shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from jsonargparse import Namespace

from torch_afm.identification import Candidate, identify, nearest_candidates, read_candidates
from torch_afm.prediction import read_prediction
from torch_afm.prediction.outcome import check_folder
from torch_afm.progress import StatusLine, working
from torch_afm.utils import InputError


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.identify.parse`."""
    folder = Path(args.out)
    check_folder(args.scan, folder)
    if (folder / "prediction.json").exists():
        raise InputError(
            "--out: expected another folder than that of a prediction, whose report.html is there, got "
            f"{folder}"
        )
    with working("identify", folder) as status:
        found = identify(args.scan, _candidates(args, status), args.options, status, folder)
        files = found.write(folder)
    print(found.describe())
    print(f"{'wrote':<10} {', '.join(file.name for file in files)} to {folder}")
    return 0


def _candidates(args: Namespace, status: StatusLine) -> Iterable[Candidate]:
    """The candidates, or those of them that are most like a structure."""
    options = args.options
    found = _counted(read_candidates(args.candidates, options.conformers, options.seed, options.xtb), status)
    if args.like is None:
        return found
    structure = read_prediction(args.like)
    if not len(structure.graph.z):
        raise InputError(f"--like: expected a structure with atoms, got none in {args.like}")
    return nearest_candidates(found, structure.graph, args.nearest)


def _counted(candidates: Iterable[Candidate], status: StatusLine) -> Iterator[Candidate]:
    for number, candidate in enumerate(candidates, start=1):
        status(f"reading the candidates, {number}")
        yield candidate
