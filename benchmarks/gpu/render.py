"""Renderers on a GPU: golden accuracy and stacks/s over batch sizes (26 atoms, thesis scan), with and without
the backward pass, for the kernels in CUDA, in OpenCL where the GPU has a driver for it, and for the torch
renderer; and, for the kernels, the share of the GPU's float32 limit that the sums over atoms make up.

    bash benchmarks/gpu/render.sh

``--device cpu`` and ``--largest 1`` try the script out where there is none.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Batch

from benchmarks.common import measure, table, write
from benchmarks.rendering.run import CASES, SCAN, load
from torch_afm.config import Tip, to_dict
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel
from torch_afm.ppm.cuda import CUDAUnavailable
from torch_afm.ppm.inputs import prepare
from torch_afm.ppm.opencl import OpenCLUnavailable, get_queue
from torch_afm.ppm.solver import KernelSolver

SPEED_CASE = "nicotine_pc"
#: Operations of one atom in one evaluation of force and Hessian under a quadrupole tip, counted in
#: torch_afm/ppm/kernels/probe_particle.cl (M2 and M4), the reciprocal root as one.
FLOP_AN_ATOM = 82


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", help="torch device")
    parser.add_argument("--largest", type=int, default=1024, help="largest batch")
    parser.add_argument("--limit", type=float, default=67, help="float32 TFLOP/s of the GPU (H200: 67)")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    renderers: dict[str, ProbeParticleModel] = {}
    try:
        renderers["CUDA"] = ProbeParticleModel(SCAN, backend="cuda")
    except CUDAUnavailable as error:
        print(f"no CUDA: {error}")
    try:
        renderers[f"OpenCL {get_queue().device.name.strip()}"] = ProbeParticleModel(SCAN, backend="opencl")
    except OpenCLUnavailable as error:
        print(f"no OpenCL: {error}")
    renderers[f"torch {args.device}"] = ProbeParticleModel(SCAN, device=args.device, backend="torch")
    rows: list[dict[str, Any]] = []
    for name, renderer in renderers.items():
        errors = {case.removesuffix("_pc"): _error(renderer, case, args.device) for case in CASES}
        print(name, "rms error / std(Δf):", {case: f"{e:.1e}" for case, e in errors.items()})
        size = 1
        while size <= args.largest:
            data = load(SPEED_CASE)[0]
            batch = Batch.from_data_list([data] * size).to(args.device)
            times = measure(lambda r=renderer, b=batch: _render(r, b), args.repeats)  # type: ignore[misc]
            back = measure(lambda r=renderer, b=batch: _render(r, b, True), args.repeats)  # type: ignore[misc]
            row = {"renderer": name, "stacks": size, "rms_error": errors, "backward": back, **times}
            row["stacks_per_s"] = size / times["wall_s"]["median"]
            row["with_backward_per_s"] = size / back["wall_s"]["median"]
            if isinstance(renderer.solver, KernelSolver):
                row["tflops"] = _flop(renderer.solver, data) * row["stacks_per_s"] / 1e12
            rows.append(row)
            if times["wall_s"]["median"] * 4 * args.repeats > 60:
                break
            size *= 4
    gpu = torch.cuda.get_device_name() if args.device.startswith("cuda") else "none"
    settings = {
        "float32_limit_tflops": args.limit,
        "scan": to_dict(SCAN),
        "molecule": SPEED_CASE,
        "gpu": gpu,
        "seed": None,
    }
    columns = {
        "renderer": lambda r: r["renderer"],
        "stacks a batch": lambda r: str(r["stacks"]),
        "stacks/s": lambda r: f"{r['stacks_per_s']:.1f}",
        "with backward": lambda r: f"{r['with_backward_per_s']:.1f}",
        "TFLOP/s": lambda r: f"{r['tflops']:.2f}" if "tflops" in r else "",
        "of the limit": lambda r: f"{r['tflops'] / args.limit:.1%}" if "tflops" in r else "",
    }
    print(table(rows, columns))
    print(f"wrote {write('gpu_render', 'bash benchmarks/gpu/render.sh', rows, settings, ['torch', 'numpy'])}")


def _flop(solver: KernelSolver, data: AFMData) -> float:
    """Arithmetic of the sums over atoms of one stack; a multiplication and an addition count as two."""
    probes = SCAN.n_heights * SCAN.pixels[0] * SCAN.pixels[1]
    return solver.evaluations(prepare(data, SCAN, Tip())) * probes * len(data.z) * FLOP_AN_ATOM


def _render(renderer: ProbeParticleModel, batch: Batch, backward: bool = False) -> None:
    if backward:
        batch = batch.clone()
        batch.pos.requires_grad_()
    stack = renderer(batch)
    if backward:
        stack.square().sum().backward()
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _error(renderer: ProbeParticleModel, case: str, device: str) -> float:
    data, exact, valid = load(case)
    stack = renderer(data.to(device))[0, 0].double().cpu().numpy()[:, ::8, ::8]
    return float(np.sqrt(np.mean(((stack - exact)[:, valid] / exact.std()) ** 2)))


if __name__ == "__main__":
    main()
