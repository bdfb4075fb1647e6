"""How fast and how exact the renderers are: a stack of the thesis' scan (16 x 16 Å, 128 x 128 pixels, 20
heights) of molecules of 12, 26 and 38 atoms. Errors are against the golden stacks (``tests/golden``), at
every 8th pixel, in units of std(Δf).

    python -m benchmarks.rendering.run [--repeats 20]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Batch

from benchmarks.common import measure, table, write
from torch_afm.config import Scan, Tip, to_dict
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel
from torch_afm.ppm.inputs import prepare
from torch_afm.ppm.opencl import OpenCLDevice, get_queue
from torch_afm.ppm.solver import KernelSolver

GOLDEN = Path(__file__).parents[2] / "tests" / "golden" / "golden_small.npz"
CASES = ("bcb_pc", "nicotine_pc", "ptcda_pc")
SCAN = Scan(window=((2.0, 18.0), (2.0, 18.0)), n_slices=11, quadrature="ppafm")
BATCH = 8


def load(case: str) -> tuple[AFMData, np.ndarray, np.ndarray]:
    """The molecule of a golden case, its exact stack ``[Z, Y, X]`` and where that is unique."""
    with np.load(GOLDEN) as archive:
        f = {k.split("/")[1]: archive[k] for k in archive.files if k.startswith(f"{case}/")}
    data = AFMData(
        z=torch.from_numpy(f["Z"]).long(),
        pos=torch.from_numpy(f["xyz"]),
        charge=torch.from_numpy(f["charges"]),
        z_top=torch.from_numpy(f["scan_window"][1:, 2]),
    )
    valid = (f["branch_ambiguous"] == 0) & (f["min_lateral_curvature"] >= 1e-3)
    return data, f["df_exact"].transpose(2, 1, 0), valid.T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20, help="repeats of the OpenCL renderer")
    repeats = parser.parse_args().repeats
    opencl, single = ProbeParticleModel(SCAN, backend="opencl"), ProbeParticleModel(SCAN, backend="torch")
    double = ProbeParticleModel(SCAN, dtype=torch.float64, backend="torch")
    solver = KernelSolver(OpenCLDevice())
    rows: list[dict[str, Any]] = []
    for case in CASES:
        data, exact, valid = load(case)
        batch = Batch.from_data_list([data] * BATCH)
        for name, renderer, given, times in (
            ("OpenCL", opencl, data, repeats),
            (f"OpenCL, batch of {BATCH}", opencl, batch, max(repeats // 4, 1)),
            ("torch float32", single, data, max(repeats // 5, 1)),
            ("torch float64", double, data, max(repeats // 10, 1)),
        ):
            stack = renderer(given)[0, 0].double().numpy()[:, ::8, ::8]
            error = (stack - exact)[:, valid] / exact.std()
            row = {
                "molecule": case.removesuffix("_pc"),
                "atoms": len(data.z),
                "renderer": name,
                "stacks": BATCH if given is batch else 1,
                "rms_error": float(np.sqrt(np.mean(error**2))),
                "largest_error": float(np.abs(error).max()),
                **measure(lambda r=renderer, g=given: r(g), times),  # type: ignore[misc]
            }
            if given is data and renderer is opencl:
                row["evaluations"] = solver.evaluations(prepare(data, SCAN, Tip()))
            rows.append(row)
    settings = {"scan": to_dict(SCAN), "opencl_device": get_queue().device.name, "seed": None}
    command = f"python -m benchmarks.rendering.run --repeats {repeats}"
    path = write("rendering", command, rows, settings, ["torch", "numpy", "pyopencl"])
    print(
        table(
            rows,
            {
                "molecule": lambda r: f"{r['molecule']} ({r['atoms']} atoms)",
                "renderer": lambda r: r["renderer"],
                "CPU ms a stack": lambda r: f"{1e3 * r['cpu_s']['median'] / r['stacks']:.1f}",
                "stacks a second": lambda r: f"{r['stacks'] / r['wall_s']['median']:.2f}",
                "evaluations": lambda r: f"{r['evaluations']:.2f}" if "evaluations" in r else "",
                "rms error / std": lambda r: f"{r['rms_error']:.1e}",
                "largest": lambda r: f"{r['largest_error']:.1e}",
            },
        )
    )
    print(f"written to {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name}")


if __name__ == "__main__":
    main()
