"""``torch-afm simulate``: a molecule's AFM stack."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import torch
from jsonargparse import Namespace

from torch_afm.cli.molecules import load_molecule, orient, simulate
from torch_afm.config import ForceField, Scan, Tip
from torch_afm.config.formats import STACK_SUFFIXES
from torch_afm.data import AFMData
from torch_afm.io import (
    PpafmParams,
    read_atomtypes,
    read_potential,
    read_ppafm_params,
    write_stack,
)
from torch_afm.ppm import ProbeParticleModel
from torch_afm.utils import InputError
from torch_afm.viz import plot_stack

#: Å: a gap along z that is vacuum, and none between layers.
_VACUUM = 5.0


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.simulate.parse`."""
    out = Path(args.out)
    if out.suffix.lower() not in STACK_SUFFIXES:
        raise InputError(
            f"--out: expected a file name ending in {', '.join(STACK_SUFFIXES)}, got {args.out!r}"
        )
    molecule, name = load_molecule(args.file, args.smiles, args.seed, args.format)
    if "pbc" in molecule:
        _check_surface(molecule)
    params = None if args.params is None else read_ppafm_params(args.params)
    scan, tip = _scan_and_tip(args, params)
    forcefield = ForceField() if args.forcefield is None else read_atomtypes(args.forcefield)
    _add_potential(molecule, args)
    charged = args.smiles is not None or args.potential is not None or bool(molecule.charge.any())
    position = args.position or ("as-is" if params and args.file else "center")
    rotation = args.rotation or ("best" if args.smiles and position == "center" else "as-is")
    if position == "center":
        molecule = orient(molecule, rotation, args.seed, scan)
    elif rotation != "as-is":
        raise InputError(f"--position as-is: expected --rotation as-is beside it, got {rotation}")
    elif params is not None:
        _place_as_in(params, molecule, by_distance="distance" in args.given_scan)
    renderer = ProbeParticleModel(scan, tip, backend=args.backend, forcefield=forcefield)
    stack = simulate(molecule, name, renderer)
    if args.potential is not None:
        stack = dataclasses.replace(stack, meta=stack.meta | {"potential": Path(args.potential).name})
    out.parent.mkdir(parents=True, exist_ok=True)
    write_stack(out, stack)

    nz, ny, nx = scan.shape
    (x0, x1), (y0, y1) = scan.window
    x, y, _ = molecule.pos.T
    outside = int(((x < x0) | (x > x1) | (y < y0) | (y > y1)).sum())
    where = "in a periodic cell" if "pbc" in molecule else f"{outside} outside the scan window"
    print(f"{name}: {len(x)} atoms, {where}; rendered by {renderer.backend}")
    if params is not None:
        print(_describe_params(args))
    if not charged:
        print("no charges are known: the images have no electrostatics")
    print(f"wrote {out}: {nz} slices of {nx} x {ny} pixels, z_top {stack.meta['z_top']:.3f} Å")
    if args.png:
        picture = out.with_suffix(".png")
        plot_stack(stack).savefig(picture, dpi=120)
        print(f"wrote {picture}")
    return 0


def _scan_and_tip(args: Namespace, params: PpafmParams | None) -> tuple[Scan, Tip]:
    """Scan and tip of the options: those given one by one before a preset, a preset before ppafm's file."""
    if params is None:
        return args.scan, args.tip
    tip = params.tip if args.potential is None else params.tip_on_grid
    if args.tip_preset is not None:
        tip = Tip.preset(args.tip_preset)
    return dataclasses.replace(params.scan, **args.given_scan), dataclasses.replace(tip, **args.given_tip)


def _add_potential(molecule: AFMData, args: Namespace) -> None:
    """Give a molecule the potential of the options in place of its charges."""
    if args.potential is None:
        for option, value in (("electron", args.potential_electron), ("unit", args.potential_unit)):
            if value:
                raise InputError(f"--potential-{option}: expected --potential beside it, got none")
        return
    if args.smiles is not None:
        raise InputError(
            "--potential: expected the file of the atoms that make it, got a SMILES, whose coordinates are "
            "others"
        )
    molecule.potential = read_potential(args.potential, args.potential_electron, args.potential_unit)


def _place_as_in(params: PpafmParams, molecule: AFMData, by_distance: bool) -> None:
    """Give a molecule in ppafm's coordinates the height of ppafm's scan, unless the tip is placed by its
    distance, and ppafm's lattice, unless it brings its own."""
    if not by_distance:
        molecule.z_top = torch.tensor([params.z_top], dtype=torch.float64)
    if params.cell is not None and "pbc" not in molecule:
        molecule.cell = torch.from_numpy(params.cell)[None].to(molecule.pos)
        molecule.pbc = torch.tensor([[True, True, False]])


def _describe_params(args: Namespace) -> str:
    """What was taken from ppafm's file, and what from the options beside it."""
    winners = [f"--scan.{key}" for key in args.given_scan] + [f"--tip.{key}" for key in args.given_tip]
    if args.tip_preset is not None:
        winners.insert(0, f"--tip-preset {args.tip_preset}")
    beside = f", but for {', '.join(winners)}" if winners else ""
    return f"scan and tip of {Path(args.params).name}{beside}"


def _check_surface(molecule: AFMData) -> None:
    """Warn where the boundary of the cell along z cuts a slab in two: what is highest is then its bottom."""
    heights = molecule.pos[:, 2].sort().values
    gaps = heights.diff()
    across = float(molecule.cell[0, 2, 2] - (heights[-1] - heights[0]))
    if molecule.pbc[0, 2] and len(gaps) and float(gaps.max()) > max(across + 1, _VACUUM):
        warnings.warn(
            f"the largest gap along z, {float(gaps.max()):.1f} Å, lies within the cell and not above its "
            "atoms: the highest of them may be the bottom of a slab; shift it along z",
            stacklevel=2,
        )
