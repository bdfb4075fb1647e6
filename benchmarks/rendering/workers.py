"""Renderers in processes of their own, kept alive and driven by JSON lines over stdin and stdout: start-up
and compilation do not count, and each process' CPU seconds and memory are its renderer's alone.

Standard library only: this also runs in the environments of the peers.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Worker:
    """A running ``python -m module`` that answers through :func:`serve`; closes as a context manager.

    Args:
        python: the interpreter of the environment to run in.
        module: name of the module to run, from the root of the repository.
        environment: variables to add.
    """

    def __init__(self, python: Path | str, module: str, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [str(python), "-m", module],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def call(self, operation: str, **arguments: Any) -> Any:
        """Answer to one operation. Raises ``RuntimeError`` if it fails or the process ends."""
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps([operation, arguments]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"{operation}: the worker ended with code {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{operation}: {answer['error']}")
        return answer["result"]

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # end of its input ends it


def serve(make: Callable[[], Any]) -> None:
    """Answer the calls that come on stdin, until it ends, by the methods of ``make()``, whose prints go to
    stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    renderer = make()
    for line in sys.stdin:
        operation, arguments = json.loads(line)
        try:
            answer = {"result": getattr(renderer, operation)(**arguments)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def timed(function: Callable[[], Any], repeats: int) -> dict[str, list[float]]:
    """CPU seconds of this process, all threads, and wall seconds of each of ``repeats`` calls."""
    times: dict[str, list[float]] = {"cpu_s": [], "wall_s": []}
    for _ in range(repeats):
        start = time.process_time(), time.perf_counter()
        function()
        times["cpu_s"].append(time.process_time() - start[0])
        times["wall_s"].append(time.perf_counter() - start[1])
    return times


def memory(field: str) -> float:
    """``"VmRSS"``, memory now, or ``"VmHWM"``, its peak, of this process in MB (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    if found is None:
        raise ValueError(f"field: expected one of /proc/self/status, got {field!r}")
    return int(found[1]) * 1024 / 1e6


def forget_peak() -> None:
    """Let ``VmHWM`` start again from the memory of now (Linux)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
