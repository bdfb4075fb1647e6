"""Stacks as grids of XCrySDen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from torch_afm.utils import InputError

if TYPE_CHECKING:
    from torch_afm.io.stacks import AFMStack


def xsf_bytes(stack: AFMStack) -> bytes:
    """The file of a stack for XCrySDen, VESTA and ASE (``.xsf``): a ``DATAGRID_3D`` for each channel, x
    fastest, z upwards, with the atoms and the cell that ``meta`` holds of a simulated stack; without atoms
    one of number 0 at the corner of the grid, since readers want one.

    The grid has the points of the stack and no more, and its edges run from the first to the last one. In
    periodic files of the format the last plane along each edge is the first one again; ppafm writes its
    ``df.xsf`` like that, the plane beyond the last height included, and leaves out the last planes of what it
    reads.

    Args:
        stack: what is written.

    Raises:
        InputError: for less than two slices, lines or pixels along a line, and for heights in uneven steps.
    """
    if min(stack.stack.shape[1:]) < 2:
        shape = " x ".join(map(str, stack.stack.shape[1:]))
        raise InputError(
            f"stack: expected two or more slices, lines and pixels in an .xsf file, got {shape}; write .gwy "
            "or .npz"
        )
    if not stack.even_heights:
        steps = -np.diff(stack.z)
        raise InputError(
            f"z: expected evenly spaced heights in an .xsf file, got steps from {steps.min():.3g} to "
            f"{steps.max():.3g} Å; resample it (ScanStack.resample), or write .gwy or .npz"
        )
    low = (float(stack.x[0]), float(stack.y[0]), float(stack.z[-1]))
    high = (float(stack.x[-1]), float(stack.y[-1]), float(stack.z[0]))
    lines = [f"# AFM stack in {stack.unit} at the heights of the tip in Angstrom", *_atoms(stack.meta, low)]
    lines += ["", "BEGIN_BLOCK_DATAGRID_3D", "   frequency_shift"]
    for channel, values in enumerate(stack.stack):
        lines += [f"   BEGIN_DATAGRID_3D_channel_{channel}", " ".join(map(str, values.shape[::-1]))]
        lines += [_row(low), *(_row(edge) for edge in np.diag(np.subtract(high, low)))]
        lines += [" ".join(f"{v:.8e}" for v in row) for row in values[::-1].reshape(-1, values.shape[-1])]
        lines.append("   END_DATAGRID_3D")
    return "\n".join([*lines, "END_BLOCK_DATAGRID_3D", ""]).encode()


def _atoms(meta: dict[str, Any], corner: tuple[float, float, float]) -> list[str]:
    try:
        atoms = [f"{atom['element']} {_row(atom['pos'])}" for atom in meta.get("atoms", [])]
        cell = [_row(edge) for edge in meta["cell"]] if "cell" in meta else []
    except (TypeError, ValueError, KeyError):
        atoms, cell = [], []  # of another program, which has its own idea of them
    atoms = atoms or [f"0 {_row(corner)}"]
    if len(cell) == 3:
        return ["CRYSTAL", "PRIMVEC", *cell, "PRIMCOORD", f"{len(atoms)} 1", *atoms]
    return ["ATOMS", *atoms]


def _row(values: Any) -> str:
    x, y, z = (float(v) for v in values)
    return f"{x:.8f} {y:.8f} {z:.8f}"
