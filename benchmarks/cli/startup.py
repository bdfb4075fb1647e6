"""How long a command takes to answer: ``torch-afm --help`` and the help of every sub-command.

``python -m benchmarks.cli.startup [--repeats N]``
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

from benchmarks.common import spread, table, write
from torch_afm.cli.main import COMMANDS


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="of every command, after one to warm up")
    repeats = parser.parse_args().repeats
    rows = [_measure(command, repeats) for command in ([], *([name] for name in COMMANDS))]
    columns = {
        "command": lambda r: f"`{r['command']}`",
        "CPU s": lambda r: f"{r['cpu_s']['median']:.2f}",
        "wall s, median": lambda r: f"{r['wall_s']['median']:.2f}",
        "wall s, quartiles": lambda r: f"{r['wall_s']['quartile_1']:.2f}-{r['wall_s']['quartile_3']:.2f}",
    }
    print(table(rows, columns))
    command = f"python -m benchmarks.cli.startup --repeats {repeats}"
    print(write("startup", command, rows, {"repeats": repeats}, ["torch", "jsonargparse"]))


def _measure(command: list[str], repeats: int) -> dict[str, object]:
    """Seconds of new processes; the first one, which reads files that nothing has cached, is left out."""
    code = "import sys; from torch_afm.cli.main import main; sys.exit(main())"
    cpu, wall = [], []
    for _ in range(repeats + 1):
        before, start = _children(), time.perf_counter()
        subprocess.run([sys.executable, "-c", code, *command, "--help"], capture_output=True, check=True)
        cpu.append(_children() - before)
        wall.append(time.perf_counter() - start)
    name = " ".join(["torch-afm", *command, "--help"])
    return {"command": name, "cpu_s": spread(cpu[1:]), "wall_s": spread(wall[1:]), "repeats": repeats}


def _children() -> float:
    """CPU seconds of all processes that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
