"""Progress of long work, on stderr: as a bar, as a line on the present step, and in words."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

#: Seconds between two lines where there is no terminal: of counted items, and of steps.
_BAR_INTERVAL, _STEP_INTERVAL = 20.0, 10.0


class ProgressBar(tqdm):
    """tqdm's bar on a terminal; elsewhere, as in the log of a job, a line every 20 s, and none for work that
    is done sooner."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not sys.stderr.isatty():
            line = "{desc}: {n_fmt} of {total_fmt} ({unit}), {elapsed} gone, {remaining} left\n"
            kwargs |= {"mininterval": _BAR_INTERVAL, "maxinterval": 2 * _BAR_INTERVAL}
            kwargs |= {"delay": _BAR_INTERVAL, "bar_format": line}
        super().__init__(*args, **kwargs)


class StatusLine:
    """The step that a command is at, and the seconds since it began: on a terminal in one line that is
    overwritten; elsewhere in a line of its own, one every 10 s at most.

    Args:
        command: its name.
    """

    def __init__(self, command: str) -> None:
        self.command = command
        self._start = self._printed = time.monotonic()
        self._width = 0

    def __call__(self, step: str) -> None:
        now = time.monotonic()
        text = f"torch-afm {self.command}: {step} ({now - self._start:.0f} s)"
        if sys.stderr.isatty():
            print(f"\r{text:<{self._width}}", end="", file=sys.stderr, flush=True)
            self._width = len(text)
        elif now - self._printed >= _STEP_INTERVAL:
            print(text, file=sys.stderr, flush=True)
            self._printed = now

    def close(self) -> None:
        """Clear the line."""
        if self._width:
            print("\r" + " " * self._width, end="\r", file=sys.stderr, flush=True)
        self._width = 0


@contextlib.contextmanager
def working(command: str, folder: Path) -> Iterator[StatusLine]:
    """Make ``folder`` before the work rather than after it, and show the steps of the work. Work that ends
    early leaves no empty folder; when interrupted it says so.

    Args:
        command: name of the command.
        folder: where its results go.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    status, before = StatusLine(command), _written(folder)
    try:
        yield status
    except BaseException as error:
        status.close()
        if isinstance(error, KeyboardInterrupt):
            partly = f"; {folder} holds a part of the results" if _written(folder) != before else ""
            print(
                f"torch-afm {command}: interrupted{partly or ' before anything was written'}", file=sys.stderr
            )
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()
        raise
    status.close()


def _written(folder: Path) -> dict[str, int]:
    """The files of a folder and when they were written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*")}


def format_duration(seconds: float) -> str:
    """A time in words: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def format_size(count: float) -> str:
    """Bytes in words: ``3.2 MB``, ``25 GB``."""
    power = min(3, max(1, int(math.log10(max(count, 1)) // 3)))
    return f"{count / 1000**power:.3g} {('kB', 'MB', 'GB')[power - 1]}"
