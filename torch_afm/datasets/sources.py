"""Oriented molecules for training steps."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.data.checks import check_island, check_no_potential
from torch_afm.datasets.store import read_arrays, write_arrays
from torch_afm.transforms import Orient
from torch_afm.transforms.rotations import best_rotation_ids, candidate_rotations
from torch_afm.utils import InputError, cache_dir

#: Å outside of a window within which a tip could touch an atom that stands out.
CLEARANCE = 3.0

#: Fewer molecules are judged in a moment, so no file is written for them.
_MIN_STORED = 100


class MoleculeSource(ABC):
    """What training steps are made from: molecules, each in one or more orientations.

    Attributes:
        orientations: of each molecule, one after the other.
        margin: atoms farther outside of the window than this, in Å, and those of elements that the classes do
            not have, are imaged by the reference but are no part of graphs and targets, nor of the simulated
            stack; by default all atoms are.
    """

    orientations: int = 1
    margin: float | None = None

    @abstractmethod
    def __len__(self) -> int:
        """Number of oriented molecules."""

    @abstractmethod
    def oriented(self, index: int) -> AFMData:
        """Oriented molecule ``index``, the caller's own: all its atoms, charges and bonds, its top atom at
        z = 0; ``dipole`` too, where reference stacks are to show it, of all molecules then."""


class RotatedMolecules(MoleculeSource):
    """Molecules in their best rotations (:func:`~torch_afm.transforms.best_rotations`): entry ``i`` is
    rotation ``i % rotations`` of molecule ``i // rotations``.

    Args:
        molecules: molecules with ``z``, ``pos``, ``charge``, ``edge_index`` and, as in
            :class:`PackedMolecules`, ``dipole``.
        rotations: best rotations of each.
        candidates: orientations these are chosen from.
        seed: seed of the candidates.

    Shapes:
        quaternions ``[M, rotations, 4]`` as (x, y, z, w), best first.

    Raises:
        InputError: for no molecules, one that lacks a key, repeats, or has a potential on a grid, and for
            more rotations than candidates.
    """

    def __init__(
        self, molecules: Sequence[AFMData], rotations: int = 30, candidates: int = 500, seed: int = 0
    ) -> None:
        self.molecules = PackedMolecules(molecules)
        self.orientations = rotations
        self.quaternions = rotation_table(molecules, rotations, candidates, seed)

    def __len__(self) -> int:
        return len(self.molecules) * self.orientations

    def oriented(self, index: int) -> AFMData:
        molecule, rotation = divmod(index, self.orientations)
        return Orient(Rotation.from_quat(self.quaternions[molecule, rotation]))(self.molecules[molecule])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.molecules)} molecules x {self.orientations} rotations)"


def rotation_table(
    molecules: Sequence[AFMData],
    n: int = 30,
    candidates: int = 500,
    seed: int = 0,
    cache: bool | str | Path = True,
) -> np.ndarray:
    """:func:`~torch_afm.transforms.best_rotations` of every molecule as quaternions, kept in a cache.

    Quaternions are stored, so that a stored table stays what it is should another version of SciPy draw other
    candidates.

    Args:
        molecules: molecules with ``pos``.
        n: rotations of each.
        candidates: rotations that these are chosen from.
        seed: of the candidates.
        cache: whether to keep the result, or the folder to keep it in; by default the user's cache folder.

    Shapes:
        result ``[M, n, 4]`` as (x, y, z, w), best first.

    Raises:
        InputError: as :func:`~torch_afm.transforms.rotations.best_rotation_ids`.
    """
    positions = [np.asarray(m.pos) for m in molecules]
    folder = None if cache is False else cache_dir() / "rotations" if cache is True else Path(cache)
    path = None
    if folder is not None and len(positions) >= _MIN_STORED:
        # 1.0: the decay of the visibility entropy in 1/Å.
        digest = hashlib.sha256(f"{n} {candidates} {seed} 1.0".encode())
        for pos in positions:
            digest.update(f" {pos.shape} {pos.dtype.str} ".encode() + pos.tobytes())
        path = folder / f"{digest.hexdigest()[:24]}.npz"
        stored = read_arrays(path)
        if stored is not None:
            return stored["quaternions"]
    ids = best_rotation_ids(positions, n, candidates, seed)
    quaternions = candidate_rotations(candidates, seed).as_quat()[ids]
    if path is not None:
        write_arrays(path, {"ids": ids, "quaternions": quaternions})
    return quaternions


class PackedMolecules:
    """Molecules, concatenated in NumPy arrays: thousands of tensors could not be passed to a worker process.

    Args:
        molecules: molecules with ``z``, ``pos``, ``charge``, ``edge_index`` and, where any has dipoles,
            ``dipole``, zero for the others; other keys are dropped, for all samples of a data set must carry
            the same.
        periodic: take graphs that repeat, whose cell the caller keeps.

    Raises:
        InputError: for no molecules, one that lacks a key or has a potential on a grid, or one that repeats.
    """

    def __init__(self, molecules: Sequence[AFMData], periodic: bool = False) -> None:
        if len(molecules) == 0:
            raise InputError("molecules: expected at least one, got none")
        columns: dict[str, list[np.ndarray]] = {"z": [], "pos": [], "charge": [], "edge_index": []}
        dipoles: list[np.ndarray | None] = []
        for i in range(len(molecules)):
            molecule = molecules[i]
            (check_no_potential if periodic else check_island)(f"molecules: molecule {i}", molecule)
            for key, column in columns.items():
                if key not in molecule:
                    raise InputError(f"molecules: expected {key!r} in each, got none in molecule {i}")
                column.append(np.asarray(molecule[key]))
            dipoles.append(np.asarray(molecule.dipole) if "dipole" in molecule else None)
        if any(d is not None for d in dipoles):
            none = (np.zeros((len(z), 3), np.float32) for z in columns["z"])
            columns["dipole"] = [n if d is None else d for d, n in zip(dipoles, none, strict=True)]
        self.atoms = np.cumsum([0] + [len(z) for z in columns["z"]])
        self.bonds = np.cumsum([0] + [e.shape[1] for e in columns["edge_index"]])
        self.values = {
            key: np.concatenate(parts, axis=-1 if key == "edge_index" else 0)
            for key, parts in columns.items()
        }

    def __len__(self) -> int:
        return len(self.atoms) - 1

    def __getitem__(self, i: int) -> AFMData:
        """A copy of molecule ``i``."""
        i = range(len(self))[i]
        atoms, bonds = slice(*self.atoms[i : i + 2]), slice(*self.bonds[i : i + 2])
        parts = {key: v[:, bonds] if key == "edge_index" else v[atoms] for key, v in self.values.items()}
        return AFMData(**{key: torch.from_numpy(part.copy()) for key, part in parts.items()})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)})"


def check_margin(margin: float | None) -> None:
    """Raise :class:`InputError` for a ``margin`` that is no length."""
    if margin is not None and not margin >= 0:
        raise InputError(f"margin: expected a length in Å, 0 or more, got {margin}")


def within_margin(pos: Tensor, scan: Scan, margin: float | None) -> Tensor:
    """Atoms no farther outside of the window than ``margin``, ``[N]``; all, where there is none."""
    if margin is None:
        return torch.ones(len(pos), dtype=torch.bool)
    low, high = pos.new_tensor(scan.window).T
    return ((pos[:, :2] >= low - margin) & (pos[:, :2] <= high + margin)).all(dim=1)
