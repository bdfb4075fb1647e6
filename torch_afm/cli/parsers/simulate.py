"""Options of ``torch-afm simulate``."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Sequence
from typing import Any

from jsonargparse import Namespace
from jsonargparse.typing import PositiveFloat

from torch_afm.cli.parser import Parser
from torch_afm.config import Scan, Sweep, Tip
from torch_afm.config.formats import STACK_SUFFIXES, STRUCTURE_FORMATS
from torch_afm.config.sweep import MAX_STACKS, parse_values
from torch_afm.config.tip import TIP_PRESETS
from torch_afm.utils import InputError

#: Curves of one call.
_MAX_CURVES = 100
#: Settings of tip and scan that a range takes the place of.
_REPLACED = {
    "lateral_stiffness": "tip.stiffness",
    "tilt": "tip.tilt",
    "amplitude": "scan.n_oscillation",
    "height": "scan.distance",
}
#: Options whose values may begin with a minus sign and are no single number.
_SIGNED = ("--curve", "--height", "--tilt-direction")


def parse(argv: Sequence[str]) -> Namespace:
    """The options in ``argv``. ``given_scan`` and ``given_tip`` are the settings of scan and tip among them,
    by name; without ``params``, which only the command reads, ``scan`` and ``tip`` are complete. ``sweep`` is
    the :class:`~torch_afm.config.Sweep`, ``curve`` a list of points, ``cell`` two vectors, ``"none"`` or
    ``None``."""
    parser = _parser()
    words = _bind_signed(argv)
    args = parser.parse_args(words)
    given = parser.parse_args(words, defaults=False)
    scan, tip = (dict(given.get(name, Namespace()).items()) for name in ("scan", "tip"))
    if args.params is None:
        args.scan, args.tip = Scan(**scan), dataclasses.replace(Tip.preset(args.tip_preset or "CO"), **tip)
    args.given_scan, args.given_tip = scan, tip
    settings = {f"scan.{name}" for name in scan} | {f"tip.{name}" for name in tip}
    if not args.out.lower().endswith(STACK_SUFFIXES):
        parser.error(f"--out: expected a file name ending in {', '.join(STACK_SUFFIXES)}, got {args.out!r}")
    _check_densities(parser, args, tip)
    for field in dataclasses.fields(Sweep):
        args[field.name] = () if args[field.name] is None else _values(parser, field.name, args[field.name])
        if args[field.name] and _REPLACED.get(field.name) in settings:
            option = field.name.replace("_", "-")
            parser.error(f"--{option}: expected no --{_REPLACED[field.name]} beside it, which it replaces")
    args.sweep = parser.build(Sweep, args)
    args.curve = [_point(parser, text) for text in args.curve or ()]
    if len(args.curve) > _MAX_CURVES:
        parser.error(f"--curve: expected at most {_MAX_CURVES} points, got {len(args.curve)}")
    if args.cell not in (None, "none"):
        args.cell = _cell(parser, args.cell)
    return args


def _check_densities(parser: Parser, args: Namespace, tip: dict[str, Any]) -> None:
    """Refuse options of the full-density-based model without it, those that it does not use, and half of a
    pair."""
    options = ("density", "density_unit", "tip_density", "pauli_a", "pauli_b", "d3")
    given = [f"--{name.replace('_', '-')}" for name in options if args[name] is not None]
    if given and args.model != "fdbm":
        parser.error(f"{given[0]}: expected --model fdbm beside it, got {args.model}")
    if args.model != "fdbm":
        return
    from_file = args.density not in (None, "pyscf", "atoms")
    if from_file and args.potential is None:
        parser.error(
            "--density: expected pyscf, atoms, or a file with one of --potential beside it, got "
            f"{args.density} alone"
        )
    if args.potential is not None and not from_file:
        parser.error("--potential: expected a file of --density on the same grid beside it, got none")
    if args.density_unit is not None and not from_file and args.tip_density in (None, "CO"):
        parser.error("--density-unit: expected a file of a density beside it, got none")
    if (args.pauli_a is None) != (args.pauli_b is None):
        parser.error("--pauli-a, --pauli-b: expected both, for they belong to each other, got one")
    if args.forcefield is not None:
        parser.error("--forcefield: expected none with --model fdbm, which has no Lennard-Jones, got one")
    for name in ("charges", "charge_heights", "depth"):
        if name in tip:
            parser.error(f"--tip.{name}: expected none with --model fdbm, whose tip is a density, got one")


def _parser() -> Parser:
    parser = Parser(
        "simulate",
        "Simulate the AFM stack of a molecule or a periodic surface with the Probe Particle Model. Lists are "
        'written without spaces, as in --scan.pixels "[64,64]" --tip.tilt "[0.1,0]".',
    )
    _add_sample(parser.add_argument_group("sample"))
    _add_model(parser.add_argument_group("tip, scan and force field by name or file"))
    _add_densities(parser.add_argument_group("forces from densities, with --model fdbm"))
    _add_sweep(
        parser.add_argument_group(
            "ranges: a value, values with commas, or first:last:count; every combination is simulated, "
            f"{MAX_STACKS} at most"
        )
    )
    _add_outputs(parser.add_argument_group("outputs"))
    parser.add_seed()
    parser.add_backend()
    parser.add_argument("--config", action="config", help="YAML file with any of these options")
    parser.add_settings(Scan, "scan", name="scan")
    parser.add_settings(Tip, "tip", name="tip")
    return parser


def _add_sample(group: Any) -> None:
    group.add_argument(
        "file",
        nargs="?",
        help="xyz (charges in a fifth column), extended xyz, SDF, mol, mol2, PDB, CIF, POSCAR, CONTCAR, "
        "geometry.in, gen, xsf, cube, or an input of Gaussian or Quantum ESPRESSO; - for standard input. A "
        "cell in the file is repeated along the surface",
    )
    group.add_argument(
        "--format",
        choices=list(STRUCTURE_FORMATS),
        help="format of the file, where its name does not tell it",
    )
    group.add_argument("--smiles", metavar="S", help="molecule as SMILES, in place of a file")
    group.add_argument(
        "--cell",
        metavar='"[[ax,ay],[bx,by]]"|none',
        help="lattice vectors in the plane in Å, along which the sample repeats, where its file has none; "
        "none: the cell of the file does not repeat",
    )
    group.add_argument(
        "--rotation",
        choices=["best", "flat", "as-is"],
        help="best: of 500 random orientations the one that shows the most atoms; flat: mean plane parallel "
        "to the surface, the side up that shows more; as-is: as in the file. Default: best for a SMILES, "
        "as-is for a file",
    )
    group.add_argument(
        "--position",
        choices=["center", "as-is"],
        help="center: middle of the molecule at the middle of the scan window, top atom at z = 0; as-is: "
        "coordinates as in the file, not turned. Default: center, or with --params and a file as-is",
    )
    group.add_argument(
        "--potential",
        metavar="FILE",
        help="electrostatic potential on a grid (cube, xsf, LOCPOT), in the coordinates of the file of the "
        "molecule, in place of point charges: that of a positive charge",
    )
    group.add_argument(
        "--potential-electron",
        action="store_true",
        help="the potential is the energy of an electron, as most programs for DFT write it",
    )
    group.add_argument(
        "--potential-unit",
        choices=["Hartree", "Rydberg", "eV"],
        help="unit of the potential. Default: what the file says, else Hartree in a cube and eV in an xsf "
        "file",
    )


def _add_model(group: Any) -> None:
    group.add_argument(
        "--params",
        metavar="PARAMS.ini",
        help="scan and tip of ppafm's params.ini; with --position as-is also the height of its scan and, "
        "where the file of the molecule has none, its lattice. Options of scan and tip given beside it win",
    )
    group.add_argument(
        "--tip-preset",
        choices=list(TIP_PRESETS),
        help="a named tip, changed by options of the tip given beside it; it goes before the tip of --params",
    )
    group.add_argument(
        "--forcefield",
        metavar="ATOMTYPES.ini",
        help="Lennard-Jones parameters in ppafm's format; elements that it lacks keep those of the package",
    )


def _add_densities(group: Any) -> None:
    group.add_argument(
        "--model",
        choices=["lj", "fdbm"],
        default="lj",
        help="lj: Lennard-Jones and charges; fdbm: the full-density-based model, Pauli repulsion by the "
        "overlap of electron densities, electrostatics of the tip's charge density, and D3",
    )
    group.add_argument(
        "--density",
        metavar="FILE|pyscf|atoms",
        help="electron density of the sample: a cube, xsf or CHGCAR beside --potential on the same grid; "
        "pyscf: computed (minutes; kept for the next time); atoms: superposed free atoms with the charges "
        "known. Default: pyscf",
    )
    group.add_argument(
        "--density-unit",
        choices=["e/Bohr3", "e/A3"],
        help="unit of files of densities. Default: e/Bohr3 in a cube, e/A3 in an xsf file",
    )
    group.add_argument(
        "--tip-density",
        metavar="FILE|CO",
        help="electron density of the tip with its atoms, the probe at (0, 0, 0), the rest above: a cube, "
        "xsf or CHGCAR, or a preset. Default: CO",
    )
    group.add_argument(
        "--pauli-a",
        type=PositiveFloat,
        metavar="A",
        help="of the repulsion A (ρ_tip ρ_sample)^B, eV Å^(6B-3). Default: 41, fitted with B 1.1 to PBE",
    )
    group.add_argument(
        "--pauli-b", type=PositiveFloat, metavar="B", help="power of the densities. Default: 1.1"
    )
    group.add_argument(
        "--d3",
        choices=["PBE", "B3LYP", "revPBE", "none"],
        help="functional of the D3(BJ) dispersion, or none of it. Default: PBE",
    )


def _add_sweep(group: Any) -> None:
    group.add_argument(
        "--lateral-stiffness", metavar="N/m", help="of the tip along x and y, as in 0.2:0.6:3 or 0.2,0.4"
    )
    group.add_argument("--tilt", metavar="Å", help="by how much the free probe hangs aside of its anchor")
    group.add_argument(
        "--tilt-direction", metavar="DEGREES", help="to where it does, counterclockwise from x. Default: 0"
    )
    group.add_argument(
        "--amplitude",
        metavar="Å",
        help="of the oscillation, peak to peak, whole steps of --scan.dz; the slices stay at their heights",
    )
    group.add_argument(
        "--height",
        metavar="Å",
        help="of the nearest slice: the anchor of the probe at the middle of its oscillation, above the top "
        "atom or, with --position as-is, in the coordinates of the file",
    )


def _add_outputs(group: Any) -> None:
    group.add_argument(
        "--out",
        metavar="STACK.npz|.gwy|.xsf",
        default="stack.npz",
        help="file to write: .npz with all settings, .gwy for Gwyddion, or .xsf for XCrySDen, VESTA and ASE. "
        "Several stacks are in one .npz, or in a .gwy or .xsf file each",
    )
    group.add_argument(
        "--png",
        action="store_true",
        help="write a sheet of the images with scale and color bars, atoms and bonds beside it; of several "
        "stacks it is always written",
    )
    group.add_argument(
        "--curve",
        metavar="X,Y",
        action="append",
        help="write the frequency shift over height at this place of the scan window in Å, as .csv and .png; "
        "may be given several times",
    )
    group.add_argument(
        "--curve-length",
        metavar="Å",
        type=float,
        help="of the curves, upwards from the nearest slice. Default: 5, with --potential that of the stack, "
        "since a grid may end there",
    )
    group.add_argument(
        "--probe-positions",
        action="store_true",
        help="write where the probe comes to rest at every pixel and height, and the force on it, as .npz",
    )


def _bind_signed(argv: Sequence[str]) -> list[str]:
    """``--curve -1,2`` as ``--curve=-1,2``: what begins with a minus sign is else taken for an option."""
    words: list[str] = []
    for word in argv:
        if words and words[-1] in _SIGNED and re.match(r"-[\d.]", word):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def _values(parser: Parser, name: str, text: str) -> tuple[float, ...]:
    try:
        return parse_values(text)
    except InputError as error:
        parser.error(f"--{name.replace('_', '-')}: {error}", error)


def _point(parser: Parser, text: str) -> tuple[float, float]:
    try:
        x, y = (float(word) for word in str(text).split(","))
        if not (math.isfinite(x) and math.isfinite(y)):
            raise ValueError
    except ValueError:
        parser.error(f"--curve: expected X,Y in Å, got {text!r}")
    return x, y


def _cell(parser: Parser, text: str) -> tuple[tuple[float, float], tuple[float, float]]:
    try:
        (ax, ay), (bx, by) = json.loads(text)
        vectors = (float(ax), float(ay)), (float(bx), float(by))
        area = vectors[0][0] * vectors[1][1] - vectors[0][1] * vectors[1][0]
        if not (math.isfinite(area) and abs(area) > 1e-3):
            raise ValueError
    except (TypeError, ValueError):
        parser.error(
            f'--cell: expected "[[ax,ay],[bx,by]]" in Å, vectors that span a plane, or none, got {text!r}'
        )
    return vectors
