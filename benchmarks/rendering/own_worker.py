"""torch_afm's OpenCL renderer as a worker (:mod:`benchmarks.rendering.workers`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch_geometric.data import Batch

from benchmarks.rendering.run import SCAN, load
from benchmarks.rendering.workers import forget_peak, memory, serve, timed
from torch_afm.ppm import ProbeParticleModel
from torch_afm.ppm.opencl import get_queue


class Own:
    """The renderer of the golden cases; a setting has ``stacks``, how many it renders in one call."""

    def __init__(self) -> None:
        torch.set_num_threads(1)  # torch itself computes nothing here
        self.baseline = 0.0

    def prepare(self, case: str, setting: dict[str, Any]) -> None:
        """Build and warm up the renderer of golden case ``case``."""
        data = load(case)[0]
        self.given = Batch.from_data_list([data] * setting["stacks"])
        if not self.baseline:  # with the kernels compiled, but next to nothing in its buffers
            ProbeParticleModel(replace(SCAN, pixels=(16, 16)), backend="opencl")(data)
            self.baseline = memory("VmRSS")
        self.renderer = ProbeParticleModel(SCAN, backend="opencl")
        forget_peak()
        self.stack = self.renderer(self.given)[0, 0]

    def render(self, repeats: int) -> dict[str, list[float]]:
        return timed(lambda: self.renderer(self.given), repeats)

    def sample(self, every: int) -> list[Any]:
        """Every ``every``-th pixel ``[X, Y, Z]`` of the first stack."""
        return self.stack[:, ::every, ::every].permute(2, 1, 0).tolist()

    def peak(self) -> float:
        """Peak memory in MB since ``prepare``, over that of a scan of next to no size."""
        return memory("VmHWM") - self.baseline

    def describe(self) -> dict[str, Any]:
        return {"device": get_queue().device.name}


if __name__ == "__main__":
    serve(Own)
