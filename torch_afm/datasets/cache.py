"""Arrays kept in the user's cache folder. A lost or damaged file costs time, never a wrong number."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from torch_afm.io.files import load_npz, write_whole
from torch_afm.utils import InputError

_CHECKSUM = "sha256"


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> bool:
    """Write an npz, with a checksum of its arrays, whole or not at all. Where that fails, warn and return
    ``False``."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays, **{_CHECKSUM: _checksum(arrays)})  # type: ignore[arg-type]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, buffer.getvalue())
        return True
    except OSError as error:
        warnings.warn(f"{path}: cannot write the cache, going on without it ({error})", stacklevel=2)
        return False


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of :func:`write_arrays`, or ``None`` where there is no such file; a damaged one, or one
    whose arrays are not those of its checksum, gives a warning and ``None``."""
    if not path.is_file():
        return None
    try:
        arrays = load_npz(path)
        expected = arrays.pop(_CHECKSUM, np.empty(0))
        if not np.array_equal(expected, _checksum(arrays)):
            raise InputError(f"{path}: expected arrays with the file's checksum, got others")
        return arrays
    except InputError as error:
        warnings.warn(f"{error}; the cached file is damaged, computing it anew", stacklevel=2)
        return None


def _checksum(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """SHA-256 of names, types, shapes and values."""
    digest = hashlib.sha256()
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key} {array.dtype.str} {arrays[key].shape} ".encode())
        digest.update(array.tobytes())
    return np.frombuffer(digest.digest(), dtype=np.uint8)
