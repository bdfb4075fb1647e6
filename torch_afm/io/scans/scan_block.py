"""The block of images that every reader of scan files returns, and the checks of headers that they share."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from torch_afm.utils import InputError

#: Values in one stack at most: 512 MiB in float64.
MAX_VALUES = 2**26

#: Bytes that one byte of a compressed file can hold at most: 1032 with deflate, fewer than 1500 with LZW.
EXPANSION = 1500

#: What slices must have in common: its name in ``meta``, how it is called, its unit, and how far it may
#: differ, as a share and as a number. Resonances drift by less, angles are rounded by less.
_COMMON = (
    ("angle", "scan angle", "°", 0.0, 0.1),
    ("amplitude", "oscillation amplitude", "Å", 0.01, 0.0),
    ("f0", "resonance frequency", "Hz", 0.01, 0.0),
    ("bias", "bias", "V", 0.02, 0.02),
)

#: Powers of ten that prefixes of units stand for.
_PREFIXES = {"f": -15, "p": -12, "n": -9, "u": -6, "µ": -6, "μ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9}

#: Names of Δf, without blanks, brackets and punctuation: "OC M1 Freq. Shift (Hz)", "Frequency_Shift", "df",
#: "dFreq".
_FREQUENCY_SHIFT = re.compile(r"freq(uency)?shift|^(df|δf|deltaf|dfreq|dfrequency)(hz)?$")


@dataclass(frozen=True, eq=False)
class ScanBlock:
    """Images of one file, as they were measured.

    Args:
        values: in ``unit``, x to the right and y upwards: ``values[:, 0, 0]`` is the lower left corner of the
            scan frame. NaN where a scan was not finished.
        heights: height of the tip in Å, larger is farther from the surface; ``None`` where the file does not
            tell.
        size: width and height of the scan frame in Å; ``None`` where the file does not tell.
        center: of the scan frame in Å.
        unit: of the values.
        channel: its name in the file.
        direction: ``"forward"`` or ``"backward"``.
        meta: everything else that is kept; fits into JSON. ``amplitude``: of the oscillation, peak to peak,
            in Å; ``f0``: resonance frequency in Hz; ``angle``: of the scan frame in degrees, clockwise;
            ``feedback``: ``"ON"`` where the height was controlled while the image was taken; ``time``: when
            the image was begun, in s since 1970 by the clock of the microscope; ``duration``: how long it
            took in s; ``warnings``: what may be wrong with the file.
        channels: names of all channels of the file.

    Shapes:
        values ``[Z, Y, X]`` float64, heights ``[Z]`` in any order.
    """

    values: np.ndarray
    heights: np.ndarray | None
    size: tuple[float, float] | None
    center: tuple[float, float]
    unit: str
    channel: str
    direction: str
    meta: dict[str, Any] = field(default_factory=dict)
    channels: tuple[str, ...] = ()


class ChannelError(InputError):
    """Raised where a file has no channel of the wanted name.

    Args:
        message: the error.
        channels: those of the file.
    """

    def __init__(self, message: str, channels: Sequence[str]) -> None:
        super().__init__(message)
        self.channels = tuple(channels)


@contextmanager
def reading(path: Path, file_type: str) -> Iterator[None]:
    """Turn whatever a library raises on a damaged file into one :class:`InputError`, and keep it quiet."""
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except Exception as error:  # damaged files make Pillow, h5py and the parsers here raise nearly everything
        reason = " ".join(str(error).split())[:200] or "no reason given"
        raise InputError(
            f"{path}: expected an intact {file_type}, got something else or a damaged one "
            f"({type(error).__name__}: {reason})"
        ) from None


def check_size(path: Path, values: int, available: int) -> None:
    """Raise :class:`InputError` unless a header that announces ``values`` numbers fits the limit and the
    ``available`` ones that the file has room for, before any memory is taken."""
    if not 0 < values <= MAX_VALUES:
        raise InputError(f"{path}: expected 1 to {MAX_VALUES} values, got a header that announces {values}")
    if available < values:
        raise InputError(
            f"{path}: expected {values} values as its header says, got {available}: a truncated file"
        )


def compare_settings(first: tuple[str, Mapping[str, Any]], other: Mapping[str, Any]) -> str | None:
    """Which setting of an image differs from that of the first one of its stack, in words; ``None`` where
    none does.

    Args:
        first: where the first image comes from, and its ``meta``.
        other: ``meta`` of the image; what one of them does not tell is not compared.
    """
    name, meta = first
    for key, label, unit, share, tolerance in _COMMON:
        if key in meta and key in other:
            value, known = float(other[key]), float(meta[key])
            if key == "angle":
                value = known + (value - known + 180) % 360 - 180
            if abs(value - known) > max(share * abs(known), tolerance):
                return f"expected the {label} of {name} ({known:g} {unit}), got {value:g} {unit}"
    return None


def frame_turn(meta: Mapping[str, Any]) -> np.ndarray:
    """The matrix ``[2, 2]`` that takes directions in the scan frame to those in the coordinates of the
    microscope: the frame is turned clockwise by its scan angle, as Nanonis counts it."""
    angle = np.deg2rad(float(meta.get("angle", 0.0)))
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def plain_name(name: str) -> str:
    """A name without blanks, units and punctuation, in small letters."""
    return re.sub(r"[\W_]+", "", name).lower()


def pick_channel(path: Path, channels: Sequence[str], channel: str | None) -> int:
    """Index of the channel called ``channel``, with or without its unit; of Δf where it is ``None``: the mean
    of several sweeps (``[AVG]``) rather than one of them.

    Raises:
        ChannelError: where there is none or several of that name, listing those of the file.
    """
    if channel is None:
        found = [i for i, name in enumerate(channels) if _FREQUENCY_SHIFT.search(plain_name(name))]
        expected = "the frequency shift"
        if len(found) > 1:  # the mean of several sweeps rather than one of them, and nothing filtered
            means = [i for i in found if "[avg]" in channels[i].lower()]
            found = means or [i for i in found if "[filt]" not in channels[i].lower()]
    else:
        names = [{plain_name(name), plain_name(re.sub(r"\(.*?\)", "", name))} for name in channels]
        found = [i for i, name in enumerate(names) if plain_name(channel) in name]
        expected = repr(channel)
    if len(found) != 1:
        raise ChannelError(
            f"channel: expected exactly one to be {expected} in {path}, got {len(found)} of "
            f"{', '.join(map(repr, channels)) or 'none'}; give channel",
            channels,
        )
    return found[0]


def check_direction(direction: str) -> None:
    """Raise :class:`InputError` unless ``direction`` is one that tips take."""
    if direction not in ("forward", "backward"):
        raise InputError(f"direction: expected 'forward' or 'backward', got {direction!r}")


def check_forward(path: Path, direction: str) -> None:
    """Raise :class:`InputError` unless ``direction`` is the only one that files without directions have."""
    if direction != "forward":
        raise InputError(f"direction: expected 'forward', the only one of {path}, got {direction!r}")


def parse_number(path: Path | str, name: str, text: Any) -> float:
    """A finite number of a header."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{path}: {name}: expected a finite number, got {str(text)[:80]!r}")
    return value


def unit_factor(unit: str, base: str) -> float | None:
    """How many ``base`` (``"m"``, ``"Hz"``) one ``unit`` is: 1e-12 for pm, 1e3 for kHz; ``None`` where it is
    no multiple of it."""
    unit = unit.strip()
    if base == "m" and unit in ("Å", "Å", "Ang", "Angstrom"):
        return 1e-10
    power = _PREFIXES.get(unit.removesuffix(base)) if unit.endswith(base) else None
    return None if power is None else 10.0**power


def split_unit(name: str) -> tuple[str, str]:
    """A name and the unit in brackets at its end: ``"Z"`` and ``"m"`` of ``"Z (m)"``."""
    name = name.strip()
    bare, bracket, unit = name.rpartition("(")
    return (bare.strip(), unit[:-1]) if bracket and unit.endswith(")") else (name, "")


def parse_quantity(text: Any, unit: str, base: str) -> float | None:
    """A number in ``base`` out of ``"3 pm"`` or, where no unit follows it, in ``unit``; ``None`` for anything
    else."""
    found = re.fullmatch(r"([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(\D*)", str(text)[:80].strip())
    factor = unit_factor(found[2] or unit or base, base) if found else None
    try:
        value = math.nan if found is None or factor is None else float(found[1]) * factor
    except ValueError:
        return None
    return value if math.isfinite(value) else None
