"""What atomic dipoles cost: a stack of the thesis' scan (128 x 128 pixels, 20 heights) with a random dipole
of 0.1 e Å a component on every atom, and the same without, forward and backward (gradients in positions,
charges and dipoles). Errors with dipoles are against torch float64, rms in units of std(Δf), of the pixels
whose probe took the same branch at every height (:mod:`benchmarks.rendering.gradients`); what the dipoles
change is in the same units.

    python -m benchmarks.rendering.dipoles [--repeats 5]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.common import measure, table, write
from benchmarks.rendering.gradients import OTHER_BRANCH
from benchmarks.rendering.run import CASES, SCAN, load
from torch_afm.config import to_dict
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel
from torch_afm.ppm.opencl import get_queue

SEED = 0


def with_dipoles(data: AFMData) -> AFMData:
    """``data`` with random dipoles."""
    data = data.clone()
    rng = torch.Generator().manual_seed(SEED)
    data.dipole = 0.1 * torch.randn(len(data.z), 3, generator=rng, dtype=torch.float64)
    return data


def gradient(renderer: ProbeParticleModel, data: AFMData) -> Any:
    """A function that goes back through a rendered stack."""
    data = data.clone()
    leaves = [data[key].requires_grad_() for key in ("pos", "charge", "dipole") if key in data]
    total = renderer(data).sum()
    return lambda: torch.autograd.grad(total, leaves, retain_graph=True)


def rms(error: Tensor, exact: Tensor) -> float:
    """Root mean square in units of the standard deviation."""
    return float(error.square().mean().sqrt() / exact.std())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--repeats", type=int, default=5, help="repeats in torch; OpenCL has four times as many"
    )
    repeats = parser.parse_args().repeats
    double = ProbeParticleModel(SCAN, dtype=torch.float64, backend="torch")
    renderers = {
        "OpenCL": (ProbeParticleModel(SCAN, backend="opencl"), 4 * repeats),
        "torch float32": (ProbeParticleModel(SCAN, backend="torch"), repeats),
    }
    charges = ProbeParticleModel(SCAN, backend="opencl", dipoles=False)
    rows: list[dict[str, Any]] = []
    for case in CASES:
        bare = load(case)[0]
        data = with_dipoles(bare)
        exact, branch = double(data), double.relax(data).probe
        for name, (renderer, times) in renderers.items():
            other = ((renderer.relax(data).probe - branch).norm(dim=-1) > OTHER_BRANCH).any(
                dim=2, keepdim=True
            )
            row: dict[str, Any] = {
                "molecule": case.removesuffix("_pc"),
                "atoms": len(data.z),
                "renderer": name,
                "rms_error": rms((renderer(data) - exact) * ~other, exact),
                "other_branch": int(other.sum()),
                "change": rms(charges(data) - exact, exact),
            }
            for key, given in (("without", bare), ("with", data)):
                row[f"forward_{key}"] = measure(lambda r=renderer, d=given: r(d), times)  # type: ignore[misc]
                row[f"backward_{key}"] = measure(gradient(renderer, given), max(times // 2, 1))
            rows.append(row)

    def factor(row: dict[str, Any], way: str) -> str:
        seconds = (row[f"{way}_{key}"]["cpu_s"]["median"] for key in ("with", "without"))
        return f"{next(seconds) / next(seconds):.2f}"

    settings = {"scan": to_dict(SCAN), "opencl_device": get_queue().device.name, "seed": SEED}
    command = f"python -m benchmarks.rendering.dipoles --repeats {repeats}"
    path = write("dipoles", command, rows, settings, ["torch", "numpy", "pyopencl"])
    print(
        table(
            rows,
            {
                "molecule": lambda r: f"{r['molecule']} ({r['atoms']} atoms)",
                "renderer": lambda r: r["renderer"],
                "CPU ms a stack": lambda r: f"{1e3 * r['forward_with']['cpu_s']['median']:.1f}",
                "forward with / without": lambda r: factor(r, "forward"),  # type: ignore[arg-type]
                "backward with / without": lambda r: factor(r, "backward"),  # type: ignore[arg-type]
                "rms error / std": lambda r: f"{r['rms_error']:.1e}",
                "other branch": lambda r: f"{r['other_branch']} of {SCAN.pixels[0] ** 2} pixels",
                "change / std": lambda r: f"{r['change']:.2f}",
            },
        )
    )
    print(f"written to {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name}")


if __name__ == "__main__":
    main()
