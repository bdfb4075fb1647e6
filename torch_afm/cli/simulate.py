"""``torch-afm simulate``: a molecule's AFM stack."""

from __future__ import annotations

import warnings
from pathlib import Path

from jsonargparse import Namespace

from torch_afm.cli.jobs import load_molecule, orient, simulate
from torch_afm.data import AFMData
from torch_afm.io import write_stack
from torch_afm.ppm import ProbeParticleModel
from torch_afm.utils import InputError
from torch_afm.viz import plot_stack

#: Å: a gap along z that is vacuum, and none between layers.
_VACUUM = 5.0


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.simulate.parse`."""
    out = Path(args.out)
    if out.suffix != ".npz":
        raise InputError(f"--out: expected a file name ending in .npz, got {args.out!r}")
    molecule, name = load_molecule(args.file, args.smiles, args.seed, args.format)
    if "pbc" in molecule:
        _check_surface(molecule)
    charged = args.smiles is not None or bool(molecule.charge.any())
    rotation = args.rotation or ("best" if args.smiles and args.position == "center" else "as-is")
    if args.position == "center":
        molecule = orient(molecule, rotation, args.seed, args.scan)
    elif rotation != "as-is":
        raise InputError(f"--position as-is: expected --rotation as-is beside it, got {rotation}")
    renderer = ProbeParticleModel(args.scan, args.tip, backend=args.backend)
    stack = simulate(molecule, name, renderer)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_stack(out, stack)

    nz, ny, nx = args.scan.shape
    (x0, x1), (y0, y1) = args.scan.window
    x, y, _ = molecule.pos.T
    outside = int(((x < x0) | (x > x1) | (y < y0) | (y > y1)).sum())
    where = "in a periodic cell" if "pbc" in molecule else f"{outside} outside the scan window"
    print(f"{name}: {len(x)} atoms, {where}; rendered by {renderer.backend}")
    if not charged:
        print("no charges are known: the images have no electrostatics")
    print(f"wrote {out}: {nz} slices of {nx} x {ny} pixels, z_top {stack.meta['z_top']:.3f} Å")
    if args.png:
        picture = out.with_suffix(".png")
        plot_stack(stack).savefig(picture, dpi=120)
        print(f"wrote {picture}")
    return 0


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
