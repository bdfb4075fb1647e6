"""What the readers of Nanonis' files share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch_afm.io.scans.scan_block import number
from torch_afm.units import ANGSTROM_PER_M
from torch_afm.utils import InputError

#: Settings that are kept, their names in the headers in small letters, and what they are multiplied by.
_SETTINGS = {
    "amplitude": ("oscillation control>amplitude setpoint (m)", ANGSTROM_PER_M),
    "f0": ("oscillation control>center frequency (hz)", 1.0),
    "bias": ("bias>bias (v)", 1.0),
}


def settings(path: Path, header: Mapping[str, Any]) -> dict[str, float | str]:
    """Amplitude [Å], resonance frequency [Hz] and bias [V] of a header, and whether the height was
    controlled, as far as it tells."""
    lower = {key.lower(): value for key, value in header.items()}
    found: dict[str, float | str] = {
        name: number(path, key, lower[key]) * factor
        for name, (key, factor) in _SETTINGS.items()
        if key in lower
    }
    if "z-controller>controller status" in lower:
        found["feedback"] = str(lower["z-controller>controller status"]).strip()
    return found


def nanonispy2_read() -> Any:
    """The module ``nanonispy2.read``, or :class:`InputError` naming the extra that brings it."""
    try:
        from nanonispy2 import read  # not at the top: an optional dependency
    except ImportError:
        raise InputError("nanonispy2: expected it to be installed; pip install 'torch_afm[io]'") from None
    return read
