"""Renderers on a GPU: golden accuracy and stacks/s over batch sizes (26 atoms, thesis scan), for the OpenCL
kernel where the GPU has an OpenCL driver and for the torch renderer on the GPU.

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
from torch_afm.config import to_dict
from torch_afm.ppm import OpenCLRenderer, Renderer, TorchRenderer
from torch_afm.ppm.context import OpenCLUnavailable, get_queue

SPEED_CASE = "nicotine_pc"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", help="torch device")
    parser.add_argument("--largest", type=int, default=1024, help="largest batch")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    renderers: dict[str, Renderer] = {f"torch {args.device}": TorchRenderer(SCAN, device=args.device)}
    try:
        renderers[f"OpenCL {get_queue().device.name.strip()}"] = OpenCLRenderer(SCAN)
    except OpenCLUnavailable as error:
        print(f"no OpenCL: {error}")
    rows: list[dict[str, Any]] = []
    for name, renderer in renderers.items():
        errors = {case.removesuffix("_pc"): _error(renderer, case, args.device) for case in CASES}
        print(name, "rms error / std(Δf):", {case: f"{e:.1e}" for case, e in errors.items()})
        size = 1
        while size <= args.largest:
            data = load(SPEED_CASE)[0]
            batch = Batch.from_data_list([data] * size).to(args.device)
            times = measure(lambda r=renderer, b=batch: _render(r, b), args.repeats)  # type: ignore[misc]
            speed = size / times["wall_s"]["median"]
            rows.append(
                {"renderer": name, "stacks": size, "stacks_per_s": speed, "rms_error": errors, **times}
            )
            if times["wall_s"]["median"] * 4 * args.repeats > 60:
                break
            size *= 4
    gpu = torch.cuda.get_device_name() if args.device.startswith("cuda") else "none"
    settings = {"scan": to_dict(SCAN), "molecule": SPEED_CASE, "gpu": gpu, "seed": None}
    columns = {
        "renderer": lambda r: r["renderer"],
        "stacks a batch": lambda r: str(r["stacks"]),
        "stacks/s": lambda r: f"{r['stacks_per_s']:.1f}",
    }
    print(table(rows, columns))
    print(f"wrote {write('gpu_render', 'bash benchmarks/gpu/render.sh', rows, settings, ['torch', 'numpy'])}")


def _render(renderer: Renderer, batch: Batch) -> None:
    renderer.render(batch)
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _error(renderer: Renderer, case: str, device: str) -> float:
    data, exact, valid = load(case)
    stack = renderer.render(data.to(device))[0, 0].double().cpu().numpy()[:, ::8, ::8]
    return float(np.sqrt(np.mean(((stack - exact)[:, valid] / exact.std()) ** 2)))


if __name__ == "__main__":
    main()
