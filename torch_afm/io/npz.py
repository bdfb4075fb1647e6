"""Plain npz archives, read with care."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from torch_afm.utils import InputError

#: What NumPy and zipfile raise on files that are no npz archive, or a damaged one.
_DAMAGE = (OSError, ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, MemoryError)

#: Bytes that the arrays of one archive may take.
MAX_BYTES = 2**31


def load_npz(path: str | Path) -> dict[str, np.ndarray]:
    """All arrays of an npz archive. No pickled object is ever loaded.

    The zip format keeps a CRC-32 of each member, checked here, so a flipped bit or a truncated file does not
    go unnoticed.

    Raises:
        InputError: for a missing file, one that is no npz archive, or a damaged array, naming file and key.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path}: expected an npz archive, got something else or a truncated one")
    arrays, key = {}, "the archive"
    try:
        with np.load(path, allow_pickle=False) as archive:
            size = sum(member.file_size for member in archive.zip.infolist())
            if size > MAX_BYTES:
                raise ValueError(f"{size} bytes, more than {MAX_BYTES}")
            for key in archive.files:
                arrays[key] = archive[key]
    except (*_DAMAGE, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: cannot read {key} ({reason})") from None
    return arrays
