"""Arrays kept in the user's cache folder. A lost or damaged file costs time, never a wrong number."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from torch_afm.io.npz import load_npz
from torch_afm.utils import InputError


def cache_dir() -> Path:
    """``$XDG_CACHE_HOME/torch_afm``, by default ``~/.cache/torch_afm``; not created yet."""
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(base if base else Path.home() / ".cache") / "torch_afm"


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> bool:
    """Write an npz whole or not at all. Where that fails, warn and return ``False``."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            np.savez(file, **arrays)  # type: ignore[arg-type]
        temporary.replace(path)
        return True
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        warnings.warn(f"{path}: cannot write the cache, going on without it ({error})", stacklevel=2)
        return False


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of an npz, or ``None`` where there is none; a damaged one gives a warning and ``None``."""
    if not path.is_file():
        return None
    try:
        return load_npz(path)
    except InputError as error:
        warnings.warn(f"{error}; the cached file is damaged, computing it anew", stacklevel=2)
        return None
