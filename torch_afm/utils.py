"""Errors and input checks shared by the whole package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np


class InputError(ValueError):
    """Raised for anything wrong with what a user passed in: one line naming the argument, what was expected
    and what came. The command line prints it as it is and exits with status 2."""


class BackendUnavailable(RuntimeError):
    """A backend cannot be used here; the message says why and what to do."""


def cache_dir() -> Path:
    """``$XDG_CACHE_HOME/torch_afm``, by default ``~/.cache/torch_afm``; not created yet."""
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(base if base else os.path.expanduser("~/.cache")) / "torch_afm"


def check_finite(name: str, values: Any) -> None:
    """Raise :class:`InputError` if ``values`` (array or tensor) holds a NaN or an infinity."""
    import torch  # not at the top: the command line tells its options without it

    if torch.is_tensor(values):
        bad = int((~torch.isfinite(values)).sum()) if values.is_floating_point() else 0
    else:
        array = np.asarray(values)
        bad = int((~np.isfinite(array)).sum()) if array.dtype.kind in "fc" else 0
    if bad:
        raise InputError(f"{name}: expected finite numbers, got {bad} NaN or infinite value(s)")


def check_shape(name: str, values: Any, shape: tuple[int | None, ...]) -> None:
    """Raise :class:`InputError` unless ``values.shape`` matches ``shape`` (``None`` matches any length)."""
    got = tuple(values.shape)
    if len(got) != len(shape) or any(w is not None and w != g for w, g in zip(shape, got, strict=True)):
        want = ", ".join("any" if s is None else str(s) for s in shape)
        raise InputError(f"{name}: expected shape ({want}), got {got}")
