"""Many molecules in few arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from torch_afm.data import AFMData
from torch_afm.data.checks import check_island, check_no_potential
from torch_afm.utils import InputError


class PackedMolecules:
    """Molecules, concatenated in NumPy arrays: thousands of tensors could not be passed to a worker process.

    Args:
        molecules: molecules with ``z``, ``pos``, ``charge`` and ``edge_index``; other keys are dropped, for
            all samples of a data set must carry the same.
        periodic: take graphs that repeat, whose cell the caller keeps.

    Raises:
        InputError: for no molecules, one that lacks a key or has a potential on a grid, or one that repeats.
    """

    def __init__(self, molecules: Sequence[AFMData], periodic: bool = False) -> None:
        if len(molecules) == 0:
            raise InputError("molecules: expected at least one, got none")
        columns: dict[str, list[np.ndarray]] = {"z": [], "pos": [], "charge": [], "edge_index": []}
        for i in range(len(molecules)):
            molecule = molecules[i]
            (check_no_potential if periodic else check_island)(f"molecules: molecule {i}", molecule)
            for key, column in columns.items():
                if key not in molecule:
                    raise InputError(f"molecules: expected {key!r} in each, got none in molecule {i}")
                column.append(np.asarray(molecule[key]))
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
