"""The contract every benchmark keeps: warm-up, repeats, median and interquartile range of CPU and wall
seconds, seed, settings, machine and versions, in one JSON file under ``benchmarks/results``, with the day,
the commit and digests of the sources that it was measured with (``make results`` compares them with those of
today).

CPU seconds count every thread of the process; on a shared machine they are the figure to compare.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.provenance import SourceTree

RESULTS = Path(__file__).parent / "results"

_ROOT = Path(__file__).resolve().parents[1]
_START = time.time()


def measure(function: Callable[[], Any], repeats: int, warmup: int = 1) -> dict[str, Any]:
    """Time ``function()`` after ``warmup`` calls: medians and quartiles of ``cpu_s`` and ``wall_s``."""
    for _ in range(warmup):
        function()
    cpu, wall = np.empty((2, repeats))
    for i in range(repeats):
        start = time.process_time(), time.perf_counter()
        function()
        cpu[i], wall[i] = time.process_time() - start[0], time.perf_counter() - start[1]
    return {"repeats": repeats, "warmup": warmup, "cpu_s": spread(cpu), "wall_s": spread(wall)}


def write(
    name: str,
    command: str,
    rows: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    packages: Sequence[str],
) -> Path:
    """Write ``results/<name>.json``: what was measured, by which command, with what, on what."""
    document = {
        "name": name,
        "command": command,
        "settings": dict(settings),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _commit(),
        "sources": _sources(command),
        "machine": _machine(),
        "versions": {"python": platform.python_version()} | {p: version(p) for p in packages},
        "rows": list(rows),
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def table(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, Callable[[Mapping[str, Any]], str]]
) -> str:
    """Markdown table of ``rows``: one column a heading, its function turns a row into a cell."""
    lines = [
        list(columns),
        ["---"] * len(columns),
        *([cell(row) for cell in columns.values()] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(seconds: np.ndarray | Sequence[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = np.percentile(seconds, [25, 50, 75])
    return {"median": float(median), "quartile_1": float(low), "quartile_3": float(high)}


def _commit() -> str | None:
    """What is checked out; what is not committed is in the digests."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short=10", "HEAD"], cwd=_ROOT, capture_output=True, text=True
        )
    except OSError:
        return None
    return done.stdout.strip() or None


def _sources(command: str) -> dict[str, str]:
    """Digests of the sources that a command runs. One that was written to since this process began may not be
    the code that ran: it has none, so that the result counts as stale."""
    digests = SourceTree(_ROOT).digests(command)
    return {path: d if (_ROOT / path).stat().st_mtime < _START else "" for path, d in digests.items()}


def _machine() -> dict[str, Any]:
    """CPU model and cores this process may use; no host name, no path."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": model, "cores": cores, "system": platform.system()}
