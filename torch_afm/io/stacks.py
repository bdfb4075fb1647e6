"""Stacks of constant-height AFM images in npz files."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from torch_afm.io.files import write_whole
from torch_afm.io.npz import load_npz
from torch_afm.utils import InputError, check_finite, check_shape

#: Largest difference between the steps of pixels, as a share of them.
_EVEN = 1e-3


@dataclass(eq=False)
class AFMStack:
    """Δf images and the points they were taken at.

    Args:
        stack: frequency shift in Hz.
        x: pixel positions in Å, increasing, evenly spaced.
        y: pixel positions in Å, increasing, evenly spaced.
        z: anchor height at the middle of the oscillation of each slice in Å, decreasing: far to near.
        meta: every other setting; must fit into JSON.

    Shapes:
        stack ``[C, Z, Y, X]`` float32, x ``[X]``, y ``[Y]``, z ``[Z]``.

    Raises:
        InputError: for a wrong shape, an empty axis, a value that is not finite, or an axis not in order,
            naming the argument.
    """

    stack: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stack = _numbers("stack", self.stack, np.float32, 4, "C, Z, Y, X")
        for name, length, sign in zip("zyx", self.stack.shape[1:], (-1, 1, 1), strict=True):
            axis = _numbers(name, getattr(self, name), np.float64, 1, name.upper())
            check_shape(name, axis, (length,))
            if (sign * np.diff(axis) <= 0).any():
                raise InputError(
                    f"{name}: expected {'in' if sign > 0 else 'de'}creasing positions, got others"
                )
            steps = np.diff(axis)
            if name != "z" and len(steps) and np.ptp(steps) > _EVEN * steps.mean():
                raise InputError(
                    f"{name}: expected evenly spaced pixels, got steps from {steps.min():g} to "
                    f"{steps.max():g} Å; interpolate the images onto even ones"
                )
            setattr(self, name, axis)
        if not isinstance(self.meta, dict):
            raise InputError(f"meta: expected a dict, got {type(self.meta).__name__}")


def write_stack(path: str | Path, stack: AFMStack) -> None:
    """Write a stack as npz: ``stack``, ``x``, ``y``, ``z`` and ``meta``, a JSON string; whole, or not at all.

    Raises:
        InputError: if the settings do not fit into JSON, or the file cannot be written.
    """
    try:
        meta = np.array(json.dumps(stack.meta, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"meta: expected settings that fit into JSON ({error})") from None
    buffer = io.BytesIO()
    np.savez(buffer, stack=stack.stack, x=stack.x, y=stack.y, z=stack.z, meta=meta)
    try:
        write_whole(Path(path), buffer.getvalue())
    except OSError as error:
        raise InputError(f"{path}: cannot write ({error.strerror})") from None


def read_npz_stack(path: str | Path) -> AFMStack:
    """Read what :func:`write_stack` wrote; ``meta`` may be left out, and positions may have any order.

    Raises:
        InputError: for a missing or damaged file, a missing key, or anything :class:`AFMStack` refuses,
            naming the file and the key.
    """
    arrays = load_npz(path)
    missing = [key for key in ("stack", "x", "y", "z") if key not in arrays]
    if missing:
        held = ", ".join(arrays) or "nothing"
        raise InputError(
            f"{path}: expected the keys stack, x, y and z, got {held}; {', '.join(missing)} missing"
        )
    try:
        meta = json.loads(arrays["meta"].item()) if "meta" in arrays else {}
    except (TypeError, ValueError):
        raise InputError(f"{path}: meta: expected one JSON string, got something else") from None
    return as_stack(path, arrays, meta)


def as_stack(path: str | Path, arrays: dict[str, np.ndarray], meta: Any) -> AFMStack:
    """The arrays of a file as a stack; axes in another order are sorted, and the images with them.

    Raises:
        InputError: for anything :class:`AFMStack` refuses, naming the file and the key.
    """
    held = {key: arrays[key] for key in ("stack", "x", "y", "z")}
    for axis, (name, sign) in enumerate((("z", -1), ("y", 1), ("x", 1)), start=1):
        positions = np.asarray(held[name])
        # Anything that is no axis is left to AFMStack, which says so.
        fits = positions.ndim == 1 and held["stack"].ndim == 4 and len(positions) == held["stack"].shape[axis]
        if fits and positions.dtype.kind in "fiu":
            order = np.argsort(sign * positions.astype(np.float64), kind="stable")
            held[name], held["stack"] = positions[order], np.take(held["stack"], order, axis)
    try:
        return AFMStack(**held, meta=meta)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _numbers(name: str, values: Any, dtype: type, ndim: int, axes: str) -> np.ndarray:
    """``values`` as a finite, non-empty array of ``ndim`` dimensions."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name}: expected real numbers, got {array.dtype}")
    if array.ndim != ndim or array.size == 0:
        raise InputError(f"{name}: expected a non-empty array [{axes}], got shape {array.shape}")
    with np.errstate(over="ignore"):
        array = array.astype(dtype)
    check_finite(name, array)
    return array
