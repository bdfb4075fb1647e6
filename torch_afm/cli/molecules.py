"""The molecule of a command, its orientation and its stack."""

from __future__ import annotations

from pathlib import Path

from torch_afm import __version__
from torch_afm.config import Scan, to_dict
from torch_afm.data import AFMData, from_smiles
from torch_afm.elements import symbol
from torch_afm.io import AFMStack, read_molecule
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.transforms import Orient, best_rotations, flat_rotation
from torch_afm.utils import InputError, check_finite


def load_molecule(
    file: str | None, smiles: str | None, seed: int, format: str | None = None
) -> tuple[AFMData, str]:
    """A molecule and its name, from a file, standard input (``-``) or a SMILES (whichever is given)."""
    if (file is None) == (smiles is None):
        raise InputError(f"molecule: expected a file or --smiles, got {'both' if file else 'neither'}")
    if smiles is not None:
        return from_smiles(smiles, seed=seed), smiles
    data = read_molecule(str(file), format)
    return data, "standard input" if file == "-" else Path(str(file)).name


def orient(molecule: AFMData, rotation: str, seed: int, scan: Scan) -> AFMData:
    """The molecule with its middle at the middle of the scan window and its top atom at z = 0: ``as-is``,
    ``flat`` (:func:`~torch_afm.transforms.flat_rotation`), or turned to the ``best`` of 500 orientations, the
    one that shows the most atoms."""
    turn = None
    if rotation != "as-is":
        flat = rotation == "flat"
        turn = flat_rotation(molecule.pos) if flat else best_rotations(molecule.pos, n=1, seed=seed)[0]
    return Orient(turn, center=scan.center)(molecule.clone())


def simulate(molecule: AFMData, name: str, renderer: ProbeParticleModel) -> AFMStack:
    """The stack of a molecule where it lies, from its ``z_top`` where it has one, with every setting and the
    atoms in its ``meta``; of a periodic structure also ``cell`` and ``pbc``."""
    scan, tip = renderer.scan, renderer.tip
    z_top = float(anchor_height(molecule, scan, tip, forcefield=renderer.forcefield))
    stack = renderer(molecule, z_top=z_top)
    check_finite("simulated stack", stack)
    charges = molecule.charge.tolist() if "charge" in molecule else [0.0] * molecule.z.numel()
    atoms = [
        {"element": symbol(z), "pos": pos, "charge": q}
        for z, pos, q in zip(molecule.z.tolist(), molecule.pos.tolist(), charges, strict=True)
    ]
    meta = {
        "scan": to_dict(scan),
        "tip": to_dict(tip),
        "forcefield": to_dict(renderer.forcefield),
        "z_top": z_top,
        "molecule": name,
        "atoms": atoms,
        "version": __version__,
    }
    if "pbc" in molecule:
        meta |= {"cell": molecule.cell[0].tolist(), "pbc": molecule.pbc[0].tolist()}
    return AFMStack(stack=stack[0].numpy(), x=scan.x, y=scan.y, z=scan.slice_heights(z_top), meta=meta)
