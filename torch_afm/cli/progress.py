"""What a command is at, while it works."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

#: Seconds between two lines where they go to a file.
_EVERY = 10.0


class StepReport:
    """Tells on stderr what a command is at, and how long it has worked: on a terminal in one line that is
    overwritten; elsewhere a line of its own, for work that takes long, every 10 s at most.

    Args:
        command: its name.
    """

    def __init__(self, command: str) -> None:
        self.command = command
        self._began = self._told = time.monotonic()
        self._width = 0

    def __call__(self, step: str) -> None:
        now = time.monotonic()
        text = f"torch-afm {self.command}: {step} ({now - self._began:.0f} s)"
        if sys.stderr.isatty():
            print(f"\r{text:<{self._width}}", end="", file=sys.stderr, flush=True)
            self._width = len(text)
        elif now - self._told >= _EVERY:
            print(text, file=sys.stderr, flush=True)
            self._told = now

    def close(self) -> None:
        """Clear the line."""
        if self._width:
            print("\r" + " " * self._width, end="\r", file=sys.stderr, flush=True)
        self._width = 0


@contextlib.contextmanager
def working(command: str, folder: Path) -> Iterator[StepReport]:
    """Makes ``folder`` before the work rather than after it, and tells of the work. Work that ends early
    leaves no empty folder; one that is interrupted says so."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    progress, before = StepReport(command), _written(folder)
    try:
        yield progress
    except BaseException as error:
        progress.close()
        if isinstance(error, KeyboardInterrupt):
            partly = f"; {folder} holds a part of the results" if _written(folder) != before else ""
            print(
                f"torch-afm {command}: interrupted{partly or ' before anything was written'}", file=sys.stderr
            )
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()
        raise
    progress.close()


def _written(folder: Path) -> dict[str, int]:
    """The files of a folder and when they were written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*")}
