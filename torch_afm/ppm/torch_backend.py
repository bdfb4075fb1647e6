"""The plain torch renderer: float64 oracle, any torch device, gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm.base import RenderInput, prepare
from torch_afm.ppm.forcefield import Atoms, surface_force, surface_force_hessian
from torch_afm.ppm.frequency_shift import frequency_shift_weights
from torch_afm.ppm.relaxation import Springs, newton_step, relax, spring_force, spring_hessian
from torch_afm.utils import InputError

#: Probe-atom pairs handled at once: bounds memory to a few hundred bytes times this.
_PAIRS = 1 << 17


class TorchRenderer:
    r"""Δf stacks in plain torch (see :class:`torch_afm.ppm.Renderer`), with the tip's exact point charges.

    Differentiable with respect to ``pos`` and ``charge`` by the implicit function theorem: at a relaxed probe
    :math:`p^*`, where the total force :math:`F(p^*; θ)` vanishes with Hessian :math:`H`,
    :math:`dp^*/dθ = H^{-1} \partial F/\partial θ`. Only the relaxed positions are kept, no iteration is
    unrolled. Heights (``z_top``) are constants.

    Args:
        scan: window, pixels, heights.
        tip: default tip.
        dtype: ``torch.float32``, where the ±10 e of a CO tip cost two digits (1e-4 of std(Δf)), or
            ``torch.float64``, relaxed to 1e-10 eV/Å.
        device: torch device to compute on; stacks return on the device of ``data.pos``.
    """

    def __init__(
        self,
        scan: Scan | None = None,
        tip: Tip | None = None,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> None:
        if dtype not in (torch.float32, torch.float64):
            raise InputError(f"dtype: expected torch.float32 or torch.float64, got {dtype}")
        self.scan = scan or Scan()
        self.tip = tip or Tip()
        self.dtype = dtype
        self.device = torch.device(device)

    def render(
        self,
        data: AFMData | Batch,
        tip: Tip | Sequence[Tip] | None = None,
        z_top: Tensor | float | None = None,
    ) -> Tensor:
        """See :meth:`torch_afm.ppm.Renderer.render`; the stack has the dtype of this renderer."""
        batch = prepare(data, self.scan, self.tip if tip is None else tip, z_top)
        weights = self._tensor(frequency_shift_weights(self.scan))
        stacks = []
        for graph in range(batch.n_graphs):
            force = self._forces(batch, graph)  # [Y X, heights]
            df = force.unfold(1, self.scan.n_oscillation, 1) @ weights  # [Y X, slices]
            stacks.append(df.T.reshape(1, *self.scan.shape))
        return torch.stack(stacks).to(data.pos.device)

    def _forces(self, batch: RenderInput, graph: int) -> Tensor:
        """Surface force F_z on the relaxed probe of each pixel at each height, ``[Y X, heights]``."""
        own = slice(batch.ptr[graph], batch.ptr[graph + 1])
        atoms = Atoms(
            batch.pos[own].to(self.device, self.dtype),
            batch.charge[own].to(self.device, self.dtype),
            self._tensor(batch.radius[own]),
            self._tensor(batch.depth[own]),
            self._tensor(batch.tips.charges[graph]),
            self._tensor(batch.tips.charge_heights[graph]),
        )
        springs = Springs(*self._tensor(batch.tips.springs[graph]).split([3, 1, 1, 3]))
        scan = self.scan
        x, y = (self._tensor(a - np.mean(w)) for a, w in zip((scan.x, scan.y), scan.window, strict=True))
        free = torch.cartesian_prod(y, x, y.new_zeros(1))[:, [1, 0, 2]]
        free[:, :2] += springs.free[:2]
        heights = self._tensor(scan.heights(0.0))
        return _RelaxedForce.apply(atoms.pos, atoms.charge, atoms, springs, free, heights)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(values, dtype=self.dtype, device=self.device)


class _RelaxedForce(torch.autograd.Function):
    """``[pixels, heights]`` F_z on the relaxed probe, differentiable in ``pos`` and ``charge`` of ``atoms``.

    Keeps the relaxed positions and, pixels by pixels, evaluates the force there anew for the backward pass.
    """

    @staticmethod
    def forward(
        ctx: Any, pos: Tensor, charge: Tensor, atoms: Atoms, springs: Springs, free: Tensor, heights: Tensor
    ) -> Tensor:
        atoms = atoms._replace(pos=pos, charge=charge)
        relaxed = free.new_empty(len(heights), *free.shape)
        force = free.new_empty(len(free), len(heights))
        for part in _parts(free, atoms):
            relaxed[:, part] = relax(free[part], heights, atoms, springs)
            for j, height in enumerate(heights):
                force[part, j] = surface_force(_probe(free[part], height, relaxed[j, part]), atoms)[:, 2]
        ctx.save_for_backward(pos, charge, relaxed)
        ctx.constants = atoms, springs, free, heights
        return force

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        pos, charge, relaxed = ctx.saved_tensors
        atoms, springs, free, heights = ctx.constants
        leaves = pos.detach().requires_grad_(), charge.detach().requires_grad_()
        atoms = atoms._replace(pos=leaves[0], charge=leaves[1])
        total = torch.zeros_like(pos), torch.zeros_like(charge)
        for part in _parts(free, atoms):
            for j, height in enumerate(heights):
                with torch.enable_grad():
                    force = _implicit_force(free[part], height, relaxed[j, part], atoms, springs)
                # A tip without charges does not use those of the atoms.
                news = torch.autograd.grad(force, leaves, grad[part, j], materialize_grads=True)
                for sums, new in zip(total, news, strict=True):
                    sums += new
        return *total, None, None, None, None


def _implicit_force(free: Tensor, height: Tensor, u: Tensor, atoms: Atoms, springs: Springs) -> Tensor:
    """F_z with the gradient that the relaxed position has: one Newton step from where the total force is
    zero changes nothing but carries dp*/dθ."""
    probe = _probe(free, height, u)
    with torch.no_grad():
        hessian = surface_force_hessian(probe, atoms)[1] + spring_hessian(u, springs)
    force = surface_force(probe, atoms) + spring_force(u, springs)
    return surface_force(probe + newton_step(force, hessian), atoms)[:, 2]


def _probe(free: Tensor, height: Tensor, u: Tensor) -> Tensor:
    return free + u + height * free.new_tensor([0.0, 0.0, 1.0])


def _parts(free: Tensor, atoms: Atoms) -> Iterator[slice]:
    """Slices of the pixels that bound the memory of a pass."""
    size = max(_PAIRS // max(len(atoms.pos), 1), 1)
    return (slice(start, start + size) for start in range(0, len(free), size))
