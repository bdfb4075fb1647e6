"""The stack of a molecule and how it changes with every atom, charge and tip parameter, pixel by pixel."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.data.checks import check_island
from torch_afm.ppm import Renderer, TipParameters
from torch_afm.ppm.autograd import Scene
from torch_afm.ppm.base import prepare
from torch_afm.ppm.forcefield import Atoms, SurfaceTerms
from torch_afm.ppm.frequency_shift import frequency_shift
from torch_afm.ppm.relaxation import newton_step, spring_hessian

#: Å², as in :mod:`torch_afm.ppm.forcefield`: the charges of a CO tip cancel to the fourth digit, so that the
#: same convention matters.
_SOFTENING, _MIN_R2 = 1e-6, 1.0


class StackJacobian(NamedTuple):
    r"""Δf in Hz and its derivatives.

    Shapes:
        stack ``[Z, P]``; pos ``[Z, P, N, 3]`` Hz/Å; charge ``[Z, P, N]`` Hz/e; tilt ``[Z, P, 2]`` Hz/Å;
        z_top ``[Z, P]`` Hz/Å: P pixels, N atoms.
    """

    stack: Tensor
    pos: Tensor
    charge: Tensor
    tilt: Tensor
    z_top: Tensor


@torch.no_grad()
def stack_jacobian(
    renderer: Renderer, data: AFMData, tip: TipParameters, z_top: float, pixels: Tensor
) -> StackJacobian:
    r"""Stack and Jacobian of one molecule at once.

    The renderer relaxes the probe; at the relaxed probe the implicit function theorem gives, with the Hessian
    :math:`H` of the energy and the surface part :math:`S` of it (the row by row form of what
    :func:`torch_afm.ppm.autograd.with_gradient` sums over pixels),

    .. math::
        \frac{dF_z}{d\mathbf{r}_i} = \frac{\partial \mathbf{F}}{\partial \mathbf{r}_i}
        (\hat{\mathbf{z}} + \boldsymbol{\lambda}), \qquad H \boldsymbol{\lambda} = -S \hat{\mathbf{z}} ,

    without a finite difference and without an unrolled loop: one pass over probes and atoms, some ten times
    the cost of the stack, whatever the number of parameters.

    Args:
        renderer: relaxes the probe; its scan and force field hold.
        data: ``z``, ``pos`` [Å], ``charge`` [e] of one molecule, no potential on a grid and no cell.
        tip: one tip.
        z_top: first anchor height in Å.
        pixels: indices (ix, iy) of the pixels.

    Shapes:
        pixels ``[P, 2]``; computed and returned in the precision of ``data.pos``.

    Raises:
        InputError: for a molecule with a cell along which it repeats, or a potential.
    """
    check_island("data", data)
    scan = renderer.scan
    top = torch.tensor([z_top], dtype=torch.float64)
    relaxation = renderer.relax(data, tip=tip, z_top=top, pixels=pixels)
    batch = prepare(data, scan, tip, top, renderer.forcefield)
    scene = Scene.of(batch, 0, scan, pixels, data.pos.new_empty(0))
    free = scene.free
    u = (relaxation.probe[0, 0].double() - batch.free(0)).to(free) - free
    parts = [_at_height(free[h], u[h], scene) for h in range(len(free))]
    n = len(data.z)
    # Forces to frequency shifts, all at once.
    slopes = frequency_shift(torch.stack(parts)[None, None], scan)[0, 0]
    pos, charge, tilt = slopes.split([3 * n, n, 2], dim=2)
    pos = pos.unflatten(2, (n, 3))
    # Raising the anchors by dz is lowering all atoms; tilting the probe moves them aside and raises them.
    moved = -pos.sum(2)
    slope = (-tip.tilt[0] / tip.free[0, 2]).to(moved)
    tilt = tilt + moved[..., :2] + moved[..., 2:] * slope
    stack = frequency_shift(relaxation.force, scan)[0, 0]
    return StackJacobian(stack, pos, charge, tilt, moved[..., 2])


def _at_height(free: Tensor, u: Tensor, scene: Scene) -> Tensor:
    """Derivatives of F_z of the probes ``[P, 3]`` in positions and charges of the atoms, and in the tilt, by
    way of the springs alone, ``[P, 3 N + N + 2]``."""
    atoms, springs, _ = scene
    terms = SurfaceTerms.at(free + u, atoms)
    surface, of_springs = terms.hessian(), spring_hessian(u, springs)
    adjoint = newton_step(-surface[:, :, 2], surface + of_springs)
    cotangent = adjoint + u.new_tensor([0.0, 0.0, 1.0])
    wx, wy, wz = cotangent.unsqueeze(2).unbind(1)
    across = terms.x * wx + terms.y * wy
    radial = terms.second * across + terms.second_z * wz
    along = terms.second_z * across + terms.second_zz * wz
    pos = torch.stack([radial * terms.x, radial * terms.y, along], dim=2)
    pos += terms.first.unsqueeze(2) * cotangent.unsqueeze(1)
    pull = -((of_springs - torch.diag(springs.stiffness)) @ adjoint.unsqueeze(2))[..., 0]
    tilt = pull[:, :2] - pull[:, 2:] * springs.free[:2] / springs.free[2]
    return torch.cat([pos.flatten(1), _by_charge(terms, atoms, across, wz), tilt], dim=1)


def _by_charge(terms: SurfaceTerms, atoms: Atoms, across: Tensor, wz: Tensor) -> Tensor:
    rho2 = terms.x * terms.x + terms.y * terms.y
    total = torch.zeros_like(across)
    for tip_charge, height in zip(atoms.tip_charges, atoms.tip_heights, strict=True):
        above = terms.z + height
        inverse = 1 / ((rho2 + above * above).clamp(min=_MIN_R2) + _SOFTENING)
        total += tip_charge * inverse * inverse.sqrt() * (across + above * wz)
    return total
