"""The sample of ``torch-afm simulate``: its atoms, its cell, its potential."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from jsonargparse import Namespace

from torch_afm.cli.molecules import load_molecule
from torch_afm.data import AFMData
from torch_afm.data.checks import check_distances
from torch_afm.io import PpafmParams, read_potential
from torch_afm.utils import InputError

#: Å: a gap along z that is vacuum, and none between layers.
_VACUUM = 5.0
#: Å: by how much the vectors of one lattice in two files may differ.
_SAME = 1e-2


def load_sample(args: Namespace, params: PpafmParams | None) -> tuple[AFMData, str]:
    """The sample of the options and its name: atoms, cell, and the potential in place of their charges."""
    sample, name = load_molecule(args.file, args.smiles, args.seed, args.format)
    if args.cell is not None:
        _set_cell(sample, args)
    elif params is not None and params.cell is not None and position_of(args) == "as-is":
        _set_cell_of_params(sample, args, params.cell)
    if "pbc" in sample:
        _check_surface(sample)
    _add_potential(sample, args)
    return sample, name


def position_of(args: Namespace) -> str:
    """``center`` or ``as-is``: as the options have it, else as-is for a file beside ppafm's settings."""
    return str(args.position or ("as-is" if args.params and args.file else "center"))


def _set_cell(sample: AFMData, args: Namespace) -> None:
    """Give a sample the cell of the options; one of its file is refused beside it, unless it is the same."""
    if args.cell == "none":
        for key in ("cell", "pbc"):
            if key in sample:
                del sample[key]
        return
    vectors = np.zeros((3, 3))
    vectors[:2, :2] = args.cell
    if "pbc" in sample and bool(sample.pbc[0, :2].any()):
        found = sample.cell[0, :2].tolist()
        if not bool(sample.pbc[0, :2].all()) or np.abs(vectors[:2] - found).max() > _SAME:
            raise InputError(
                f"--cell: expected none beside that of {args.file}, {np.round(found, 3).tolist()}, got "
                f"{[list(vector) for vector in args.cell]}; --cell none leaves that out"
            )
        return
    _repeat(sample, vectors, "--cell")


def _set_cell_of_params(sample: AFMData, args: Namespace, cell: np.ndarray) -> None:
    """Give a sample ppafm's lattice, unless its file has one, which wins."""
    if "pbc" not in sample:
        _repeat(sample, cell, "--params: gridA, gridB")
    elif np.abs(sample.cell[0, :2].numpy() - cell[:2]).max() > _SAME:
        found = np.round(sample.cell[0, :2].numpy(), 3).tolist()
        warnings.warn(
            f"--params: the cell of {args.file} is taken, {found}, not gridA and gridB, "
            f"{np.round(cell[:2], 3).tolist()}",
            stacklevel=2,
        )


def _repeat(sample: AFMData, vectors: np.ndarray, source: str) -> None:
    if not vectors[2].any():
        # Never repeated along, but a cell has a volume.
        vectors[2, 2] = float(np.ptp(sample.pos[:, 2].numpy())) + 2 * _VACUUM
    pbc = np.array([True, True, False])
    try:
        check_distances("pos", sample.pos, vectors, pbc)
    except InputError as error:
        raise InputError(f"{source}: {str(error).removeprefix('pos: ')}") from None
    sample.cell = torch.from_numpy(vectors)[None].to(sample.pos)
    sample.pbc = torch.from_numpy(pbc)[None]


def _add_potential(sample: AFMData, args: Namespace) -> None:
    """Give a sample the potential of the options in place of its charges."""
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
    sample.potential = read_potential(args.potential, args.potential_electron, args.potential_unit)


def _check_surface(sample: AFMData) -> None:
    """Warn where the boundary of the cell along z cuts a slab in two: what is highest is then its bottom."""
    heights = sample.pos[:, 2].sort().values
    gaps = heights.diff()
    across = float(sample.cell[0, 2, 2] - (heights[-1] - heights[0]))
    if sample.pbc[0, 2] and len(gaps) and float(gaps.max()) > max(across + 1, _VACUUM):
        warnings.warn(
            f"the largest gap along z, {float(gaps.max()):.1f} Å, lies within the cell and not above its "
            "atoms: the highest of them may be the bottom of a slab; shift it along z",
            stacklevel=2,
        )
