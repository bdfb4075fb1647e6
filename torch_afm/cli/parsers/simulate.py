"""Options of ``torch-afm simulate``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from jsonargparse import Namespace

from torch_afm.cli.parser import Parser
from torch_afm.config import Scan, Tip
from torch_afm.config.formats import STRUCTURE_FORMATS
from torch_afm.config.tip import TIP_PRESETS


def parse(argv: Sequence[str]) -> Namespace:
    """The options in ``argv``; ``given_scan`` and ``given_tip`` are the settings of scan and tip among them,
    by name. Without ``params``, which only the command reads, ``scan`` and ``tip`` are complete."""
    parser = _parser()
    args = parser.parse_args(list(argv))
    given = parser.parse_args(list(argv), defaults=False)
    scan, tip = (dict(given.get(name, Namespace()).items()) for name in ("scan", "tip"))
    if args.params is None:
        args.scan, args.tip = Scan(**scan), dataclasses.replace(Tip.preset(args.tip_preset or "CO"), **tip)
    args.given_scan, args.given_tip = scan, tip
    return args


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
    parser.add_argument(
        "--out",
        metavar="STACK.npz|.gwy|.xsf",
        default="stack.npz",
        help="file to write: .npz with all settings, .gwy for Gwyddion, or .xsf for XCrySDen, VESTA and ASE",
    )
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
        help="center: middle of the molecule at the middle of the scan window, top atom at z = 0; as-is: "
        "coordinates as in the file, not turned. Default: center, or with --params and a file as-is",
    )
    parser.add_argument(
        "--potential",
        metavar="FILE.cube|FILE.xsf",
        help="electrostatic potential on a grid, in the coordinates of the file of the molecule, in place of "
        "point charges: that of a positive charge",
    )
    parser.add_argument(
        "--potential-electron",
        action="store_true",
        help="the potential is the energy of an electron, as most programs for DFT write it",
    )
    parser.add_argument(
        "--potential-unit",
        choices=["Hartree", "Rydberg", "eV"],
        help="unit of the potential. Default: what the file says, else Hartree in a cube and eV in an xsf "
        "file",
    )
    parser.add_argument(
        "--forcefield",
        metavar="ATOMTYPES.ini",
        help="Lennard-Jones parameters in ppafm's format; elements that it lacks keep those of the package",
    )
    parser.add_argument(
        "--params",
        metavar="PARAMS.ini",
        help="scan and tip of ppafm's params.ini; with --position as-is also the height of its scan and, "
        "where the file of the molecule has none, its lattice. Options of scan and tip given beside it win",
    )
    parser.add_argument(
        "--tip-preset",
        choices=list(TIP_PRESETS),
        help="a named tip, changed by options of the tip given beside it; it goes before the tip of --params",
    )
    parser.add_seed()
    parser.add_backend()
    parser.add_argument("--config", action="config", help="YAML file with any of these options")
    parser.add_settings(Scan, "scan", name="scan")
    parser.add_settings(Tip, "tip", name="tip")
    return parser
