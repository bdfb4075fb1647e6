"""Geometries, charges and atomic dipoles of molecules by GFN2-xTB (Bannwarth et al., J. Chem. Theory Comput.
15, 1652 (2019)), as the package ships them for its lists.

``python -m torch_afm.datasets.xtb --list planar --folder runs/xtb --out planar_xtb.npz`` computes those of an
embedded list, 50 molecules a file, and goes on where it was interrupted. It needs ``pip install
torch_afm[xtb]``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.optimize import BFGS
from ase.units import Bohr

from torch_afm.data import AFMData, covalent_bonds, from_smiles
from torch_afm.datasets.geometries import STEP, Geometries
from torch_afm.datasets.smi import EMBEDDED, checksum, embedded_smiles
from torch_afm.datasets.store import Arrays, read_arrays, write_arrays
from torch_afm.progress import ProgressBar
from torch_afm.utils import BackendUnavailable, InputError

#: Largest force in eV/Å of a converged geometry, and steps of the optimizer before giving up.
_MAX_FORCE, _MAX_STEPS = 0.04, 250

#: Molecules in one file of an unfinished computation: what an interruption loses at most.
_CHUNK = 50


def relax(molecule: AFMData) -> AFMData:
    """A molecule at the minimum of its GFN2-xTB energy next to ``pos``, with GFN2-xTB's ``charge`` and
    ``dipole``.

    Shapes:
        charge ``[N]`` in e, dipole ``[N, 3]`` in e·Å.

    Raises:
        BackendUnavailable: without tblite.
        InputError: if the geometry or the electrons do not converge, or atoms bind anew.
    """
    try:
        from tblite.ase import TBLite
        from tblite.interface import Calculator
    except ImportError as error:
        raise BackendUnavailable(f"xtb: tblite is not installed ({error}); pip install tblite") from None
    atoms = Atoms(numbers=molecule.z.numpy(), positions=molecule.pos.double().numpy())
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    try:
        if not BFGS(atoms, logfile=None, maxstep=0.2).run(fmax=_MAX_FORCE, steps=_MAX_STEPS):
            raise InputError(f"molecule: no minimum in {_MAX_STEPS} steps")
        calculator = Calculator("GFN2-xTB", atoms.numbers, atoms.positions / Bohr)
        calculator.set("verbosity", 0)
        calculator.add("xtbml_xyz")
        result = calculator.singlepoint()
    except (RuntimeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"molecule: GFN2-xTB does not converge ({' '.join(str(error).split())})") from None
    features: dict[str, Any] = result.get("post-processing-dict")
    dipole = np.stack([features[f"dipm_A_{axis}"] for axis in "xyz"], axis=-1) * Bohr
    relaxed = AFMData(
        z=molecule.z,
        pos=torch.from_numpy(atoms.positions).float(),
        charge=torch.from_numpy(np.asarray(result.get("charges"))).float(),
        edge_index=molecule.edge_index,
        dipole=torch.from_numpy(dipole).float(),
    )
    if not torch.equal(covalent_bonds(relaxed.z, relaxed.pos), molecule.edge_index):
        raise InputError("molecule: atoms bind anew in GFN2-xTB's minimum")
    return relaxed


def compute_geometries(
    smiles: Sequence[str], folder: str | Path, progress: bool = False
) -> tuple[Geometries, list[tuple[str, str]]]:
    """:func:`relax` of every molecule of a list, from RDKit's geometry (:func:`torch_afm.data.from_smiles`).

    Args:
        smiles: the molecules.
        folder: of the files of a computation that may be interrupted; other lists use others.
        progress: show a progress bar.

    Returns:
        the geometries; and SMILES and reason of each molecule that has none.

    Raises:
        BackendUnavailable: without tblite.
        InputError: for a molecule that RDKit makes none of, or farther than 32 Å from its middle.
    """
    parts, failed = [], []
    with ProgressBar(total=len(smiles), unit="mol", disable=not progress) as bar:
        for start in range(0, len(smiles), _CHUNK):
            chunk = smiles[start : start + _CHUNK]
            path = Path(folder) / f"{checksum(chunk)[:16]}.npz"
            part = read_arrays(path)
            if part is None:
                part = _compute(chunk)
                write_arrays(path, part)
            parts.append(part)
            failed += [(s, str(why)) for s, why in zip(chunk, part["reason"], strict=True) if why]
            bar.update(len(chunk))
    pos = np.concatenate([p["pos"] for p in parts]) / STEP
    if np.abs(pos).max(initial=0) > np.iinfo(np.int16).max:
        raise InputError("smiles: expected molecules within 32 Å of their middle, got a longer one")
    geometries = Geometries(
        checksum(smiles),
        np.concatenate([p["atoms"] for p in parts]),
        np.rint(pos).astype(np.int16),
        np.concatenate([p["charge"] for p in parts]).astype(np.float16),
        np.concatenate([p["dipole"] for p in parts]).astype(np.float16),
    )
    return geometries, failed


def _compute(smiles: Sequence[str]) -> Arrays:
    """Arrays of these molecules, around their middles; no atoms of those that fail."""
    found: list[AFMData] = []
    reasons = []
    for text in smiles:
        try:
            found.append(relax(from_smiles(text)))
            reasons.append("")
        except InputError as error:
            found.append(AFMData.empty())
            found[-1].dipole = torch.zeros(0, 3)
            reasons.append(str(error))
    return {
        "atoms": np.array([len(m.z) for m in found], dtype=np.uint8),
        "pos": np.concatenate([(m.pos - m.pos.mean(dim=0)).numpy() for m in found]),
        "charge": np.concatenate([m.charge.numpy() for m in found]),
        "dipole": np.concatenate([m.dipole.numpy() for m in found]),
        "reason": np.array(reasons),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute GFN2-xTB geometries of an embedded list; ``--help`` tells how."""
    parser = argparse.ArgumentParser(prog="python -m torch_afm.datasets.xtb", description=main.__doc__)
    parser.add_argument("--list", choices=list(EMBEDDED), required=True, help="the molecules")
    parser.add_argument("--folder", type=Path, required=True, help="folder of unfinished work")
    parser.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    options = parser.parse_args(arguments)
    try:
        smiles = embedded_smiles(options.list)
        geometries, failed = compute_geometries(smiles, options.folder, progress=True)
        geometries.write(options.out)
        print(f"{len(smiles) - len(failed)} of {len(smiles)} molecules, {options.out.stat().st_size} bytes")
        for text, reason in failed:
            print(f"{text}: {reason}; keeps RDKit's geometry")
    except (InputError, BackendUnavailable, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
