"""Datasets and attributes of HDF5 files, read with care."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from torch_afm.io.files import decode_bytes
from torch_afm.io.hdf5 import import_h5py
from torch_afm.io.scans.scan_block import EXPANSION, MAX_VALUES, check_size
from torch_afm.utils import InputError

#: Bytes of an attribute at most.
_MAX_TEXT = 1024


def read_dataset(path: Path, file: Any, key: str, dtype_kinds: str) -> np.ndarray:
    """A dataset, after everything that could take memory or lead out of the file was checked.

    Args:
        path: the file.
        file: an open ``h5py.File``.
        key: name of the dataset.
        dtype_kinds: NumPy's letters of the types that it may have; ``"S"`` for a text of fixed length.

    Raises:
        InputError: where there is no such dataset in the file itself, or one of another type or size.
    """
    h5py = import_h5py()
    if not isinstance(file.get(key, getlink=True), h5py.HardLink) or not isinstance(file[key], h5py.Dataset):
        raise InputError(
            f"{path}: expected a dataset {key!r} in the file itself, got "
            f"{', '.join(map(repr, list(file)[:20])) or 'none'}"
        )
    dataset = file[key]
    if dataset.dtype.kind not in dtype_kinds or dataset.external or dataset.is_virtual:
        wanted = "a text of fixed length" if dtype_kinds == "S" else "real numbers"
        raise InputError(f"{path}: {key}: expected {wanted} in the file itself, got {dataset.dtype}")
    held = min(EXPANSION * path.stat().st_size, MAX_VALUES)
    check_size(path, int(dataset.size) * max(dataset.dtype.itemsize // 8, 1), held)
    check_size(path, int(np.prod(dataset.chunks or 1, dtype=object)), held)
    return np.asarray(dataset[()])


def read_attribute(dataset: Any, name: str) -> str | None:
    """A text of fixed length beside a dataset; empty for anything else, ``None`` where there is none: the
    HDF5 library takes whatever memory a damaged file says that texts of variable length need.

    Args:
        dataset: an ``h5py.Dataset``.
        name: of the attribute.
    """
    if name not in dataset.attrs:
        return None
    held = dataset.attrs.get_id(name)
    if held.dtype.kind != "S" or held.dtype.itemsize > _MAX_TEXT or held.shape not in ((), (1,)):
        return ""
    return decode_bytes(np.ravel(dataset.attrs[name])[0]).strip("\0 ")
