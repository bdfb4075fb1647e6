"""Stacks as files of Gwyddion."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from torch_afm.units import ANGSTROM_PER_M
from torch_afm.utils import InputError

if TYPE_CHECKING:
    from torch_afm.io.stacks import AFMStack

#: Bytes that an object may have: their number is written in 32 bits.
_MAX_BYTES = 2**32 - 1


def gwy_bytes(stack: AFMStack) -> bytes:
    """The file of a stack for Gwyddion (``.gwy``; "Gwyddion native format" in its user guide): one image for
    each channel and slice, far to near, with its place in m and its height in the title. The metadata of each
    hold the height, the amplitude and the resonance frequency under the names that Nanonis has for them,
    which :func:`torch_afm.io.scans.read_scan` reads: ``Z-Controller>Z``, ``Oscillation Control>Amplitude
    Setpoint`` (half of the amplitude peak to peak) and ``Oscillation Control>Center Frequency``.

    Args:
        stack: what is written; other settings in its ``meta`` are not.

    Raises:
        InputError: for more than 4 GiB.
    """
    scan = stack.recorded_scan
    f0 = scan.f0 if scan is not None else float(stack.meta.get("f0", 0.0))
    known = {}
    if stack.amplitude is not None:
        known["Oscillation Control>Amplitude Setpoint"] = f"{stack.amplitude / 2!r} Å"
    if f0 > 0:
        known["Oscillation Control>Center Frequency"] = f"{f0!r} Hz"
    dx, dy = (float(axis[1] - axis[0]) if len(axis) > 1 else 1.0 for axis in (stack.x, stack.y))
    _, nz, ny, nx = stack.stack.shape
    frame = {
        "xres": nx,
        "yres": ny,
        "xreal": nx * dx / ANGSTROM_PER_M,
        "yreal": ny * dy / ANGSTROM_PER_M,
        # Of the upper left corner; y runs downwards in Gwyddion.
        "xoff": (float(stack.x[0]) - dx / 2) / ANGSTROM_PER_M,
        "yoff": -(float(stack.y[-1]) + dy / 2) / ANGSTROM_PER_M,
        "si_unit_xy": ("GwySIUnit", {"unitstr": "m"}),
        "si_unit_z": ("GwySIUnit", {"unitstr": stack.unit}),
    }
    channel = "Frequency shift" if stack.unit == "Hz" else str(stack.meta.get("channel", "Channel"))
    contents: dict[str, Any] = {}
    for c, images in enumerate(stack.stack):
        name = channel if len(stack.stack) == 1 else f"{channel} {c}"
        for i, (image, z) in enumerate(zip(images, stack.z.tolist(), strict=True)):
            key = f"/{c * nz + i}"
            contents[f"{key}/data"] = ("GwyDataField", frame | {"data": image[::-1].astype("<f8")})
            contents[f"{key}/data/title"] = f"{name} (z = {z:.3f} Å)"
            contents[f"{key}/meta"] = ("GwyContainer", known | {"Z-Controller>Z": f"{z!r} Å"})
    # Gwyddion opens a window for each image that is visible: the nearest one of the first channel.
    contents[f"/{nz - 1}/data/visible"] = True
    return b"GWYP" + _object("GwyContainer", contents)


def _object(name: str, contents: Mapping[str, Any]) -> bytes:
    """An object: its name, the number of bytes of its components, and these."""
    body = b"".join(_text(key) + _value(value) for key, value in contents.items())
    if len(body) > _MAX_BYTES:
        raise InputError(f"stack: expected at most {_MAX_BYTES} bytes in a .gwy file, got {len(body)}")
    return _text(name) + struct.pack("<I", len(body)) + body


def _value(value: Any) -> bytes:
    """A component without its name: a letter for its type, and what it holds."""
    if isinstance(value, bool):
        return b"b" + struct.pack("<?", value)
    if isinstance(value, int):
        return b"i" + struct.pack("<i", value)
    if isinstance(value, float):
        return b"d" + struct.pack("<d", value)
    if isinstance(value, str):
        return b"s" + _text(value)
    if isinstance(value, np.ndarray):
        return b"D" + struct.pack("<I", value.size) + value.tobytes()
    return b"o" + _object(*value)


def _text(text: str) -> bytes:
    return text.replace("\0", "").encode() + b"\0"
