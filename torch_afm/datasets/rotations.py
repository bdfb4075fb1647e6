"""The best rotations of many molecules, kept in the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from torch_afm.data import AFMData
from torch_afm.datasets.cache import read_arrays, write_arrays
from torch_afm.transforms.rotations import best_rotation_ids, candidate_rotations
from torch_afm.utils import cache_dir

#: Fewer molecules are judged in a moment, so no file is written for them.
_MIN_STORED = 100


def rotation_table(
    molecules: Sequence[AFMData],
    n: int = 30,
    candidates: int = 500,
    seed: int = 0,
    cache: bool | str | Path = True,
) -> tuple[np.ndarray, np.ndarray]:
    """:func:`~torch_afm.transforms.best_rotations` of every molecule, as ids and as quaternions.

    Quaternions are stored beside the ids, so that a stored table stays what it is should another version of
    SciPy draw other candidates.

    Args:
        molecules: molecules with ``pos``.
        n: rotations of each.
        candidates: rotations that these are chosen from.
        seed: of the candidates.
        cache: whether to keep the result, or the folder to keep it in; by default the user's cache folder.

    Shapes:
        ids ``[M, n]``, counting :func:`~torch_afm.transforms.rotations.candidate_rotations`, best first;
        quaternions ``[M, n, 4]`` as (x, y, z, w).

    Raises:
        InputError: as :func:`~torch_afm.transforms.rotations.best_rotation_ids`.
    """
    positions = [np.asarray(m.pos) for m in molecules]
    folder = None if cache is False else cache_dir() / "rotations" if cache is True else Path(cache)
    path = None
    if folder is not None and len(positions) >= _MIN_STORED:
        digest = hashlib.sha256(f"{n} {candidates} {seed} 1.0".encode())
        for pos in positions:
            digest.update(f" {pos.shape} {pos.dtype.str} ".encode() + pos.tobytes())
        path = folder / f"{digest.hexdigest()[:24]}.npz"
        stored = read_arrays(path)
        if stored is not None:
            return stored["ids"], stored["quaternions"]
    ids = best_rotation_ids(positions, n, candidates, seed)
    quaternions = candidate_rotations(candidates, seed).as_quat()[ids]
    if path is not None:
        write_arrays(path, {"ids": ids, "quaternions": quaternions})
    return ids, quaternions
