"""The default renderer: Newton's method per pixel in OpenCL, a whole batch in one launch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config import ForceField, Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm.autograd import needs_gradient, pull_torch, relaxation_with_gradient
from torch_afm.ppm.base import (
    Relaxation,
    RenderInput,
    Tips,
    check_on_unconverged,
    pixel_positions,
    prepare,
    report_unconverged,
)
from torch_afm.ppm.context import get_program, get_queue, is_cpu
from torch_afm.ppm.frequency_shift import frequency_shift_weights
from torch_afm.ppm.opencl_adjoint import pull_opencl
from torch_afm.ppm.tiles import DEGREE, FEW, STRAYED, Neighbours, neighbours, pays, pixel_tiles

_LOCAL_SIZE = {True: 4, False: 64}  # work-items a group, on a CPU and on a GPU


class OpenCLRenderer:
    """Δf stacks in float32 by OpenCL (see :class:`torch_afm.ppm.Renderer`), on a GPU or, through PoCL, a CPU.

    Tip charges within 0.15 Å of the probe act as axial multipoles up to order 4, others as point charges.
    Past the break-even far atoms act through a polynomial on tiles of pixels (see
    :class:`torch_afm.ppm.tiles.Neighbours`). Differentiable as :class:`torch_afm.ppm.TorchRenderer` is: where
    an input requires a gradient, the relaxed probes are kept and the backward pass is made there, in OpenCL
    too, unless charges of the tip or their heights are to be differentiated.

    Args:
        scan: window, pixels, heights.
        tip: default tip.
        on_unconverged: "warn", "error" or "ignore", where a pixel and height used up its iterations, came to
            NaN, or led the probe through an atom (surface energy with a Laplacian above 1000 eV/Å², 1.3 to
            1.6 Å from the nucleus).
        forcefield: Lennard-Jones parameters of atoms and probes.
    """

    def __init__(
        self,
        scan: Scan | None = None,
        tip: Tip | None = None,
        on_unconverged: str = "warn",
        forcefield: ForceField | None = None,
    ) -> None:
        self.scan = scan or Scan()
        self.tip = tip or Tip()
        self.forcefield = forcefield or ForceField()
        self.on_unconverged = check_on_unconverged(on_unconverged)

    def render(
        self,
        data: AFMData | Batch,
        tip: Tips | None = None,
        z_top: Tensor | float | None = None,
        pixels: Tensor | None = None,
    ) -> Tensor:
        """See :meth:`torch_afm.ppm.Renderer.render`."""
        batch = prepare(data, self.scan, self.tip if tip is None else tip, z_top, self.forcefield)
        if needs_gradient(batch):
            force = self.relax(data, tip, z_top, pixels).force
            weights = force.new_tensor(frequency_shift_weights(self.scan))
            return force.unfold(2, self.scan.n_oscillation, 1) @ weights
        rows = self._run(batch, pixels)
        slices = self.scan.n_slices
        self._report(int(rows[:, slices].sum()), rows[:, slices].size * self.scan.n_heights)
        return _stack(rows[:, :slices], batch, self.scan, pixels)

    def relax(
        self,
        data: AFMData | Batch,
        tip: Tips | None = None,
        z_top: Tensor | float | None = None,
        pixels: Tensor | None = None,
    ) -> Relaxation:
        """See :meth:`torch_afm.ppm.Renderer.relax`."""
        batch = prepare(data, self.scan, self.tip if tip is None else tip, z_top, self.forcefield)
        rows = self._run(batch, pixels, relaxed=True).reshape(batch.n_entries, self.scan.n_heights, 5, -1)
        force, x, y, z, converged = (
            _stack(rows[:, :, i], batch, self.scan, pixels) for i in range(rows.shape[2])
        )
        origin = batch.origin.detach().cpu().float().reshape(batch.n_graphs, batch.n_channels, 1, 3)
        origin = origin.reshape(*origin.shape[:2], *(1,) * (force.dim() - 2), 3)
        self._report(int((converged == 0).sum()), converged.numel())
        relaxed = Relaxation(force, torch.stack([x, y, z], dim=-1) + origin, converged > 0)
        if needs_gradient(batch):
            # The kernel has no gradients in the charges of the tip.
            tip_charges = batch.parameters.charges, batch.parameters.charge_heights
            pull = pull_torch if any(v.requires_grad for v in tip_charges) else pull_opencl
            return relaxation_with_gradient(relaxed, batch, self.scan, pixels, pull)
        return relaxed

    def evaluations(self, data: AFMData | Batch, z_top: Tensor | float | None = None) -> float:
        """Mean number of evaluations of force and Hessian a pixel and height: what a stack costs."""
        rows = self._run(prepare(data, self.scan, self.tip, z_top, self.forcefield), None)
        return float(rows[:, self.scan.n_slices + 1].mean()) / self.scan.n_heights

    def _report(self, count: int, total: int) -> None:
        report_unconverged(count, total, self.on_unconverged)

    def _run(self, batch: RenderInput, pixels: Tensor | None, relaxed: bool = False) -> np.ndarray:
        """Rows of the kernel ``frequency_shift``, ``[E, rows, P]``."""
        positions = pixel_positions(self.scan, pixels)
        n_rows = 5 * self.scan.n_heights if relaxed else self.scan.n_slices + 2
        if not len(positions):
            return np.empty((batch.n_entries, n_rows, 0), dtype=np.float32)
        rows, tiled = self._rows(batch, positions, relaxed)
        if tiled:
            # Where a probe bent out of its tile's box, all atoms are summed.
            strayed = (rows[:, n_rows] > STRAYED).any(axis=0)
            if strayed.any():
                rows[:, :n_rows, strayed] = self._rows(batch, positions[strayed], relaxed, tiles=False)[0]
        return rows[:, :n_rows]

    def _rows(
        self, batch: RenderInput, positions: np.ndarray, relaxed: bool, tiles: bool = True
    ) -> tuple[np.ndarray, bool]:
        """Rows at ``positions``, and whether tiles were used, which makes one row more."""
        scan = self.scan
        width = 8 if is_cpu() else 1
        options, tip_records = _tip_records(batch)
        options += [f"-DWIDTH={width}", f"-DHEIGHTS={scan.n_heights}"]
        options += [f"-DSLICES={scan.n_slices}", f"-DSAMPLES={scan.n_oscillation}"]
        options += ["-DRELAXED"] if relaxed else []
        n_rows = 5 * scan.n_heights if relaxed else scan.n_slices + 2

        atoms = np.column_stack([batch.pos.detach().cpu().numpy(), batch.charge.detach().cpu().numpy()])
        c6 = 12 * batch.depth * batch.radius**6
        place, lj, tips = map(_buffer, (atoms, np.column_stack([c6, c6 * batch.radius**6]), tip_records))
        stride = np.int32(tip_records.shape[1])

        slots, slot, tile_of, found = _tiling(batch, positions, width, scan, tiles)
        n_tiles, index, ptr, far = 1, np.empty(0, np.int32), batch.ptr, np.empty(0)
        if found is not None:
            options += ["-DTILED", f"-DDEGREE={DEGREE}"]
            n_rows += 1
            n_tiles, (index, ptr) = found.centre.shape[1], found.near
            nodes = found.nodes
            gradient = np.empty(nodes.shape, dtype=np.float32)
            vectors = nodes.shape[2] // width
            arguments = [place, lj, *map(_buffer, found.far), tips, stride, np.int32(n_tiles), _buffer(nodes)]
            _launch("far_field", options, vectors, len(nodes), [*arguments, np.int32(vectors)], gradient)
            far = found.records(gradient)
        out = np.empty((batch.n_entries, n_rows, len(slots)), dtype=np.float32)
        vectors = len(slots) // width
        arguments = [
            place,
            lj,
            _buffer(index),
            _buffer(ptr),
            _buffer(tile_of),
            np.int32(n_tiles),
            tips,
            stride,
        ]
        arguments += [*map(_buffer, positions[slots].T), np.int32(vectors), _buffer(scan.heights(0.0))]
        arguments += [_buffer(frequency_shift_weights(scan)), _buffer(far)]
        _launch("frequency_shift", options, vectors, batch.n_entries, arguments, out)
        return (out[..., : len(positions)], False) if slot is None else (out[..., slot], True)


def _tiling(
    batch: RenderInput, positions: np.ndarray, width: int, scan: Scan, tiles: bool
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, Neighbours | None]:
    """The pixel of each slot, the slot of each pixel (None: the same), the tile of each vector of slots, and
    the neighbours (None without ``tiles`` and where summing over all atoms is not slower)."""
    if tiles and len(batch.pos) >= FEW * batch.n_entries:
        slots, slot, tile_of = pixel_tiles(positions, width)
        tile = np.repeat(tile_of, width)[slot]
        found = neighbours(batch, positions, tile, (scan.n_heights - 1) * scan.dz)
        if pays(batch, found, np.bincount(tile), scan.n_heights):
            return slots, slot, tile_of, found
    filled = -(-len(positions) // width) * width
    return np.resize(np.arange(len(positions)), filled), None, np.empty(0, np.int32), None


def _stack(rows: np.ndarray, batch: RenderInput, scan: Scan, pixels: Tensor | None) -> Tensor:
    """``[E, Z, P]`` as ``[B, C, Z, Y, X]``, or ``[B, C, Z, P]`` on a subset of pixels."""
    image = (rows.shape[2],) if pixels is not None else (scan.pixels[1], scan.pixels[0])
    shape = batch.n_graphs, batch.n_channels, rows.shape[1], *image
    return torch.from_numpy(np.ascontiguousarray(rows).reshape(shape))


def _launch(
    name: str, options: list[str], vectors: int, entries: int, arguments: list[Any], out: np.ndarray
) -> None:
    """Run a kernel over ``vectors`` x ``entries`` work-items and copy its last argument into ``out``."""
    import pyopencl as cl

    queue = get_queue()
    result = cl.Buffer(queue.context, cl.mem_flags.WRITE_ONLY, out.nbytes)
    kernel = cl.Kernel(get_program("probe_particle.cl", tuple(options)), name)
    kernel.set_args(*arguments, result)
    local = _LOCAL_SIZE[is_cpu()]
    cl.enqueue_nd_range_kernel(queue, kernel, (-(-vectors // local) * local, entries), (local, 1))
    cl.enqueue_copy(queue, out, result)


def _tip_records(batch: RenderInput) -> tuple[list[str], np.ndarray]:
    """Options that select the electrostatics the batch needs, and one record per entry."""
    tips = batch.tips
    moments, sites = tips.moments(), tips.sites()
    options = []
    if bool(batch.charge.any()):
        options += [f"-DM{order}" for order in np.flatnonzero(moments.any(axis=0))]
        options += [f"-DSITES={sites.shape[1]}"] if sites.shape[1] else []
    return options, np.hstack([tips.springs, moments, sites.reshape(batch.n_entries, -1)])


def _buffer(a: np.ndarray) -> Any:
    """``a`` on the device, as int32 or float32. A kernel does not keep its buffers alive: name them."""
    import pyopencl as cl

    a = np.ascontiguousarray(a, dtype=np.int32 if a.dtype.kind == "i" else np.float32)
    a = a if a.size else np.zeros(4, dtype=a.dtype)  # OpenCL has no empty buffers
    return cl.Buffer(get_queue().context, cl.mem_flags.READ_ONLY | cl.mem_flags.COPY_HOST_PTR, hostbuf=a)
