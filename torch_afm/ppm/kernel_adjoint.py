"""Gradients of relaxed forces by the kernels, on whatever device runs them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from torch_afm.ppm.inputs import RenderInput
from torch_afm.ppm.kernel_forward import KernelInput
from torch_afm.ppm.tip import N_MOMENTS, tip_moments
from torch_afm.units import COULOMB, N_PER_M

#: Work-items of a batch, whatever the number of its entries: bounds the memory of their sums.
_ITEMS = 1 << 18


def force_with_gradient(relaxed: Tensor, data: KernelInput) -> Tensor:
    """The forces of ``relaxed``, from :meth:`KernelInput.relax`, differentiable in positions, charges,
    dipoles and tips of the batch, as :func:`torch_afm.ppm.scene.with_gradient` explains.

    Shapes:
        relaxed ``[E, H, 5, P]``, returns ``[E, H, P]`` eV/Å.
    """
    batch, tip = data.batch, data.batch.parameters
    # The kernels see atoms from the window's center, where the free probe stands aside by the tip's tilt.
    aside = torch.cat([tip.free[:, :2], tip.free.new_zeros(len(tip), 1)], 1).to(batch.pos.device)
    entry = torch.from_numpy(np.repeat(np.arange(batch.n_entries), np.diff(batch.ptr)))
    springs = tip.stiffness / N_PER_M, tip.radial_stiffness / N_PER_M, tip.free
    charges = COULOMB * tip.charges, tip.charge_heights
    pos = batch.pos - aside[entry.to(aside.device)]
    return _RelaxedForce.apply(relaxed, data, pos, batch.charge, *springs, *charges, batch.dipole)


class _RelaxedForce(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, relaxed: Tensor, data: KernelInput, *inputs: Tensor | None) -> Tensor:
        ctx.save_for_backward(relaxed, *inputs)
        ctx.data = data
        return relaxed[:, :, 0].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        relaxed, *inputs = ctx.saved_tensors
        *_, charges, heights, _ = inputs
        found = _pull(grad, relaxed, ctx.data, charges, heights, any(ctx.needs_input_grad[-3:-1]))
        return None, None, *(v if v is None else g.to(v) for g, v in zip(found, inputs, strict=True))


def _pull(
    grad: Tensor, relaxed: Tensor, data: KernelInput, tip_charges: Tensor, tip_heights: Tensor, with_tip: bool
) -> list[Tensor]:
    """Gradients in positions and charges of the atoms, stiffness, radial stiffness and free position of the
    springs, with ``with_tip`` in charges of the tip and their heights (else 0), and in dipoles of the atoms
    (empty without), all float64."""
    batch, device, heights = data.batch, data.device, data.scan.n_heights
    n, entries, sites = len(batch.pos), batch.n_entries, batch.tips.sites().shape[1]
    extra = 7 + with_tip * (N_MOMENTS + 2 * sites)
    each = 4 if batch.dipole is None else 7
    sums = torch.zeros(each * n + extra * entries, dtype=torch.float64)
    if len(batch.positions):
        gap = -len(batch.positions) % device.width  # weighs nothing
        vectors = (len(batch.positions) + gap) // device.width
        # Long enough that the sums of all work-items take about as much memory as the probes.
        block = max(device.block, n // (4 * entries), heights * vectors * entries // _ITEMS)
        items = -(-heights * vectors // block)
        moments = [f"-DM{order}" for order in range(N_MOMENTS)] if with_tip else []
        options = (
            [*data.options, f"-DHEIGHTS={heights}"]
            + ["-DTIP_CHARGES"] * with_tip
            + sorted({*moments, *data.electrostatics})
        )
        options += ["-DDIPOLES"] if batch.dipole is not None else []
        pixels = np.pad(batch.positions, ((0, gap), (0, 0)))
        arguments = [data.place, data.dipole, data.lj, data.ptr, data.tips, data.tip_stride]
        arguments += [*map(device.array, pixels.T), data.heights, vectors]
        arguments += [device.array(pad(v.detach(), (0, gap))) for v in (relaxed, grad)]
        arguments += [block, n, entries, *data.fields]
        shape = (items, len(sums), device.width)
        out = device.launch("adjoint.cl", "adjoint", options, (items, entries), arguments, shape)
        sums = out.sum(dim=(0, 2), dtype=torch.float64).cpu()
    by_atom, by_tip = sums[: each * n].reshape(n, each), sums[each * n :].reshape(entries, extra)
    stiffness, radial, free, *rest = by_tip.split([3, 1, 3] + with_tip * [N_MOMENTS, 2 * sites], dim=1)
    charges, at = (torch.zeros_like(v, dtype=torch.float64) for v in (tip_charges, tip_heights))
    if with_tip:
        charges, at = _pull_charges(
            batch, rest[0], rest[1].reshape(entries, sites, 2), tip_charges, tip_heights
        )
    springs = stiffness, radial[:, 0], free
    return [by_atom[:, :3], by_atom[:, 3], *springs, charges, at, by_atom[:, 4:]]


def _pull_charges(
    batch: RenderInput, by_moment: Tensor, by_site: Tensor, tip_charges: Tensor, tip_heights: Tensor
) -> tuple[Tensor, Tensor]:
    """From gradients in moments and sites to those in the charges they were made of and their heights."""
    near, kept = batch.tips.split()
    charges, at = (v.detach().cpu().double().requires_grad_() for v in (tip_charges, tip_heights))
    with torch.enable_grad():
        inside = torch.where(torch.from_numpy(near), charges, 0.0)
        outside = torch.stack([charges - inside, at], 2)[:, torch.from_numpy(kept)]
        total = (tip_moments(inside, at) * by_moment).sum() + (outside * by_site).sum()
    by_charge, by_height = torch.autograd.grad(total, (charges, at))
    return by_charge, by_height
