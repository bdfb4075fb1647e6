"""What the readers of Nanonis' files share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch_afm.io.scans.scan_block import bracketed, plain, quantity
from torch_afm.io.text import decode_bytes
from torch_afm.units import ANGSTROM_PER_M
from torch_afm.utils import InputError

#: Bytes in which a header must end.
_HEADER = 2**22

#: Settings that are kept: their names in headers, their units, and what they are multiplied by.
_SETTINGS = {
    "amplitude": ("Oscillation Control>Amplitude Setpoint", "m", 2 * ANGSTROM_PER_M),
    "f0": ("Oscillation Control>Center Frequency", "Hz", 1.0),
    "bias": ("Bias>Bias", "V", 1.0),
}


def header_lines(path: Path, end: str) -> tuple[list[str], int]:
    """The lines of a text header up to the one that holds ``end``, and the byte after that line. Lines end in
    CRLF or LF: editors and version control turn one into the other.

    Raises:
        InputError: where there is no such line.
    """
    with open(path, "rb") as file:
        head = file.read(_HEADER)
    at = head.find(end.encode())
    stop = head.find(b"\n", at)
    if at < 0 or stop < 0:
        raise InputError(f"{path}: expected a header that ends in {end}, got none")
    begin = head.rfind(b"\n", 0, at) + 1
    return [line.rstrip("\r") for line in decode_bytes(head[:begin]).split("\n")], stop + 1


def entry(path: Path, header: Mapping[str, str], key: str) -> str:
    """What a header says under ``key``.

    Raises:
        InputError: where it says nothing: no place or height is ever made up.
    """
    if key not in header:
        raise InputError(f"{path}: expected {key} in its header, got none")
    return header[key]


def settings(path: Path, header: Mapping[str, Any]) -> dict[str, float | str]:
    """Oscillation amplitude [Å, peak to peak; headers tell half of it], resonance frequency [Hz] and bias [V]
    of a header, and whether the height was controlled, as far as it tells.

    Raises:
        InputError: where one of these is no number in a unit that is known.
    """
    found: dict[str, float | str] = {}
    wanted = {plain(name): (key, unit, factor) for key, (name, unit, factor) in _SETTINGS.items()}
    for name, text in header.items():
        bare, unit = bracketed(name)
        if plain(bare) in wanted:
            key, base, factor = wanted[plain(bare)]
            value = quantity(text, unit, base)
            if value is None:
                raise InputError(
                    f"{path}: {name}: expected a finite number in {base}, got {str(text)[:80]!r}"
                )
            found[key] = value * factor
        elif plain(name) == plain("Z-Controller>Controller status"):
            found["feedback"] = str(text).strip().upper()
    return found
