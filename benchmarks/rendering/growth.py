"""How the cost of a stack grows with pixels, heights, atoms and batch size, with the OpenCL renderer. Each
sweep changes one thing of the thesis' scan of nicotine (26 atoms, 128 x 128 pixels, 20 heights over 2 Å);
molecules of other sizes are random flat clusters of organic elements, and water on a slab of Au(111), alone
and as the cell of a periodic surface.

    python -m benchmarks.rendering.growth [--repeats 5]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import ase.build
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from torch_geometric.data import Batch

from benchmarks.common import RESULTS, measure, table, write
from benchmarks.rendering.run import SCAN, load
from torch_afm.config import Scan, to_dict
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel
from torch_afm.ppm.opencl import get_queue

CENTRED = replace(SCAN, window=((-8.0, 8.0), (-8.0, 8.0)))
PIXELS = (32, 64, 96, 128, 192, 256)
HEIGHTS = (5, 10, 20, 40, 60)
ATOMS = (10, 20, 50, 100, 200, 500, 1000)
SLABS = (3, 5, 8, 12, 18)  # atoms along an edge
CELLS = (3, 5, 8, 12)
STACKS = (1, 2, 4, 8, 16, 32, 64)


def cluster(n_atoms: int, seed: int = 0) -> AFMData:
    """Random elements, charges and places in a disc 4 Å thick, 0.1 atoms an Å³ (as in organic matter), no two
    closer than 1.2 Å."""
    rng = np.random.default_rng(seed)
    radius = np.sqrt(n_atoms / 0.1 / 4 / np.pi)
    pos = np.empty((0, 3))
    while len(pos) < n_atoms:
        place = rng.uniform([-radius, -radius, -4], [radius, radius, 0])
        if np.hypot(*place[:2]) <= radius and np.all(np.linalg.norm(pos - place, axis=1) > 1.2):
            pos = np.vstack([pos, place])
    charge = rng.normal(0, 0.2, n_atoms)
    return AFMData(
        z=torch.from_numpy(rng.choice([1, 6, 7, 8], n_atoms, p=[0.45, 0.4, 0.07, 0.08])),
        pos=torch.from_numpy(pos),
        charge=torch.from_numpy(charge - charge.mean()),
    )


def slab(edge: int, periodic: bool = False) -> AFMData:
    """``edge`` x ``edge`` x 3 atoms of Au(111) with flat waters (TIP3P charges) 3 Å above every 4th atom of
    each 4th row; unless periodic, the number of atoms is the number summed over."""
    gold = ase.build.fcc111("Au", (edge, edge, 3), orthogonal=False)
    water = ase.build.molecule("H2O")
    water.rotate(90, "y")
    atoms = gold.copy()
    top = gold.positions[-edge * edge :].reshape(edge, edge, 3)
    for place in top[::4, ::4].reshape(-1, 3):
        molecule = water.copy()
        molecule.translate(place + np.array([0, 0, 3]) - molecule.positions[0])
        atoms += molecule
    pos = atoms.positions - [*atoms.positions[:, :2].mean(axis=0), atoms.positions[:, 2].max()]
    charge = np.where(atoms.numbers == 8, -0.834, np.where(atoms.numbers == 1, 0.417, 0.0))
    data = AFMData(
        z=torch.from_numpy(atoms.numbers), pos=torch.from_numpy(pos), charge=torch.from_numpy(charge)
    )
    if periodic:
        data.cell, data.pbc = torch.from_numpy(gold.cell.array)[None], torch.tensor([[True, True, False]])
        data.cell[0, 2, 2] = 30.0
    return data


def with_heights(n: int) -> Scan:
    """The thesis' 2 Å in ``n`` heights, half of them in one oscillation."""
    return replace(SCAN, dz=2 / n, n_oscillation=max(n // 2, 2), n_slices=n - max(n // 2, 2) + 1)


def cases() -> Iterator[tuple[str, int, Scan, AFMData | Batch, int]]:
    """Sweep, its variable, scan, input and stacks of each point."""
    nicotine = load("nicotine_pc")[0]
    for n in PIXELS:
        yield "pixels", n * n, replace(SCAN, pixels=(n, n)), nicotine, 1
    for n in HEIGHTS:
        yield "heights", n, with_heights(n), nicotine, 1
    for n in ATOMS:
        yield "atoms, organic", n, CENTRED, cluster(n), 1
    for n in SLABS:
        data = slab(n)
        yield "atoms, water on Au(111)", len(data.z), CENTRED, data, 1
    for n in CELLS:
        data = slab(n, periodic=True)
        yield "atoms of a periodic cell", len(data.z), CENTRED, data, 1
    for n in STACKS:
        yield "stacks a batch", n, SCAN, Batch.from_data_list([nicotine] * n), n


def exponent(values: Sequence[float], costs: Sequence[float]) -> float:
    """Least-squares p of costs ∝ values**p."""
    return float(np.polyfit(np.log(values), np.log(costs), 1)[0])


def plot(rows: Sequence[dict[str, Any]]) -> Figure:
    """Cost against each variable, with quartiles and the exponent of each sweep."""
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    variables = ("pixels", "heights", "atoms", "stacks a batch")
    for axes, variable in zip(figure.subplots(2, 2).flat, variables, strict=True):
        for sweep, points in groupby(rows, lambda r: r["sweep"]):
            if not sweep.startswith(variable):
                continue
            x, y, low, high = np.array([[p["value"], *_milliseconds(p)] for p in points]).T
            p = exponent(x, y)
            axes.errorbar(x, y, [y - low, high - y], fmt="o-", ms=4, capsize=2, label=f"{sweep}: n^{p:.2f}")
        axes.set(xscale="log", yscale="log", xlabel=variable, ylabel="CPU ms a stack")
        low, high = axes.get_ylim()
        axes.set_ylim(low / 1.5, high * 1.5)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_locator(NullLocator())
        axes.grid(alpha=0.25)
        axes.legend()
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    rows: list[dict[str, Any]] = []
    for sweep, value, scan, data, stacks in cases():
        renderer = ProbeParticleModel(scan, backend="opencl")
        times = measure(lambda r=renderer, d=data: r(d), repeats)  # type: ignore[misc]
        rows.append({"sweep": sweep, "value": value, "stacks": stacks, **times})
    settings = {"scan": to_dict(SCAN), "opencl_device": get_queue().device.name, "seed": 0}
    command = f"python -m benchmarks.rendering.growth --repeats {repeats}"
    write("growth", command, rows, settings, ["torch", "numpy", "pyopencl", "ase"])
    plot(rows).savefig(RESULTS / "growth.png", dpi=90)
    print(
        table(
            rows,
            {
                "sweep": lambda r: r["sweep"],
                "value": lambda r: str(r["value"]),
                "CPU ms a stack": lambda r: f"{_milliseconds(r)[0]:.2f}",
                "stacks/s": lambda r: f"{r['stacks'] / r['wall_s']['median']:.3g}",
            },
        )
    )


def _milliseconds(row: dict[str, Any]) -> tuple[float, ...]:
    """CPU ms a stack: median and quartiles."""
    return tuple(1e3 * row["cpu_s"][k] / row["stacks"] for k in ("median", "quartile_1", "quartile_3"))


if __name__ == "__main__":
    main()
