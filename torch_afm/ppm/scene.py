"""Atoms, springs and free probes of one stack, and gradients of the force on relaxed probes, in torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from torch_afm.ppm.forcefield import Atoms, SurfaceTerms
from torch_afm.ppm.inputs import RenderInput
from torch_afm.ppm.potential import pull_field
from torch_afm.ppm.relaxation import Springs, newton_step, spring_force, spring_hessian
from torch_afm.units import COULOMB, N_PER_M

#: Probe-atom pairs handled at once: bounds memory to a few hundred bytes times this.
PAIRS = 1 << 17


class Scene(NamedTuple):
    """What the probe of one entry of a batch sees, from the free probe of ``z_top`` above the center of the
    window, differentiable.

    Shapes:
        free ``[H, P, 3]``: the free probe of every height and pixel, Å.
    """

    atoms: Atoms
    springs: Springs
    free: Tensor

    @classmethod
    def from_input(cls, batch: RenderInput, entry: int, like: Tensor) -> Scene:
        """Entry ``entry`` of ``batch`` in the dtype and on the device of ``like``."""
        span, tip = slice(batch.ptr[entry], batch.ptr[entry + 1]), batch.parameters
        to = like.new_tensor
        aside = torch.cat([tip.free[entry, :2], tip.free.new_zeros(1)])
        atoms = Atoms(
            (batch.pos[span] - aside.to(batch.pos.device)).to(like),
            batch.charge[span].to(like),
            to(batch.radius[span]),
            to(batch.depth[span]),
            COULOMB * tip.charges[entry].to(like),
            tip.charge_heights[entry].to(like),
            dipole=None if batch.dipole is None else batch.dipole[span].to(like),
            field=_field(batch, entry, aside, like),
        )
        stiffness, radial = tip.stiffness[entry] / N_PER_M, tip.radial_stiffness[entry : entry + 1] / N_PER_M
        springs = Springs(stiffness.to(like), radial.to(like), tip.free[entry].to(like))
        grid = to(batch.positions)
        heights = to(batch.scan.heights(0.0))
        up = to([0.0, 0.0, 1.0])
        free = torch.cat([grid, grid.new_zeros(len(grid), 1)], 1) + heights[:, None, None] * up
        return cls(atoms, springs, free)


def _field(
    batch: RenderInput, entry: int, aside: Tensor, like: Tensor
) -> tuple[Tensor, Tensor, Tensor] | None:
    if not batch.fields:
        return None
    coefficients, low, spacing = batch.fields[entry]
    return coefficients.to(like), (low - aside.to(low)).to(like), spacing.to(like)


def with_gradient(force: Tensor, u: Tensor, scene: Scene) -> Tensor:
    r"""``force``, the surface force :math:`F_z` on relaxed probes, with its gradient in the atoms (positions,
    charges and dipoles, tip charges and their heights) and the springs of ``scene``.

    At a relaxed probe p the total force :math:`F = F^{surface} + F^{tip}` vanishes, so by the implicit
    function theorem :math:`dp/dθ = H^{-1} \partial F/\partial θ` with the Hessian :math:`H` of the total
    energy. The backward pass is the adjoint of that: with the gradient g of a loss in F_z it solves
    :math:`H λ = g\, \partial F_z/\partial p` once a probe, and

    .. math::
        \frac{dL}{dθ} = (λ + g \hat z) \cdot \frac{\partial F^{surface}}{\partial θ}
            + λ \cdot \frac{\partial F^{tip}}{\partial θ}

    is one more pass over the atoms, whatever the number of parameters. No iteration is unrolled and only u
    is kept. Where several relaxed positions exist the gradient is that of the one the probe took; where that
    one is about to vanish, H is shifted as in :func:`newton_step`, which bounds the gradient.

    Args:
        force: F_z on the relaxed probes.
        u: their displacement from the free probe.
        scene: what to differentiate in.

    Shapes:
        force ``[H, P]`` eV/Å, u ``[H, P, 3]`` Å, returns ``[H, P]``.
    """
    atoms, springs, free = scene
    inputs = atoms.pos, atoms.charge, atoms.tip_charges, atoms.tip_heights, *springs, atoms.dipole
    constants = atoms.radius, atoms.depth
    field = (None, None, None) if atoms.field is None else atoms.field
    return _RelaxedForce.apply(force, u, free, constants, *inputs, *field)


def parts(n_probes: int, n_atoms: int) -> Iterator[slice]:
    """Slices of the probes that bound the memory of a pass."""
    size = max(PAIRS // max(n_atoms, 1), 1)
    return (slice(start, start + size) for start in range(0, n_probes, size))


class _RelaxedForce(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        force: Tensor,
        u: Tensor,
        free: Tensor,
        constants: tuple[Any, ...],
        *inputs: Tensor | None,
    ) -> Tensor:
        ctx.save_for_backward(u, free, *inputs)
        ctx.constants = constants
        return force.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        u, free, pos, charge, tip_charges, tip_heights, *springs, dipole, values, low, step = (
            ctx.saved_tensors
        )
        radius, depth = ctx.constants
        field = None if values is None else (values, low, step)
        atoms = Atoms(pos, charge, radius, depth, tip_charges, tip_heights, dipole, field)
        probes = grad.reshape(-1), u.reshape(-1, 3), free.reshape(-1, 3)
        found = _pull(*probes, atoms, Springs(*springs))
        return None, None, None, None, *found, None


def _pull(grad: Tensor, u: Tensor, free: Tensor, atoms: Atoms, springs: Springs) -> Sequence[Tensor | None]:
    """Gradients in positions and charges of the atoms, charges of the tip and their heights, stiffness,
    radial stiffness and free position of the springs, dipoles of the atoms, and coefficients and first knot
    of the field (``None`` where there are none), from ``grad`` ``[M]`` in F_z of every probe."""
    field = (None, None) if atoms.field is None else atoms.field[:2]
    inputs = [atoms.pos, atoms.charge, atoms.tip_charges, atoms.tip_heights, *springs, atoms.dipole, *field]
    total = [None if v is None else torch.zeros_like(v) for v in inputs]
    for part in parts(len(u), len(atoms.pos)):
        terms = SurfaceTerms.at(free[part] + u[part], atoms)
        surface = terms.hessian()
        hessian = surface + spring_hessian(u[part], springs)
        seed = grad[part].unsqueeze(1)
        adjoint = seed * newton_step(-surface[:, :, 2], hessian)
        cotangent = adjoint + seed * u.new_tensor([0.0, 0.0, 1.0])
        news: list[Tensor | None] = [terms.pull_pos(cotangent), *terms.pull_charges(cotangent, atoms)]
        news += _pull_springs(adjoint, u[part], springs)
        news.append(None if atoms.dipole is None else terms.jacobian_dipole(cotangent, atoms).sum(0))
        if terms.field is None or atoms.field is None:
            news += [None, None]
        else:
            news += pull_field(free[part] + u[part], cotangent, terms.field[1], atoms.field)
        for sums, new in zip(total, news, strict=True):
            if sums is not None and new is not None:
                sums += new
    return total


def _pull_springs(cotangent: Tensor, u: Tensor, springs: Springs) -> Sequence[Tensor]:
    """Gradient of Σ ``cotangent`` · force of the springs."""
    leaves = [v.detach().requires_grad_() for v in springs]
    with torch.enable_grad():
        force = spring_force(u, Springs(*leaves))
    return torch.autograd.grad(force, leaves, cotangent)
