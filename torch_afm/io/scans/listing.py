"""What there is in the files of a measuring day."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from torch_afm.io.scans.choose import unusable_reason
from torch_afm.io.scans.read import expand_paths
from torch_afm.io.scans.registry import read_block, scan_format, scan_suffixes
from torch_afm.io.scans.scan_block import ChannelError, ScanBlock, check_direction, pick_channel
from torch_afm.progress import ProgressBar
from torch_afm.utils import InputError

#: Pixels along the longer side of the picture that is kept of an image, at most.
THUMBNAIL = 160

#: The other direction of the fast axis.
_OTHER = {"forward": "backward", "backward": "forward"}


@dataclass(frozen=True, eq=False)
class ScanEntry:
    """What there is in one file.

    Args:
        path: the file.
        format: name of its format (:func:`torch_afm.io.scans.scan_formats`), or its ending where that is all
            that there is of it; ``None`` for a format that is not read.
        block: what its reader makes of it; of the values only the shape is kept: they are zero, or NaN where
            no pixel was measured.
        asked: the channel that had to be named for it to be read; ``None`` for that which is read without.
        thumbnails: of each direction there is a picture of the nearest image that was measured, as coarse as
            160 pixels, in the unit of the file; of a curve at a single point the curve.
        error: why the file cannot be read; what it is where its format is not read.
        reason: why it is part of no series to predict from.

    Shapes:
        thumbnails ``[Y, X]`` or, of a curve, ``[Z]``, float32.
    """

    path: Path
    format: str | None = None
    block: ScanBlock | None = None
    asked: str | None = None
    thumbnails: Mapping[str, np.ndarray] = field(default_factory=dict)
    error: str | None = None
    reason: str | None = None

    @property
    def time(self) -> datetime | None:
        """When the measurement was begun, by the clock of the microscope; ``None`` where the file does not
        tell."""
        seconds = None if self.block is None else self.block.meta.get("time")
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)

    @property
    def feedback(self) -> str:
        """``"on"`` where the height was controlled, ``"off"`` where it was not, and ``"unknown"``."""
        known = "" if self.block is None else str(self.block.meta.get("feedback", ""))
        return known.lower() if known in ("ON", "OFF") else "unknown"

    def describe(self) -> dict[str, str]:
        """What the file tells, in words, by the names of columns; nothing where it does not."""
        if (block := self.block) is None:
            return {}
        meta, heights = block.meta, block.heights
        n, ny, nx = block.values.shape
        ends = [] if heights is None else [heights[0], heights[-1]][:n]
        amplitude, angle = meta.get("amplitude"), meta.get("angle")
        return {
            "channel": printable(block.channel),
            "images": str(n),
            "pixels": f"{nx} x {ny}",
            "size/Å": "" if block.size is None else f"{block.size[0]:.1f} x {block.size[1]:.1f}",
            "height/Å": " to ".join(f"{round(z, 2) + 0.0:.2f}" for z in ends),
            "control": "" if self.feedback == "unknown" else self.feedback,
            "ampl/Å": "" if amplitude is None else f"{amplitude:.2f}",
            "angle/°": "" if angle is None else f"{round(angle, 1) + 0.0:g}",
        }

    def to_dict(self) -> dict[str, Any]:
        """All but the pictures, as JSON has it: lengths in Å, frequencies in Hz, angles in degrees."""
        found = {"file": printable(str(self.path)), "format": self.format}
        found |= {"error": self.error, "reason": self.reason}
        if (block := self.block) is None:
            return found
        n, ny, nx = block.values.shape
        return found | {
            "channel": block.channel,
            "channels": list(block.channels),
            "direction": block.direction,
            "directions": list(self.thumbnails),
            "unit": block.unit,
            "images": n,
            "pixels": [nx, ny],
            "size": None if block.size is None else list(block.size),
            "heights": None if block.heights is None else block.heights.tolist(),
            "center": list(block.center),
            "angle": block.meta.get("angle"),
            "feedback": self.feedback,
            "amplitude": block.meta.get("amplitude"),
            "f0": block.meta.get("f0"),
            "time": None if self.time is None else self.time.isoformat(),
            "duration": block.meta.get("duration"),
            "warnings": block.meta.get("warnings", []),
        }


def list_scans(
    paths: str | Path | Sequence[str | Path],
    channel: str | None = None,
    direction: str = "forward",
    progress: bool = False,
) -> list[ScanEntry]:
    """What there is in each of the files, those of a time first, by their times, then the others by their
    names, those of other formats last. A file that cannot be read is an entry as well.

    Where a file has not the channel, another one is shown: the frequency shift if there are several of it,
    else the first that can be read.

    Args:
        paths: files, folders and patterns (``day/*.sxm``); of a folder all files, but not those of the
            folders in it.
        channel: name of the channel, with or without its unit; that of the frequency shift where ``None``.
        direction: ``"forward"`` or ``"backward"``.
        progress: show a progress bar.

    Raises:
        InputError: for a path where there is no such file, and a folder or pattern without any that is read.
    """
    check_direction(direction)
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    files = dict.fromkeys([*expand_paths(given), *_other_files(given)])
    bar = ProgressBar(files, desc="files", leave=False, disable=not progress)
    entries = [_entry(path, channel, direction) for path in bar]
    return sorted(entries, key=lambda e: (e.format is None, e.time is None, e.time or datetime.min))


def printable(text: str) -> str:
    """A name or a text out of a file without what would move the cursor of a terminal, or is no letter."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _other_files(given: Sequence[str | Path]) -> list[Path]:
    """All files of the folders that are not hidden."""
    folders = [Path(path) for path in given if Path(path).is_dir()]
    return [
        file
        for folder in folders
        for file in sorted(folder.iterdir())
        if file.is_file() and not file.name.startswith(".")
    ]


def _entry(path: Path, channel: str | None, direction: str) -> ScanEntry:
    try:
        known = scan_format(path).name
    except InputError as error:
        if path.suffix.lower() in scan_suffixes():
            return ScanEntry(path, path.suffix[1:].lower(), error=_text(path, error))
        # What came, which is what the file is.
        return ScanEntry(path, error=_text(path, str(error).rpartition(", got ")[2]))
    try:
        block, asked = _read(path, channel, direction)
        thumbnails = {direction: _thumbnail(block)}
    except Exception as error:  # one file, whatever is wrong with it, must not end the listing of a day
        text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        return ScanEntry(path, known, error=_text(path, text))
    with contextlib.suppress(Exception):  # most files have one direction only
        thumbnails[_OTHER[direction]] = _thumbnail(read_block(path, asked, _OTHER[direction]))
    reason = None
    if channel is not None and asked != channel:
        reason = f"there is no channel {channel!r}"
    elif asked != channel and not _is_shift(asked or ""):
        reason = "there is no channel of the frequency shift"
    reason = reason or unusable_reason(block, constant_height=False)
    return ScanEntry(path, known, _without_values(block), asked, thumbnails, reason=reason)


def _read(path: Path, channel: str | None, direction: str) -> tuple[ScanBlock, str | None]:
    """The images of a file, and the channel by whose name they were read."""
    try:
        return read_block(path, channel, direction), channel
    except ChannelError as error:
        for name in sorted(dict.fromkeys(error.channels), key=lambda name: not _is_shift(name)):
            try:
                return read_block(path, name, direction), name
            except InputError:
                continue
        raise


def _is_shift(name: str) -> bool:
    try:
        return pick_channel(Path(), [name], None) == 0
    except ChannelError:
        return False


def _text(path: Path, error: InputError | str) -> str:
    return printable(" ".join(str(error).removeprefix(f"{path}: ").split()))


def _without_values(block: ScanBlock) -> ScanBlock:
    """A block whose values take no memory."""
    value = 0.0 if np.isfinite(block.values).any() else np.nan
    return dataclasses.replace(block, values=np.broadcast_to(value, block.values.shape))


def _thumbnail(block: ScanBlock) -> np.ndarray:
    """The nearest image of those that are measured at least half as far as any, made coarser by means of
    squares of pixels; of a curve at a single point the curve."""
    measured = np.isfinite(block.values).sum(axis=(1, 2))
    if block.values.shape[1:] == (1, 1):
        return block.values[:, 0, 0].astype(np.float32)
    candidates = np.flatnonzero(2 * measured >= measured.max())
    if block.heights is None:
        image = block.values[candidates[-1]]
    else:
        image = block.values[candidates[np.argmin(block.heights[candidates])]]
    factor = -(-max(image.shape) // THUMBNAIL)
    ny, nx = (-(-n // factor) for n in image.shape)
    padded = np.full((ny * factor, nx * factor), np.nan)
    padded[: image.shape[0], : image.shape[1]] = np.where(np.isfinite(image), image, np.nan)
    squares = padded.reshape(ny, factor, nx, factor)
    count = np.isfinite(squares).sum(axis=(1, 3))
    total = np.nansum(squares, axis=(1, 3))
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0).astype(np.float32)
