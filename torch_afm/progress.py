"""How far long work is, told while it goes on."""

from __future__ import annotations

import math
import sys
from typing import Any

from tqdm import tqdm

#: Seconds between the lines where there is no terminal.
_EVERY = 20


class Progress(tqdm):
    """tqdm's bar on a terminal; elsewhere, as in the log of a job, a line now and then, none of work that is
    done at once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not sys.stderr.isatty():
            form = "{desc}: {n_fmt} of {total_fmt} ({unit}), {elapsed} gone, {remaining} left\n"
            kwargs |= {"mininterval": _EVERY, "maxinterval": 2 * _EVERY, "delay": _EVERY, "bar_format": form}
        super().__init__(*args, **kwargs)


def duration(seconds: float) -> str:
    """A time as one would say it: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """Bytes as one would say them: ``3.2 MB``, ``25 GB``."""
    power = min(3, max(1, int(math.log10(max(count, 1)) // 3)))
    return f"{count / 1000**power:.3g} {('kB', 'MB', 'GB')[power - 1]}"
