"""Options of ``torch-afm demo``."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import Namespace

from torch_afm.cli.parser import Parser

#: Paracetamol: flat, of the usual size, and in no list that weights of the package were trained on.
MOLECULE = "CC(=O)Nc1ccc(O)cc1"


def parse(argv: Sequence[str]) -> Namespace:
    """The options in ``argv``."""
    return _parser().parse_args(list(argv))


def _parser() -> Parser:
    parser = Parser(
        "demo",
        "Simulate the AFM stack of a molecule, generate a molecule graph from the stack alone, and compare "
        f"the two. Default molecule: {MOLECULE} (paracetamol), which the weights in the package never saw.",
    )
    parser.add_argument("--smiles", metavar="S", help="another molecule, in its best orientation")
    parser.add_argument("--xyz", metavar="FILE", help="a molecule file (xyz or SDF), oriented as it is")
    parser.add_argument("--out", metavar="FOLDER", default="demo", help="folder to write the report to")
    parser.add_weights()
    parser.add_seed()
    parser.add_backend()
    return parser
