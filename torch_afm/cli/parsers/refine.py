"""Options of ``torch-afm refine``."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt

from torch_afm.cli.parser import Parser


def parse(argv: Sequence[str]) -> Namespace:
    """The options in ``argv``."""
    return _parser().parse_args(list(argv))


def _parser() -> Parser:
    parser = Parser(
        "refine",
        "Move the atoms of a prediction until its simulated stack agrees with the reference, by gradient "
        "through the simulator; say how sure each atom is and what of the image stays unexplained, and "
        "return the start where the fit explains no more. Atoms that the images ask for at open bonds are "
        "added.",
    )
    parser.add_argument(
        "prediction", help="folder or prediction.json of torch-afm predict, or a molecule file (xyz or SDF)"
    )
    parser.add_argument(
        "stack",
        nargs="?",
        help="stack file (.npz) that the prediction was made from; of a scan, the scan.npz that predict "
        "wrote. Default: what the prediction says",
    )
    parser.add_argument("--out", metavar="FOLDER", required=True, help="folder to write the result to")
    parser.add_argument(
        "--z-top",
        type=float,
        metavar="Å",
        help="farthest anchor height of the scan above the top atom. Default: what the prediction says, "
        "else what the stack does",
    )
    parser.add_argument(
        "--known",
        action="store_true",
        help="tip, charges, elements and all atoms are known: fit the positions alone",
    )
    parser.add_argument(
        "--prior",
        choices=["none", "known", "unknown"],
        default="none",
        help="hold distances between atoms: by their elements (known), or where C stands for any (unknown)",
    )
    parser.add_argument(
        "--starts", type=PositiveInt, default=1, help="starts tried where the probe is bistable"
    )
    parser.add_seed("seed of the starts")
    parser.add_backend()
    return parser
