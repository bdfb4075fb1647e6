"""The default renderer: Newton's method per pixel in OpenCL, a whole batch in one launch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm.base import RenderInput, prepare
from torch_afm.ppm.context import get_program, get_queue, is_cpu
from torch_afm.ppm.frequency_shift import frequency_shift_weights

_LOCAL_SIZE = {True: 4, False: 64}  # work-items a group, on a CPU and on a GPU


class OpenCLRenderer:
    """Δf stacks in float32 by OpenCL (see :class:`torch_afm.ppm.Renderer`), on a GPU or, through PoCL, a CPU.

    Tip charges within 0.15 Å of the probe act as axial multipoles up to order 4, others as point charges. No
    gradients: use :class:`torch_afm.ppm.TorchRenderer` for those.

    Args:
        scan: window, pixels, heights.
        tip: default tip.
    """

    def __init__(self, scan: Scan | None = None, tip: Tip | None = None) -> None:
        self.scan = scan or Scan()
        self.tip = tip or Tip()

    def render(
        self,
        data: AFMData | Batch,
        tip: Tip | Sequence[Tip] | None = None,
        z_top: Tensor | float | None = None,
    ) -> Tensor:
        """See :meth:`torch_afm.ppm.Renderer.render`."""
        return self._run(prepare(data, self.scan, self.tip if tip is None else tip, z_top))[0]

    def evaluations(self, data: AFMData | Batch, z_top: Tensor | float | None = None) -> float:
        """Mean number of evaluations of force and Hessian a pixel and height: what a stack costs."""
        return self._run(prepare(data, self.scan, self.tip, z_top))[1]

    def _run(self, batch: RenderInput) -> tuple[Tensor, float]:
        import pyopencl as cl

        scan, queue = self.scan, get_queue()
        width = 8 if is_cpu() else 1
        n_pixels = scan.pixels[0] * scan.pixels[1]
        vectors = -(-n_pixels // width)
        x, y = (a - np.mean(w) for a, w in zip((scan.x, scan.y), scan.window, strict=True))
        pixel_y, pixel_x = (np.resize(a, vectors * width) for a in np.meshgrid(y, x, indexing="ij"))
        options, tip_records = _tip_records(batch)
        options += [f"-DWIDTH={width}", f"-DHEIGHTS={scan.n_heights}"]
        options += [f"-DSLICES={scan.n_slices}", f"-DSAMPLES={scan.n_oscillation}"]
        atoms = np.column_stack([batch.pos.detach().cpu().numpy(), batch.charge.detach().cpu().numpy()])
        c6 = 12 * batch.depth * batch.radius**6
        out = np.empty((batch.n_graphs, 1, scan.n_slices, vectors * width), dtype=np.float32)
        counts = np.empty((batch.n_graphs, vectors), dtype=np.int32)

        flags = cl.mem_flags
        # Named, since a kernel does not keep its buffers alive.
        results = [cl.Buffer(queue.context, flags.WRITE_ONLY, a.nbytes) for a in (out, counts)]
        place, lj, ptr, tips, px, py, heights, weights = (
            cl.Buffer(queue.context, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=_contiguous(a))
            for a in (
                atoms,
                np.column_stack([c6, c6 * batch.radius**6]),
                batch.ptr.astype(np.int32),
                tip_records,
                pixel_x,
                pixel_y,
                scan.heights(0.0),
                frequency_shift_weights(scan),
            )
        )
        kernel = cl.Kernel(get_program("probe_particle.cl", tuple(options)), "frequency_shift")
        stride = np.int32(tip_records.shape[1])
        kernel.set_args(place, lj, ptr, tips, stride, px, py, np.int32(vectors), heights, weights, *results)
        local = _LOCAL_SIZE[is_cpu()]
        cl.enqueue_nd_range_kernel(queue, kernel, (-(-vectors // local) * local, batch.n_graphs), (local, 1))
        cl.enqueue_copy(queue, out, results[0])
        cl.enqueue_copy(queue, counts, results[1])
        stack = out[..., :n_pixels].reshape(batch.n_graphs, 1, *scan.shape)
        return torch.from_numpy(np.ascontiguousarray(stack)), float(counts.mean()) / scan.n_heights


def _tip_records(batch: RenderInput) -> tuple[list[str], np.ndarray]:
    """Options that select the electrostatics the batch needs, and one record per graph."""
    tips = batch.tips
    moments, sites = tips.moments(), tips.sites()
    options = []
    if bool(batch.charge.any()):
        options += [f"-DM{order}" for order in np.flatnonzero(moments.any(axis=0))]
        options += [f"-DSITES={sites.shape[1]}"] if sites.shape[1] else []
    return options, np.hstack([tips.springs, moments, sites.reshape(batch.n_graphs, -1)])


def _contiguous(a: np.ndarray) -> np.ndarray:
    a = np.ascontiguousarray(a, dtype=np.int32 if a.dtype.kind == "i" else np.float32)
    return a if a.size else np.zeros(4, dtype=a.dtype)  # OpenCL has no empty buffers
