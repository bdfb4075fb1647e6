"""torch_afm against ppafm 0.4.1 (OpenCL, :mod:`benchmarks.rendering.peer_ppafm`) on the same machine, in one
run: the golden molecules of 12, 26 and 38 atoms on the thesis' scan. Each renderer and setting has a process
of its own, which is warmed up; the processes take turns. Errors are against the float64 reference.

    make bench-peers

Settings of ppafm:

* ``20 px/Å``: its accurate setting, with a force-field grid of 20 x 20 x 6 Å cut by hand to where probes go.
  (The grid that it would choose itself is 25.6 x 25.6 x 12.8 Å, 3.5 times as many points.)
* ``10 px/Å, own grid``: nothing set, as its class is documented.
* ``8 px/Å``: a coarse grid cut by hand, 18 x 18 x 3 Å; its relaxation as it is.
* ``8 px/Å, loose``: the fastest setting found whose rms error stays near 5 % of std(Δf): relaxed to
  |F|² < 1e-6 (eV/Å)² rather than 1e-8, with double the largest time step.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.common import spread, table, write
from benchmarks.rendering.run import CASES, GOLDEN, SCAN, load
from benchmarks.rendering.workers import ROOT, Worker
from torch_afm.config import to_dict

EVERY = 8  # the golden stacks have every 8th pixel
INPUTS = (
    "xyz",
    "Z",
    "charges",
    "scan_dim",
    "scan_window",
    "iZPP",
    "tip_Qs",
    "tip_QZs",
    "df_steps",
    "tipR0",
    "stiffness_Nm",
    "f0",
    "k",
)
_PEER = {"pixels_per_angstrom": 8, "box": [18.0, 18.0, 3.0], "f2": 1e-8, "dt": 0.5}


class Contender(NamedTuple):
    """A renderer at a setting, and how often it renders in a round."""

    name: str
    setting: dict[str, Any]
    repeats: int
    threads: int | None = None

    @property
    def stacks(self) -> int:
        """Stacks a call."""
        return self.setting.get("stacks", 1)


PEERS = (
    Contender("ppafm, 20 px/Å", {**_PEER, "pixels_per_angstrom": 20, "box": [20.0, 20.0, 6.0]}, 1),
    Contender("ppafm, 10 px/Å, own grid", {**_PEER, "pixels_per_angstrom": 10, "box": None}, 1),
    Contender("ppafm, 8 px/Å", _PEER, 3),
    Contender("ppafm, 8 px/Å, loose", {**_PEER, "f2": 1e-6, "dt": 1.0}, 3),
)
OURS = (
    Contender("torch_afm", {"stacks": 1}, 15),
    Contender("torch_afm, batch of 16", {"stacks": 16}, 2),
    Contender("torch_afm, 1 thread", {"stacks": 1}, 15, threads=1),
    Contender("torch_afm, batch of 16, 1 thread", {"stacks": 16}, 2, threads=1),
)


def inputs(case: str) -> dict[str, Any]:
    """What a golden case was computed from, as JSON takes it."""
    with np.load(GOLDEN, allow_pickle=False) as golden:
        return {key: golden[f"{case}/{key}"].tolist() for key in INPUTS}


def errors(sample: np.ndarray, exact: np.ndarray, valid: np.ndarray) -> tuple[float, float]:
    """Rms and largest error in units of std(Δf).

    Shapes:
        sample ``[X, Y, Z]``, exact ``[Z, Y, X]``, valid ``[Y, X]``.
    """
    error = (sample.T - exact)[:, valid] / exact.std()
    return float(np.sqrt(np.mean(error**2))), float(np.abs(error).max())


def cpu_a_stack(row: Mapping[str, Any]) -> float:
    """Median CPU seconds of one stack."""
    return row["cpu_s"]["median"] / row["stacks"]


def ratios(rows: Iterable[Mapping[str, Any]], slow: str, fast: str) -> dict[str, float]:
    """How many times more CPU seconds ``slow`` takes than ``fast``: each molecule, and their median."""
    cost = {(r["renderer"], r["molecule"]): cpu_a_stack(r) for r in rows}
    found = {m: cost[slow, m] / cost[fast, m] for name, m in cost if name == fast}
    return found | {"median": float(np.median(list(found.values())))}


def compare(python: Path, rounds: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A row for each molecule and contender, and what the workers say of themselves."""
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        workers = [(c, stack.enter_context(_start(c, python))) for c in (*PEERS, *OURS)]
        for case in CASES:
            data, exact, valid = load(case)
            results: dict[str, dict[str, Any]] = {}
            for contender, worker in workers:
                molecule = inputs(case) if contender in PEERS else case
                worker.call("prepare", case=molecule, setting=contender.setting)
                rms, largest = errors(np.array(worker.call("sample", every=EVERY)), exact, valid)
                results[contender.name] = {
                    "molecule": case.removesuffix("_pc"),
                    "atoms": len(data.z),
                    "renderer": contender.name,
                    "stacks": contender.stacks,
                    "rms_error": rms,
                    "largest_error": largest,
                    "peak_memory_mb": worker.call("peak"),
                    "cpu_s": [],
                    "wall_s": [],
                }
            for _ in range(rounds):
                for contender, worker in workers:
                    for key, seconds in worker.call("render", repeats=contender.repeats).items():
                        results[contender.name][key] += seconds
            for row in results.values():
                rows.append(
                    row
                    | {"repeats": len(row["cpu_s"]), "warmup": 1}
                    | {k: spread(row[k]) for k in ("cpu_s", "wall_s")}
                )
        descriptions = {c.name: c.setting | w.call("describe") for c, w in workers}
    return rows, descriptions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--python", type=Path, default=ROOT / ".venv-peers" / "bin" / "python")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each renderer, a molecule")
    arguments = parser.parse_args()
    rows, descriptions = compare(arguments.python, arguments.rounds)
    against = {peer.name: {own.name: ratios(rows, peer.name, own.name) for own in OURS[:2]} for peer in PEERS}
    settings = {"scan": to_dict(SCAN), "renderers": descriptions, "ratios": against, "seed": None}
    command = f"python -m benchmarks.rendering.against_ppafm --rounds {arguments.rounds}"
    path = write("against_ppafm", command, rows, settings, ["torch", "numpy", "pyopencl"])
    print(
        table(
            rows,
            {
                "molecule": lambda r: f"{r['molecule']} ({r['atoms']} atoms)",
                "renderer": lambda r: r["renderer"],
                "CPU ms a stack": lambda r: f"{1e3 * cpu_a_stack(r):.1f}",
                "wall ms": lambda r: f"{1e3 * r['wall_s']['median'] / r['stacks']:.1f}",
                "stacks/s": lambda r: f"{r['stacks'] / r['wall_s']['median']:.3g}",
                "peak MB": lambda r: f"{r['peak_memory_mb']:.0f}",
                "rms error / std": lambda r: f"{r['rms_error']:.1e}",
                "largest": lambda r: f"{r['largest_error']:.1e}",
            },
        )
    )
    print("\nCPU seconds of ppafm over those of torch_afm:\n")
    lines = [{"peer": p, "own": o, **found} for p, owns in against.items() for o, found in owns.items()]
    columns = {key: lambda r, key=key: f"{r[key]:.1f}" for key in lines[0] if key not in ("peer", "own")}
    print(table(lines, {"ppafm": lambda r: r["peer"], "torch_afm": lambda r: r["own"], **columns}))
    print(f"written to {path.relative_to(ROOT)}")


def _start(contender: Contender, python: Path) -> Worker:
    if contender in PEERS:
        return Worker(python, "benchmarks.rendering.peer_ppafm")
    threads = {} if contender.threads is None else {"POCL_MAX_PTHREAD_COUNT": str(contender.threads)}
    return Worker(sys.executable, "benchmarks.rendering.own_worker", threads)


if __name__ == "__main__":
    main()
