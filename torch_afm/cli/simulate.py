"""``torch-afm simulate``: a molecule's AFM stack."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from torch_afm.cli.jobs import load_molecule, orient, simulate
from torch_afm.cli.parser import Parser
from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.io import write_stack
from torch_afm.ppm import ProbeParticleModel
from torch_afm.utils import InputError
from torch_afm.viz import plot_stack

#: Å: a gap along z that is vacuum, and none between layers.
_VACUUM = 5.0


def main(argv: Sequence[str]) -> int:
    """Run the sub-command."""
    parser = _parser()
    args = parser.instantiate(parser.parse_args(list(argv)))
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


def _parser() -> Parser:
    parser = Parser(
        "simulate",
        "Simulate the AFM stack of a molecule or a periodic surface with the Probe Particle Model. Lists are "
        "written without spaces, as in --scan.pixels [64,64] --tip.tilt [0.1,0].",
    )
    parser.add_argument(
        "file",
        nargs="?",
        help="xyz (charges in a fifth column), extended xyz, SDF, mol, mol2, PDB, CIF, POSCAR, CONTCAR or "
        "geometry.in; - for standard input. A cell in the file is repeated along the surface",
    )
    parser.add_argument(
        "--format",
        choices=["xyz", "sdf", "mol2", "pdb", "cif", "vasp", "aims"],
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
