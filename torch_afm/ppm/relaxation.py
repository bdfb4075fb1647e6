"""Relaxation of the probe between the surface and the springs of the tip, in torch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from torch_afm.ppm.forcefield import Atoms, surface_force_hessian

#: Å a Newton step may move the probe: short, for it has to stay in its basin.
_MAX_STEP = 0.05
#: eV/Å²: smallest curvature a Newton step divides by.
_MIN_CURVATURE = 2e-4
#: Å: a Newton step shorter than this ends the relaxation; its error is its square.
_ACCEPT = {torch.float32: 3e-4, torch.float64: 1e-7}
_MAX_ITERATIONS = 200


class Springs(NamedTuple):
    """Springs of one tip.

    Shapes:
        stiffness ``[3]`` and radial ``[1]`` eV/Å², free ``[3]``, the free probe relative to the anchor, Å (a
        bond length away from it).
    """

    stiffness: Tensor
    radial: Tensor
    free: Tensor


def spring_force(u: Tensor, springs: Springs) -> Tensor:
    """Force of the tip on a probe displaced by ``u`` from its free position (see
    :class:`torch_afm.config.Tip`).

    Shapes:
        u ``[P, 3]`` Å, returns ``[P, 3]`` eV/Å.
    """
    d = springs.free + u
    return -springs.stiffness * u - (springs.radial * _stretch(u, springs) / _norm(d)) * d


def spring_hessian(u: Tensor, springs: Springs) -> Tensor:
    """Hessian of the energy of the springs, ``[P, 3, 3]`` eV/Å²."""
    d = springs.free + u
    across = (springs.radial * _stretch(u, springs) / _norm(d)).unsqueeze(-1)
    unit = d / _norm(d)
    along = (springs.radial - across) * unit.unsqueeze(2) * unit.unsqueeze(1)
    eye = torch.eye(3, dtype=u.dtype, device=u.device)
    return torch.diag(springs.stiffness) + across * eye + along


def newton_step(force: Tensor, hessian: Tensor) -> Tensor:
    """``hessian⁻¹ force``, with the stiff direction (close to z) eliminated first and the lateral 2 x 2 block
    shifted where it is not positive, so that the step never climbs.

    Shapes:
        force ``[P, 3]``, hessian ``[P, 3, 3]``, returns ``[P, 3]`` Å.
    """
    coupling = hessian[:, :2, 2]
    pivot = hessian[:, 2, 2:].abs().clamp(min=_MIN_CURVATURE)
    ratio = coupling / pivot
    block = hessian[:, :2, :2] - ratio.unsqueeze(2) * coupling.unsqueeze(1)
    a, b, c = block[:, 0, 0], block[:, 0, 1], block[:, 1, 1]
    split = torch.hypot((a - c) / 2, b)
    lowest = (a + c) / 2 - split
    low = lowest.abs().clamp(min=_MIN_CURVATURE)
    a, c = a + low - lowest, c + low - lowest
    right = force[:, :2] - ratio * force[:, 2:]
    adjugate = torch.stack([c * right[:, 0] - b * right[:, 1], a * right[:, 1] - b * right[:, 0]], 1)
    lateral = adjugate / (low * (low + 2 * split)).unsqueeze(1)
    vertical = force[:, 2:] / pivot - (ratio * lateral).sum(1, keepdim=True)
    return torch.cat([lateral, vertical], 1)


@torch.no_grad()
def relax(free: Tensor, heights: Tensor, atoms: Atoms, springs: Springs) -> tuple[Tensor, Tensor]:
    """Relaxed displacements of the probe, each height started from the one above, and where they converged.

    Newton's method, at most 0.05 Å a step; a step after which the force points back along it more strongly
    than it pointed forward has passed a minimum and is halved, so that the probe ends in the basin it was in.

    Shapes:
        free ``[P, 3]`` free probe at height 0 and heights ``[H]`` Å, returns ``[H, P, 3]`` Å and ``[H, P]``.
    """
    up = free.new_tensor([0.0, 0.0, 1.0])
    u = torch.zeros_like(free)
    relaxed, converged = [], []
    for height in heights:
        u = u.clone()
        active = torch.arange(len(u), device=u.device)
        base = free + height * up
        force, hessian = _total(base, u, atoms, springs)
        limit = torch.full_like(u[:, :1], _MAX_STEP)
        for _ in range(_MAX_ITERATIONS):
            step = newton_step(force, hessian)
            step = step * (limit / _norm(step).clamp(min=1e-30)).clamp(max=1)
            going = _norm(step)[:, 0] > _ACCEPT[u.dtype]
            # A short step is taken without looking back.
            u[active[~going]] += step[~going]
            active, base, step = active[going], base[going], step[going]
            force, hessian, limit = force[going], hessian[going], limit[going]
            if not len(active):
                break
            new_force, new_hessian = _total(base, u[active] + step, atoms, springs)
            forward, after = (force * step).sum(1, keepdim=True), (new_force * step).sum(1, keepdim=True)
            good = after >= -forward
            u[active] += torch.where(good, step, 0)
            force = torch.where(good, new_force, force)
            hessian = torch.where(good.unsqueeze(2), new_hessian, hessian)
            limit = torch.where(good, _MAX_STEP, _norm(step) / 2)
        relaxed.append(u)
        ended = torch.ones(len(u), dtype=torch.bool, device=u.device)
        ended[active] = False
        converged.append(ended & u.isfinite().all(1))
    return torch.stack(relaxed), torch.stack(converged)


def _total(base: Tensor, u: Tensor, atoms: Atoms, springs: Springs) -> tuple[Tensor, Tensor]:
    force, hessian = surface_force_hessian(base + u, atoms)
    return force + spring_force(u, springs), hessian + spring_hessian(u, springs)


def _stretch(u: Tensor, springs: Springs) -> Tensor:
    # |d| - R0 from the displacement instead of from |d|: no digit is lost in float32.
    d = springs.free + u
    difference = (u * (d + springs.free)).sum(-1, keepdim=True)
    return difference / (_norm(d) + _norm(springs.free))


def _norm(v: Tensor) -> Tensor:
    return v.norm(dim=-1, keepdim=True)
