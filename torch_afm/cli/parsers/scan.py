"""Options of ``torch-afm scan``."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import Namespace

from torch_afm.cli.parser import Parser
from torch_afm.config.formats import SCAN_SUFFIXES


def parse(argv: Sequence[str]) -> Namespace:
    """The options in ``argv``."""
    return _parser().parse_args(list(argv))


def _parser() -> Parser:
    parser = Parser(
        "scan",
        "List the scans of a measuring day: what each file holds, as far as it says, and which of them make "
        "series to predict a structure from, with the command that does so. Files that cannot be read are "
        "listed with the reason.",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help=f"folders, scan files ({', '.join(SCAN_SUFFIXES)}) and patterns ('day/*.sxm'); of a folder all "
        "files, but not those of the folders in it",
    )
    parser.add_argument("--channel", metavar="NAME", help="channel to show. Default: the frequency shift")
    parser.add_argument(
        "--direction",
        choices=["forward", "backward"],
        default="forward",
        help="of the fast axis; contact sheets show both",
    )
    parser.add_argument("--json", action="store_true", help="print a list in JSON in place of the table")
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        help="folder to write pictures of all files to, as contact_sheet.html and .png, and the list as "
        "scans.json. Default: none are written",
    )
    return parser
