"""Shipped geometries, charges and atomic dipoles of the embedded molecules by GFN2-xTB (Bannwarth et al.,
J. Chem. Theory Comput. 15, 1652 (2019)), which :mod:`torch_afm.datasets.xtb` computed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from rdkit import Chem, rdBase
from rdkit.Geometry import Point3D

from torch_afm.data import AFMData, from_rdmol
from torch_afm.datasets.smi import EMBEDDED, checksum, embedded_smiles
from torch_afm.io.files import load_npz, write_whole
from torch_afm.utils import InputError

#: Step in Å that stored positions are rounded to.
STEP = 1e-3


@dataclass(frozen=True)
class Geometries:
    """Geometries of a list of molecules, in the order of atoms of RDKit's ``AddHs(MolFromSmiles(smiles))``.

    Args:
        sha256: :func:`~torch_afm.datasets.smi.checksum` of the list.
        atoms: number of atoms of each molecule, 0 where there is no geometry.
        pos: positions in units of 0.001 Å.
        charge: charges in e.
        dipole: atomic dipoles in e·Å.

    Shapes:
        atoms ``[M]`` uint8, pos ``[N, 3]`` int16, charge ``[N]`` and dipole ``[N, 3]`` float16.
    """

    sha256: str
    atoms: np.ndarray
    pos: np.ndarray
    charge: np.ndarray
    dipole: np.ndarray

    def __len__(self) -> int:
        return len(self.atoms)

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.cumsum([0, *self.atoms.astype(np.int64)])

    def molecule(self, index: int, smiles: str) -> AFMData:
        """Molecule ``index``, one with a geometry, with ``z``, ``pos``, ``charge``, ``edge_index`` and
        ``dipole``."""
        rows = slice(*self._starts[index : index + 2])
        with rdBase.BlockLogs():
            mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        conformer = Chem.Conformer(mol.GetNumAtoms())
        for i, xyz in enumerate((self.pos[rows] * STEP).tolist()):
            conformer.SetAtomPosition(i, Point3D(*xyz))
        mol.AddConformer(conformer)
        data = from_rdmol(mol)
        data.charge = torch.from_numpy(self.charge[rows].astype(np.float32))
        data.dipole = torch.from_numpy(self.dipole[rows].astype(np.float32))
        return data

    def write(self, path: str | Path) -> None:
        """Write a file that :meth:`read` reads.

        Raises:
            OSError: if it cannot be written.
        """
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{f.name: getattr(self, f.name) for f in fields(self)})
        write_whole(Path(path), buffer.getvalue())

    @classmethod
    def read(cls, path: str | Path, smiles: Sequence[str]) -> Geometries:
        """The geometries of a file of :meth:`write`, for this list.

        Raises:
            InputError: for a file that is missing or damaged, and for geometries of another list.
        """
        arrays = load_npz(path)
        if str(arrays.get("sha256")) != checksum(smiles):
            raise InputError(
                f"{path}: expected geometries of this list of {len(smiles)} molecules, got others"
            )
        return cls(
            sha256=str(arrays["sha256"]),
            atoms=arrays["atoms"],
            pos=arrays["pos"],
            charge=arrays["charge"],
            dipole=arrays["dipole"],
        )


@cache
def shipped_geometries() -> dict[str, Geometries]:
    """The geometries of the embedded lists by their names.

    Raises:
        InputError: for a resource that does not fit its list.
    """
    found = {}
    with resources.as_file(resources.files("torch_afm.datasets").joinpath("resources")) as folder:
        for name in EMBEDDED:
            path = folder / f"{name}_xtb.npz"
            if path.is_file():
                found[name] = Geometries.read(path, embedded_smiles(name))
    return found


@cache
def _places() -> dict[str, tuple[str, int]]:
    """List and place of each molecule with a geometry."""
    return {
        embedded_smiles(name)[i]: (name, i)
        for name, found in shipped_geometries().items()
        for i in np.flatnonzero(found.atoms).tolist()
    }


def has_geometry(smiles: str) -> bool:
    """Whether the package has a geometry of this SMILES, written as in the embedded lists."""
    return smiles in _places()


def xtb_molecule(smiles: str) -> AFMData | None:
    """The molecule of this SMILES, written as in the embedded lists, with ``dipole``; ``None`` where the
    package has no geometry of it."""
    if not has_geometry(smiles):
        return None
    name, index = _places()[smiles]
    return shipped_geometries()[name].molecule(index, smiles)
