"""``torch-afm simulate``: AFM stacks of a molecule or a surface."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace

from torch_afm.cli.densities import add_densities, describe_model
from torch_afm.cli.molecules import orient, simulate
from torch_afm.cli.samples import load_sample, position_of
from torch_afm.cli.simulation_files import curve_files, probe_file, sheet_file, stack_files
from torch_afm.config import ForceField, Scan, Sweep, Tip, Variation
from torch_afm.data import AFMData
from torch_afm.io import AFMStack, PpafmParams, read_atomtypes, read_ppafm_params
from torch_afm.ppm import FrequencyCurves, ProbeParticleModel, anchor_height, frequency_curves
from torch_afm.progress import StatusLine
from torch_afm.utils import InputError

#: Å: length of curves over height that is long enough to see the minimum and the way to it.
_CURVE = 5.0


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.simulate.parse`."""
    out = Path(args.out)
    params = None if args.params is None else read_ppafm_params(args.params)
    sample, name = load_sample(args, params)
    scan, tip = _scan_and_tip(args, params)
    if args.model == "fdbm" and tip.probe != "O" and args.tip_density in (None, "CO"):
        raise InputError(f"--tip-density: expected that of a tip that ends in {tip.probe}, got CO")
    _check_points(args, scan)
    sample, fdbm = add_densities(sample, args)
    forcefield = ForceField() if args.forcefield is None else read_atomtypes(args.forcefield)
    charged = args.smiles is not None or args.potential is not None or bool(sample.charge.any())
    sample = _place(sample, args, scan, params)
    renderer = ProbeParticleModel(scan, tip, backend=args.backend, forcefield=fdbm or forcefield)
    variations = _variations(args.sweep, sample, renderer)
    out.parent.mkdir(parents=True, exist_ok=True)
    stacks, curves, written = _render(args, sample, name, variations, renderer)
    written = stack_files(out, stacks) + written
    labels = [variation.label for variation in variations]
    if args.curve:
        written += curve_files(out, args.curve, curves, variations, stacks[0], sample)
    if args.png or len(stacks) > 1:
        written.append(sheet_file(out, stacks, sample, labels))

    (x0, x1), (y0, y1) = scan.window
    x, y, _ = sample.pos.T
    outside = int(((x < x0) | (x > x1) | (y < y0) | (y > y1)).sum())
    where = "in a periodic cell" if "pbc" in sample else f"{outside} outside the scan window"
    print(f"{name}: {len(x)} atoms, {where}; rendered by {renderer.backend}")
    if params is not None:
        print(_describe_params(args))
    if not charged and fdbm is None:
        print("no charges are known: the images have no electrostatics")
    for file, content in written:
        print(f"wrote {file}: {content}")
    return 0


def _render(
    args: Namespace,
    sample: AFMData,
    name: str,
    variations: list[Variation],
    nominal: ProbeParticleModel,
) -> tuple[list[AFMStack], list[FrequencyCurves], list[tuple[Path, str]]]:
    """Stacks and curves of all variations, and the files of probe positions, which are written at once."""
    stacks, curves, written = [], [], []
    status = StatusLine("simulate")
    length = args.curve_length
    if length is None:
        length = _CURVE if args.potential is None else 0.0
    try:
        for number, variation in enumerate(variations, start=1):
            status(f"stack {number} of {len(variations)} {variation.label}".strip())
            renderer = ProbeParticleModel(
                variation.scan, variation.tip, nominal.backend, forcefield=nominal.fdbm or nominal.forcefield
            )
            sample.z_top = torch.tensor([variation.z_top], dtype=torch.float64)
            stack = simulate(sample, name, renderer)
            meta: dict[str, Any] = {"parameters": variation.parameters} if variation.parameters else {}
            if args.potential is not None:
                meta["potential"] = Path(args.potential).name
            if nominal.fdbm is not None:
                meta["fdbm"] = describe_model(nominal.fdbm, args)
            stacks.append(dataclasses.replace(stack, meta=stack.meta | meta))
            if args.curve:
                curves.append(frequency_curves(renderer, sample, torch.tensor(args.curve), length))
            if args.probe_positions:
                place = (number, len(variations))
                written.append(probe_file(Path(args.out), place, renderer.relax(sample), stacks[-1]))
    finally:
        status.close()
    return stacks, curves, written


def _variations(sweep: Sweep, sample: AFMData, renderer: ProbeParticleModel) -> list[Variation]:
    """All combinations of the ranges; errors name the option."""
    z_top = float(anchor_height(sample, renderer.scan, renderer.tip, forcefield=renderer.forcefield))
    try:
        return sweep.variations(renderer.scan, renderer.tip, z_top)
    except InputError as error:
        name, _, text = str(error).partition(": ")
        ranges = [field.name for field in dataclasses.fields(Sweep)]
        raise InputError(f"--{name.replace('_', '-')}: {text}" if name in ranges else str(error)) from None


def _scan_and_tip(args: Namespace, params: PpafmParams | None) -> tuple[Scan, Tip]:
    """Scan and tip of the options: those given one by one before a preset, a preset before ppafm's file."""
    if params is None:
        return args.scan, args.tip
    tip = params.tip if args.potential is None else params.tip_on_grid
    if args.tip_preset is not None:
        tip = Tip.preset(args.tip_preset)
    return dataclasses.replace(params.scan, **args.given_scan), dataclasses.replace(tip, **args.given_tip)


def _check_points(args: Namespace, scan: Scan) -> None:
    """Refuse places of curves out of the window, and a length without any, before anything is rendered."""
    (x0, x1), (y0, y1) = scan.window
    for x, y in args.curve:
        if not (x0 <= x <= x1 and y0 <= y <= y1):
            raise InputError(
                f"--curve: expected a place in the scan window, {x0:g} to {x1:g} and {y0:g} to {y1:g} Å, got "
                f"{x:g},{y:g}"
            )
    if args.curve_length is not None and not args.curve:
        raise InputError("--curve-length: expected --curve beside it, got none")
    if args.curve_length is not None and not args.curve_length >= 0:
        raise InputError(f"--curve-length: expected 0 Å or more, got {args.curve_length:g}")


def _place(sample: AFMData, args: Namespace, scan: Scan, params: PpafmParams | None) -> AFMData:
    """The sample where and as the options want it, with the height of ppafm's scan where that holds."""
    position = position_of(args)
    rotation = args.rotation or ("best" if args.smiles and position == "center" else "as-is")
    if "pbc" in sample and rotation != "as-is":
        default = "" if args.rotation else ", the default of a SMILES"
        raise InputError(
            "--rotation: expected as-is for a sample with a cell, which is not turned, got "
            f"{rotation}{default}"
        )
    if position == "center":
        return orient(sample, rotation, args.seed, scan)
    if rotation != "as-is":
        raise InputError(f"--position as-is: expected --rotation as-is beside it, got {rotation}")
    if params is not None and "distance" not in args.given_scan:
        sample.z_top = torch.tensor([params.z_top], dtype=torch.float64)
    return sample


def _describe_params(args: Namespace) -> str:
    """What was taken from ppafm's file, and what from the options beside it."""
    winners = [f"--scan.{key}" for key in args.given_scan] + [f"--tip.{key}" for key in args.given_tip]
    winners += [f"--{f.name.replace('_', '-')}" for f in dataclasses.fields(Sweep) if args[f.name]]
    if args.tip_preset is not None:
        winners.insert(0, f"--tip-preset {args.tip_preset}")
    beside = f", but for {', '.join(winners)}" if winners else ""
    return f"scan and tip of {Path(args.params).name}{beside}"
