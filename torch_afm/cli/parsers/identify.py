"""Options of ``torch-afm identify``."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt

from torch_afm.cli.parser import Parser
from torch_afm.config.formats import SCAN_SUFFIXES
from torch_afm.config.identification import IdentifyOptions

#: Lists of molecules in the package.
LISTS = ("organic", "planar")


def parse(argv: Sequence[str]) -> Namespace:
    """``scan``, ``candidates``, ``like``, ``nearest`` and ``out`` in ``argv``, and its ``options``, the
    :class:`~torch_afm.config.identification.IdentifyOptions`."""
    parser = _parser()
    found = parser.parse_args(list(argv))
    if found.candidates is None and found.like is None:
        parser.error(
            "--candidates: expected molecules, or a structure that they are like (--like), got neither"
        )
    if found.like is None and "nearest" in parser.parse_args(list(argv), defaults=False):
        parser.error("--nearest: expected --like beside it, got none")
    options = parser.build(IdentifyOptions, found)
    return Namespace(
        scan=found.scan,
        candidates=found.candidates or list(LISTS),
        like=found.like,
        nearest=found.nearest,
        out=found.out,
        options=options,
    )


def _parser() -> Parser:
    parser = Parser(
        "identify",
        "Tell which of some molecules a scan of a microscope or an AFM stack shows, how it lies and how sure "
        "that is: each candidate is searched for in the scan, and the best are fitted together with what is "
        "not known of the instrument. An interrupted search goes on with the same command.",
    )
    parser.add_argument(
        "scan",
        nargs="+",
        help=f"scan file ({', '.join(SCAN_SUFFIXES)}), folder of constant-height images, or several files "
        "and patterns ('day/*.sxm') of one series",
    )
    parser.add_argument(
        "--candidates",
        nargs="+",
        metavar="MOLECULES",
        help="SMILES, lists of them (.smi), files of geometries (.sdf, .xyz and others), and organic or "
        "planar, the lists in the package. Default: both lists, with --like",
    )
    parser.add_argument(
        "--like",
        metavar="PREDICTION",
        help="compare those candidates that are most like this structure: folder or prediction.json of "
        "torch-afm predict, or a molecule file. Default: compare all",
    )
    parser.add_argument("--nearest", type=PositiveInt, default=100, help="how many these are, with --like")
    parser.add_argument("--out", metavar="FOLDER", required=True, help="folder to write the result to")
    parser.add_options(IdentifyOptions)
    return parser
