"""Stacks of constant-height AFM images."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import ForceField, Scan, Tip, from_dict
from torch_afm.io.files import load_npz, write_whole
from torch_afm.io.oscillation import choose_oscillation
from torch_afm.io.write_gwy import gwy_bytes
from torch_afm.io.write_xsf import xsf_bytes
from torch_afm.utils import InputError, check_finite, check_shape

C = TypeVar("C", ForceField, Scan, Tip)

#: Largest difference between the steps of pixels, as a share of them.
_EVEN = 1e-3

#: The same between heights, and of the steps of a stack from those of a scan.
_EVEN_HEIGHTS = 0.01

#: Share of a pixel by which the window of a stack may lie off that of a scan.
_OFFSET = 0.05

#: Settings that are finite numbers.
_NUMBERS = ("amplitude", "f0", "k", "angle", "z_spread", "measured", "z_top")


class RecordedSettings:
    """What ``meta`` of a stack records, as config dataclasses and numbers."""

    meta: dict[str, Any]

    @property
    def tip(self) -> Tip | None:
        """The tip it was taken with, where that is known."""
        return _config(self.meta, "tip", Tip)

    @property
    def recorded_scan(self) -> Scan | None:
        """The scan that ``meta`` holds; its window, pixels and heights may be those of another stack."""
        return _config(self.meta, "scan", Scan)

    @property
    def forcefield(self) -> ForceField | None:
        """The force field that it was simulated with, where that is known."""
        return _config(self.meta, "forcefield", ForceField)

    @property
    def amplitude(self) -> float | None:
        """Of the oscillation, peak to peak in Å, where it is known."""
        scan, stated = self.recorded_scan, float(self.meta.get("amplitude", 0.0))
        return scan.amplitude if scan is not None else stated if stated > 0 else None

    @property
    def leveled(self) -> bool:
        """Whether the plane of each slice was taken out."""
        return self.meta.get("leveled") is True

    @property
    def z_top(self) -> float | None:
        """First anchor height in Å above the top atom, where it is known."""
        return float(self.meta["z_top"]) if "z_top" in self.meta else None


@dataclass(frozen=True, eq=False)
class AFMStack(RecordedSettings):
    """Constant-height images and the points they were taken at, with all that is known of how.

    Args:
        stack: frequency shift in Hz, or in :attr:`unit`.
        x: pixel positions in Å, increasing, evenly spaced.
        y: pixel positions in Å, increasing, evenly spaced.
        z: anchor height at the middle of the oscillation of each slice in Å, decreasing: far to near.
        meta: every other setting; must fit into JSON. With a meaning here: ``scan`` and ``tip``, the config
            dataclasses as dicts; ``z_top``, the first anchor height in Å above the top atom; ``amplitude``
            [Å, peak to peak], ``f0`` [Hz] and ``k`` [N/m] of the oscillation, where there is no ``scan``;
            ``unit`` of the images, Hz where there is none; ``measured``, how many slices were measured, where
            these are interpolated; ``angle`` of the scan frame in degrees; ``z_spread``, by how many Å the
            heights of the pixels of one slice differ; ``warnings``, a list of texts.

    Shapes:
        stack ``[C, Z, Y, X]`` float32, x ``[X]``, y ``[Y]``, z ``[Z]``.

    Raises:
        InputError: for a wrong shape, an empty axis, a value that is not finite, an axis not in order, or a
            setting of those above that cannot be, naming the argument.
    """

    stack: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stack", _numbers("stack", self.stack, np.float32, 4, "C, Z, Y, X"))
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
            object.__setattr__(self, name, axis)
        check_meta(self.meta)

    @property
    def unit(self) -> str:
        """Unit of the images."""
        return str(self.meta.get("unit", "Hz"))

    def scan(self, default: Scan) -> Scan:
        """The scan: window, pixels and heights by the positions, the rest by ``meta["scan"]``, else the
        oscillation by ``meta["amplitude"]``, ``["f0"]`` and ``["k"]``, else by ``default``. Warns where whole
        steps of height do not make the amplitude.

        Raises:
            InputError: for heights that are not evenly spaced, or in other steps than ``meta["scan"]`` has.
        """
        if not self.even_heights:
            steps = -np.diff(self.z)
            raise InputError(
                f"z: expected evenly spaced heights, got steps from {steps.min():.3g} to {steps.max():.3g} Å"
            )
        recorded = self.recorded_scan
        scan = recorded or default
        _, nz, ny, nx = self.stack.shape
        if nz > 1:
            dz = float(self.z[0] - self.z[-1]) / (nz - 1)
            equal = abs(dz - scan.dz) <= _EVEN_HEIGHTS * scan.dz
            if recorded and not equal:
                raise InputError(f"z: expected steps of {scan.dz:g} Å, as its scan says, got {dz:.4g} Å")
            if not recorded:
                scan, _, cautions = choose_oscillation(self.meta, scan, scan.dz if equal else dz)
                for text in cautions:
                    warnings.warn(text, stacklevel=2)
        sides = ((float(self.x[0]), float(self.x[-1])), (float(self.y[0]), float(self.y[-1])))
        return dataclasses.replace(scan, window=sides, pixels=(nx, ny), n_slices=nz)

    def fits(self, scan: Scan) -> bool:
        """Whether this is one channel with the slices, pixels and window of ``scan``, in even steps."""
        if self.stack.shape != (1, *scan.shape) or not self.even_heights:
            return False
        window = np.array([[axis[0], axis[-1]] for axis in (self.x, self.y)])
        return bool(np.abs(window - scan.window).max() <= _OFFSET * min(scan.pixel_size))

    @property
    def even_heights(self) -> bool:
        """Whether the slices are in even steps, to a hundredth of them."""
        steps = np.diff(self.z)
        return len(steps) < 2 or bool(np.ptp(steps) <= _EVEN_HEIGHTS * np.abs(steps).mean())

    def tensor(self) -> Tensor:
        """The images as networks take them, ``[1, C, Z, Y, X]`` float32."""
        return torch.from_numpy(np.ascontiguousarray(self.stack))[None]


def write_stack(path: str | Path, stack: AFMStack) -> None:
    """Write a stack, whole or not at all, in the format that the ending of the file names: ``.npz`` with all
    that is known of it (``stack``, ``x``, ``y``, ``z`` and ``meta``, a JSON string), ``.gwy`` for Gwyddion
    (:func:`torch_afm.io.write_gwy.gwy_bytes`), ``.xsf`` for XCrySDen, VESTA and ASE
    (:func:`torch_afm.io.write_xsf.xsf_bytes`).

    Raises:
        InputError: for another ending, settings that do not fit into JSON or the format, and a file that
            cannot be written.
    """
    path = Path(path)
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise InputError(f"{path}: expected a file name ending in {', '.join(_WRITERS)}")
    try:
        write_whole(path, writer(stack))
    except OSError as error:
        raise InputError(f"{path}: cannot write ({error.strerror})") from None


def _npz_bytes(stack: AFMStack) -> bytes:
    try:
        meta = np.array(json.dumps(stack.meta, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"meta: expected settings that fit into JSON ({error})") from None
    buffer = io.BytesIO()
    np.savez(buffer, stack=stack.stack, x=stack.x, y=stack.y, z=stack.z, meta=meta)
    return buffer.getvalue()


#: What makes the bytes of files, by their endings: torch_afm.config.formats.STACK_SUFFIXES.
_WRITERS: dict[str, Callable[[AFMStack], bytes]] = {
    ".npz": _npz_bytes,
    ".gwy": gwy_bytes,
    ".xsf": xsf_bytes,
}


def read_npz_stack(path: str | Path) -> AFMStack:
    """Read what :func:`write_stack` wrote as npz; ``meta`` may be left out, and positions may have any order.

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


def check_meta(meta: Any) -> None:
    """Refuse settings of a stack that nothing could use.

    Raises:
        InputError: naming the setting.
    """
    if not isinstance(meta, dict):
        raise InputError(f"meta: expected a dict, got {type(meta).__name__}")
    _config(meta, "scan", Scan)
    _config(meta, "tip", Tip)
    _config(meta, "forcefield", ForceField)
    for key in _NUMBERS:
        value = meta.get(key, 0)
        if not _is_number(value):
            raise InputError(f"meta: {key}: expected a finite number, got {str(value)[:80]!r}")
    for key in ("warnings", "skipped"):
        if not isinstance(meta.get(key, []), list):
            raise InputError(f"meta: {key}: expected a list, got {str(meta[key])[:80]!r}")
    for entry in meta.get("skipped", []):
        if not isinstance(entry, list) or len(entry) != 2:
            raise InputError(f"meta: skipped: expected names and reasons, got {str(entry)[:80]!r}")
    for key in ("center", "origin"):
        place = meta.get(key, (0.0, 0.0))
        if not isinstance(place, list | tuple) or len(place) != 2 or not all(map(_is_number, place)):
            raise InputError(f"meta: {key}: expected two finite numbers of Å, got {str(place)[:80]!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _config(meta: Mapping[str, Any], key: str, cls: type[C]) -> C | None:
    """The config dataclass that ``meta`` holds under ``key``; ``None`` where it holds none."""
    if key not in meta:
        return None
    if not isinstance(meta[key], Mapping):
        raise InputError(f"meta: {key}: expected settings by name, got {str(meta[key])[:80]!r}")
    try:
        return from_dict(cls, meta[key])
    except (TypeError, ValueError) as error:
        raise InputError(f"meta: cannot read {key!r}: {error}") from None


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
