"""Options of ``torch-afm simulate``."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import Namespace

from torch_afm.cli.parser import Parser
from torch_afm.config import Scan, Tip
from torch_afm.config.formats import STRUCTURE_FORMATS


def parse(argv: Sequence[str]) -> Namespace:
    """The options in ``argv``."""
    parser = _parser()
    return parser.instantiate(parser.parse_args(list(argv)))


def _parser() -> Parser:
    parser = Parser(
        "simulate",
        "Simulate the AFM stack of a molecule or a periodic surface with the Probe Particle Model. Lists are "
        'written without spaces, as in --scan.pixels "[64,64]" --tip.tilt "[0.1,0]".',
    )
    parser.add_argument(
        "file",
        nargs="?",
        help="xyz (charges in a fifth column), extended xyz, SDF, mol, mol2, PDB, CIF, POSCAR, CONTCAR or "
        "geometry.in; - for standard input. A cell in the file is repeated along the surface",
    )
    parser.add_argument(
        "--format",
        choices=list(STRUCTURE_FORMATS),
        help="format of the file, where its name does not tell it",
    )
    parser.add_argument("--smiles", metavar="S", help="molecule as SMILES, in place of a file")
    parser.add_argument("--out", metavar="STACK.npz", default="stack.npz", help="file to write")
    parser.add_argument("--png", action="store_true", help="write a picture of the slices beside it")
    parser.add_argument(
        "--rotation",
        choices=["best", "flat", "as-is"],
        help="best: of 500 random orientations the one that shows the most atoms; flat: mean plane parallel "
        "to the surface, the side up that shows more; as-is: as in the file. Default: best for a SMILES, "
        "as-is for a file",
    )
    parser.add_argument(
        "--position",
        choices=["center", "as-is"],
        default="center",
        help="center: middle of the molecule at the middle of the scan window, top atom at z = 0; as-is: "
        "coordinates as in the file, not turned",
    )
    parser.add_seed()
    parser.add_backend()
    parser.add_argument("--config", action="config", help="YAML file with any of these options")
    parser.add_settings(Scan, "scan", name="scan")
    parser.add_settings(Tip, "tip", name="tip")
    return parser
