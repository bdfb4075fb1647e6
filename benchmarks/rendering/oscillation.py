"""How well the force samples of an oscillation stand for its integral: stacks of the thesis' scan by 1, 2, 4
and 8 force samples a height step, against Gauss-Chebyshev quadrature of Giessibl's formula in float64, whose
forces are relaxed at its own nodes. Errors at every 4th pixel, in units of the standard deviation of the
stack, and CPU time in multiples of that of one sample.

    python -m benchmarks.rendering.oscillation [--repeats 10] [--nodes 64]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import measure, table, write
from benchmarks.rendering.run import CASES, SCAN, load
from torch_afm.config import Scan, Tip, to_dict
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel
from torch_afm.ppm.forcefield import SurfaceTerms
from torch_afm.ppm.inputs import prepare
from torch_afm.ppm.opencl import get_queue
from torch_afm.ppm.relaxation import relax
from torch_afm.ppm.scene import Scene
from torch_afm.units import N_PER_M

SUBSTEPS = (1, 2, 4, 8)
EXACT = replace(SCAN, n_slices=10, quadrature="giessibl")


def integral(data: AFMData, scan: Scan, nodes: int, pixels: Tensor, tip: Tip | None = None) -> Tensor:
    r"""Δf by Gauss and Chebyshev: with ``A`` half the amplitude and :math:`c_k = \cos(π (k + 1/2)/n)`,
    :math:`Δf = -\frac{f_0}{k A} \frac1n \sum_k c_k F_z(z + A c_k)`. The probe follows its minimum through the
    nodes of all slices, far to near.

    Shapes:
        pixels ``[P, 2]``, returns ``[Z, P]`` Hz, float64.
    """
    batch = prepare(data, scan, tip or Tip(), pixels=pixels)
    atoms, springs, free = Scene.from_input(batch, 0, torch.empty(0, dtype=torch.float64))
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    level = free[0] * (1 - up)
    cosine = np.cos(np.pi * (np.arange(nodes) + 0.5) / nodes)
    amplitude = scan.amplitude / 2
    heights = (scan.slice_heights(0.0)[:, None] + amplitude * cosine).ravel()
    order = np.argsort(-heights)
    sinking = torch.from_numpy(heights[order])
    relaxed, _ = relax(level, sinking, atoms, springs)
    force = torch.empty(len(heights), len(pixels), dtype=torch.float64)
    for i, height, u in zip(order.tolist(), sinking, relaxed, strict=True):
        force[i] = SurfaceTerms.at(level + height * up + u, atoms).force()[:, 2]
    mean = (torch.from_numpy(cosine)[:, None] * force.reshape(scan.n_slices, nodes, -1)).mean(1)
    return -scan.f0 * N_PER_M / (scan.k * amplitude) * mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--nodes", type=int, default=64, help="of the quadrature that errors are against")
    args = parser.parse_args()
    axis = torch.arange(0, EXACT.pixels[0], 4)
    pixels = torch.cartesian_prod(axis, axis)
    rows: list[dict[str, Any]] = []
    for case in CASES:
        data, _, _ = load(case)
        exact = integral(data, EXACT, args.nodes, pixels)
        for substeps in SUBSTEPS:
            renderer = ProbeParticleModel(replace(EXACT, substeps=substeps), backend="opencl")
            error = (renderer(data, pixels=pixels)[0, 0] - exact) / exact.std()
            by_slice = error.square().mean(1).sqrt()
            rows.append(
                {
                    "molecule": case.removesuffix("_pc"),
                    "atoms": len(data.z),
                    "substeps": substeps,
                    "rms_error": float(error.square().mean().sqrt()),
                    "largest_error": float(error.abs().max()),
                    "median_error": float(error.abs().median()),
                    "rms_error_by_slice": by_slice.tolist(),
                    **measure(lambda r=renderer, d=data: r(d), args.repeats),  # type: ignore[misc]
                }
            )
    once = {row["molecule"]: row["cpu_s"]["median"] for row in rows if row["substeps"] == 1}
    settings = {
        "scan": to_dict(EXACT),
        "nodes": args.nodes,
        "opencl_device": get_queue().device.name,
        "seed": None,
    }
    command = f"python -m benchmarks.rendering.oscillation --repeats {args.repeats} --nodes {args.nodes}"
    path = write("oscillation", command, rows, settings, ["torch", "numpy", "pyopencl"])
    print(
        table(
            rows,
            {
                "molecule": lambda r: f"{r['molecule']} ({r['atoms']} atoms)",
                "substeps": lambda r: str(r["substeps"]),
                "rms error": lambda r: f"{r['rms_error']:.1e}",
                "largest": lambda r: f"{r['largest_error']:.2g}",
                "median": lambda r: f"{r['median_error']:.1e}",
                "farthest slice": lambda r: f"{r['rms_error_by_slice'][0]:.1e}",
                "nearest slice": lambda r: f"{r['rms_error_by_slice'][-1]:.1e}",
                "CPU time": lambda r: f"{r['cpu_s']['median'] / once[r['molecule']]:.2f}",
            },
        )
    )
    print(f"written to {path.name}")


if __name__ == "__main__":
    main()
