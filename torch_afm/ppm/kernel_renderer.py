"""The renderers that run the kernels: Newton's method per pixel, a whole batch in one launch."""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config import ForceField, Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm.autograd import needs_gradient
from torch_afm.ppm.base import Relaxation, RenderInput, Tips, pixel_positions, prepare
from torch_afm.ppm.checks import check_memory, check_on_unconverged, check_start, report_unconverged
from torch_afm.ppm.device import KernelDevice
from torch_afm.ppm.frequency_shift import frequency_shift
from torch_afm.ppm.kernel_adjoint import force_with_gradient
from torch_afm.ppm.kernel_forward import KernelInput


class KernelRenderer:
    """Δf stacks in float32 by the kernels (see :class:`torch_afm.ppm.Renderer`).

    Tip charges within 0.15 Å of the probe act as axial multipoles up to order 4, others as point charges.
    Past the break-even far atoms act through a polynomial on tiles of pixels (see
    :class:`torch_afm.ppm.tiles.Neighbours`). Differentiable as :class:`torch_afm.ppm.TorchRenderer` is: where
    an input requires a gradient, the relaxed probes are kept and the backward pass is made there, by the
    kernels too. Stacks return on the device of ``data.pos``.

    Args:
        scan: window, pixels, heights.
        tip: default tip.
        on_unconverged: "warn", "error" or "ignore", where a pixel and height used up its iterations, came to
            NaN, or led the probe through an atom (surface energy with a Laplacian above 1000 eV/Å², 1.3 to
            1.6 Å from the nucleus). "ignore" also renders from heights within or below the atoms.
        forcefield: Lennard-Jones parameters of atoms and probes.
    """

    #: Where the kernels run.
    kernel_device: KernelDevice

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
        batch, kernel = self._prepare(data, tip, z_top, pixels)
        if needs_gradient(batch):
            check_memory(self.scan, batch.n_entries, pixels, relaxed=True)
            force, *_, converged = self._relax(batch, kernel, pixels)
            self._report((converged == 0).sum(), converged.numel())
            return frequency_shift(force, self.scan).to(data.pos.device)
        shift, unconverged, _ = kernel.frequency_shift()
        self._report(unconverged.sum(), unconverged.numel() * self.scan.n_heights)
        return self._stack(shift, batch, pixels).to(data.pos.device)

    def relax(
        self,
        data: AFMData | Batch,
        tip: Tips | None = None,
        z_top: Tensor | float | None = None,
        pixels: Tensor | None = None,
    ) -> Relaxation:
        """See :meth:`torch_afm.ppm.Renderer.relax`."""
        batch, kernel = self._prepare(data, tip, z_top, pixels)
        check_memory(self.scan, batch.n_entries, pixels, relaxed=True)
        force, x, y, z, converged = self._relax(batch, kernel, pixels)
        self._report((converged == 0).sum(), converged.numel())
        grid = torch.from_numpy(pixel_positions(self.scan, pixels)).to(force.device)
        heights = torch.from_numpy(self.scan.heights(0.0)).to(force.device)
        free = torch.stack([batch.free(entry) for entry in range(batch.n_entries)]).detach().to(force.device)
        probe = free[:, None, None].expand(-1, len(heights), len(grid), 3).clone()
        probe[..., :2] += grid
        probe[..., 2] += heights[:, None]
        probe = probe.reshape(*force.shape, 3) + torch.stack([x, y, z], dim=-1)
        return Relaxation(*(v.to(data.pos.device) for v in (force, probe.float(), converged > 0)))

    def quiet(self) -> Self:
        """See :meth:`torch_afm.ppm.Renderer.quiet`."""
        same = copy.copy(self)
        same.on_unconverged = "ignore"
        return same

    def evaluations(self, data: AFMData | Batch, z_top: Tensor | float | None = None) -> float:
        """Mean number of evaluations of force and Hessian a pixel and height: what a stack costs."""
        *_, count = self._prepare(data, None, z_top, None)[1].frequency_shift()
        return float(count.mean()) / self.scan.n_heights

    def _prepare(
        self, data: AFMData | Batch, tip: Tips | None, z_top: Tensor | float | None, pixels: Tensor | None
    ) -> tuple[RenderInput, KernelInput]:
        batch = prepare(data, self.scan, self.tip if tip is None else tip, z_top, self.forcefield)
        check_start(batch, self.scan, self.on_unconverged)
        check_memory(self.scan, batch.n_entries, pixels, relaxed=False)
        positions = pixel_positions(self.scan, pixels)
        return batch, KernelInput(self.kernel_device, batch, self.scan, positions)

    def _relax(self, batch: RenderInput, kernel: KernelInput, pixels: Tensor | None) -> list[Tensor]:
        """F_z, displacement (x, y, z) and 1 where converged, ``[B, C, H, Y, X]`` each."""
        rows = kernel.relax()
        force = force_with_gradient(rows, kernel) if needs_gradient(batch) else rows[:, :, 0]
        return [self._stack(v, batch, pixels) for v in (force, *rows[:, :, 1:].unbind(2))]

    def _stack(self, rows: Tensor, batch: RenderInput, pixels: Tensor | None) -> Tensor:
        """``[E, Z, P]`` as ``[B, C, Z, Y, X]``, or ``[B, C, Z, P]`` on a subset of pixels."""
        image = self.scan.shape[1:] if pixels is None else (len(pixels),)
        return rows.reshape(batch.n_graphs, batch.n_channels, rows.shape[1], *image)

    def _report(self, count: Tensor, total: int) -> None:
        report_unconverged(int(count), total, self.on_unconverged)
