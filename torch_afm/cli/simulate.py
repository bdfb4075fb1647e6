"""``torch-afm simulate``: a molecule's AFM stack."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from torch_afm.cli.jobs import load_molecule, orient, simulate
from torch_afm.io import write_stack
from torch_afm.ppm import ProbeParticleModel
from torch_afm.utils import InputError
from torch_afm.viz import plot_stack


def main(args: Namespace) -> int:
    """Run the sub-command as :func:`torch_afm.cli.parsers.simulate.parse` understood it."""
    out = Path(args.out)
    if out.suffix != ".npz":
        raise InputError(f"--out: expected a file name ending in .npz, got {args.out!r}")
    molecule, name = load_molecule(args.file, args.smiles, args.seed, args.format)
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
