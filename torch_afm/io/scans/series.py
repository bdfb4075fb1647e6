"""The series among the files of a measuring day, each of which makes a stack."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from torch_afm.io.scans.choose import ScanFile, group_images
from torch_afm.io.scans.listing import ScanEntry
from torch_afm.io.scans.read import expand_paths
from torch_afm.io.scans.repeats import SAME_HEIGHT
from torch_afm.utils import InputError


@dataclass(frozen=True, eq=False)
class ScanSeries:
    """Files whose images make one stack.

    Args:
        letter: what it is called: A to Z, AA, ...
        entries: its files, in the order in which they were measured.
    """

    letter: str
    entries: tuple[ScanEntry, ...]

    @property
    def heights(self) -> np.ndarray | None:
        """Height of each image in Å in the order of measurement ``[n]``; ``None`` where a file does not tell.
        Of curves at single points the heights that all have."""
        blocks = [entry.block for entry in self.entries if entry.block is not None]
        if any(block.heights is None for block in blocks):
            return None
        if all(block.values.shape[1:] == (1, 1) for block in blocks):
            return blocks[0].heights
        return np.concatenate([block.heights for block in blocks if block.heights is not None])

    @property
    def course(self) -> str:
        """How the heights run: ``"down"``, ``"up"``, ``"down and up"``, ``"up and down"``, ``"to and fro"``,
        or nothing where there is one."""
        heights = self.heights
        steps = np.array([]) if heights is None else np.diff(heights)
        signs = np.sign(steps[np.abs(steps) > SAME_HEIGHT])
        runs = [int(s) for s, before in zip(signs, [0, *signs], strict=False) if s != before]
        words = {-1: "down", 1: "up"}
        return " and ".join(words[run] for run in runs) if len(runs) <= 2 else "to and fro"

    @property
    def steps(self) -> tuple[float, float] | None:
        """Smallest and largest step in Å from each height to the next; ``None`` where there is one only."""
        if self.heights is None:
            return None
        gaps = np.diff(np.unique(self.heights))
        gaps = gaps[gaps > SAME_HEIGHT]
        return (float(gaps.min()), float(gaps.max())) if len(gaps) else None

    @property
    def times(self) -> tuple[datetime, datetime] | None:
        """When its first measurement was begun and its last was done; ``None`` where a file does not tell."""
        begun = [entry.time for entry in self.entries]
        known = [time for time in begun if time is not None]
        if len(known) < len(begun):
            return None
        last = self.entries[-1].block
        duration = 0.0 if last is None else float(last.meta.get("duration", 0.0))
        return known[0], known[-1] + timedelta(seconds=duration)

    def shortest_paths(self) -> list[str]:
        """What to give :func:`torch_afm.io.scans.read_scan` to get these files and no other: their folder, a
        pattern, or, where these match others as well, the files."""
        files = [entry.path for entry in self.entries]
        folder = files[0].parent
        patterns = _patterns([file.name for file in files]) if len(files) > 1 else []
        whole = [str(folder)] if len(files) > 1 else []
        for path in (*whole, *(str(Path(glob.escape(str(folder))) / pattern) for pattern in patterns)):
            if _expanded(path) == set(files):
                return [path]
        return [str(file) for file in files]


def find_series(entries: Sequence[ScanEntry]) -> list[ScanSeries]:
    """The series that the files make, as :func:`torch_afm.io.scans.read_scan` puts them together: of as many
    pixels, of one size, place, scan angle and oscillation; a file of several images is one by itself. Files
    that are part of none, since they cannot be read or for their ``reason``, are left out.

    Args:
        entries: the files in the order in which they were measured.
    """
    usable = {entry.path: entry for entry in entries if entry.block is not None and entry.reason is None}
    files = [ScanFile(path, entry.block) for path, entry in usable.items() if entry.block is not None]
    groups = group_images(files)
    order = {path: i for i, path in enumerate(usable)}
    groups.sort(key=lambda group: order[group[0].path])
    return [
        ScanSeries(_letters(i), tuple(usable[file.path] for file in group)) for i, group in enumerate(groups)
    ]


def _patterns(names: Sequence[str]) -> list[str]:
    """Patterns that match all names: their beginning and their end, and, where they are of one length, the
    characters that each place has."""
    start, end = _common_start(names), _common_start([name[::-1] for name in names])[::-1]
    # What a name begins with and what it ends in must not overlap.
    end = end[max(0, len(start) + len(end) - min(map(len, names))) :]
    found = [f"{glob.escape(start)}*{glob.escape(end)}"]
    places = [sorted(set(place)) for place in zip(*names, strict=False)]
    if len(set(map(len, names))) == 1 and all(len(p) == 1 or "".join(p).isalnum() for p in places):
        found.append("".join(map(_class, places)))
    return found


def _class(characters: Sequence[str]) -> str:
    """A pattern of one character."""
    first, last = characters[0], characters[-1]
    if len(characters) == 1:
        return glob.escape(first)
    run = len(characters) > 2 and ord(last) - ord(first) == len(characters) - 1
    return f"[{first}-{last}]" if run else f"[{''.join(characters)}]"


def _common_start(names: Sequence[str]) -> str:
    first, last = min(names), max(names)
    n = next((i for i, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
    return first[:n]


def _letters(i: int) -> str:
    return (_letters(i // 26 - 1) if i >= 26 else "") + chr(ord("A") + i % 26)


def _expanded(path: str) -> set[Path]:
    try:
        return set(expand_paths(path))
    except InputError:
        return set()
