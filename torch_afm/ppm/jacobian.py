"""The stack of a molecule and how it changes with every atom, charge and tip parameter, pixel by pixel."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from torch_afm.ppm.forcefield import SurfaceTerms
from torch_afm.ppm.frequency_shift import frequency_shift
from torch_afm.ppm.inputs import RenderInput
from torch_afm.ppm.relaxation import newton_step, spring_hessian
from torch_afm.ppm.scene import PAIRS, Scene
from torch_afm.ppm.solver import RelaxedProbes


class StackJacobian(NamedTuple):
    r"""Δf in Hz and its derivatives.

    Shapes:
        stack ``[Z, P]``; pos ``[Z, P, N, 3]`` Hz/Å; charge ``[Z, P, N]`` Hz/e; tilt ``[Z, P, 2]`` Hz/Å;
        z_top ``[Z, P]`` Hz/Å; dipole ``[Z, P, N, 3]`` Hz/(e Å), where the molecule has dipoles: P pixels, N
        atoms.
    """

    stack: Tensor
    pos: Tensor
    charge: Tensor
    tilt: Tensor
    z_top: Tensor
    dipole: Tensor | None


@torch.no_grad()
def stack_jacobian(batch: RenderInput, probes: RelaxedProbes, like: Tensor) -> StackJacobian:
    r"""Stack and Jacobian of the single entry of ``batch``, an island of point charges
    and dipoles.

    At the relaxed probe the implicit function theorem gives, with the Hessian :math:`H` of the energy and the
    surface part :math:`S` of it (the row by row form of what :func:`torch_afm.ppm.scene.with_gradient` sums
    over pixels),

    .. math::
        \frac{dF_z}{d\mathbf{r}_i} = \frac{\partial \mathbf{F}}{\partial \mathbf{r}_i}
        (\hat{\mathbf{z}} + \boldsymbol{\lambda}), \qquad H \boldsymbol{\lambda} = -S \hat{\mathbf{z}} ,

    without a finite difference and without an unrolled loop: one pass over probes and atoms, some ten times
    the cost of the stack, whatever the number of parameters.

    Args:
        batch: one molecule under one tip.
        probes: relaxed in it.
        like: has the dtype and device of the result.
    """
    scene = Scene.from_input(batch, 0, like)
    u = probes.displacement[0].to(like)
    n, pixels = len(scene.atoms.pos), u.size(1)
    # As many heights at once as have few pairs of probe and atom: small fits would wait for torch.
    at_once = max(1, PAIRS // max(1, n * pixels))
    rows = torch.cat(
        [
            _by_probe(free.flatten(0, 1), shift.flatten(0, 1), scene).unflatten(0, shift.shape[:2])
            for free, shift in zip(scene.free.split(at_once), u.split(at_once), strict=True)
        ]
    )
    by_dipole = 0 if scene.atoms.dipole is None else 3 * n
    # Forces to frequency shifts, all at once.
    slopes = frequency_shift(rows[None, None], batch.scan)[0, 0]
    pos, charge, tilt, dipole = slopes.split([3 * n, n, 2, by_dipole], dim=2)
    pos = pos.unflatten(2, (n, 3))
    # Raising the anchors by dz is lowering all atoms; tilting the probe moves them aside and raises them.
    moved = -pos.sum(2)
    tip = batch.parameters
    slope = (-tip.tilt[0] / tip.free[0, 2]).to(moved)
    tilt = tilt + moved[..., :2] + moved[..., 2:] * slope
    stack = frequency_shift(probes.force[:1, None], batch.scan)[0, 0].to(like.device)
    dipoles = dipole.unflatten(2, (n, 3)) if by_dipole else None
    return StackJacobian(stack, pos, charge, tilt, moved[..., 2], dipoles)


def _by_probe(free: Tensor, u: Tensor, scene: Scene) -> Tensor:
    """Derivatives of F_z of the probes ``[P, 3]`` in positions and charges of the atoms, in the tilt, by way
    of the springs alone, and in dipoles, if any, ``[P, 3 N + N + 2 + 3 N]``."""
    atoms, springs, _ = scene
    terms = SurfaceTerms.at(free + u, atoms)
    surface, spring = terms.hessian(), spring_hessian(u, springs)
    adjoint = newton_step(-surface[:, :, 2], surface + spring)
    cotangent = adjoint + u.new_tensor([0.0, 0.0, 1.0])
    pull = -((spring - torch.diag(springs.stiffness)) @ adjoint.unsqueeze(2))[..., 0]
    tilt = pull[:, :2] - pull[:, 2:] * springs.free[:2] / springs.free[2]
    pos, charge = terms.jacobian_pos(cotangent), terms.jacobian_charge(cotangent, atoms)
    columns = [pos.flatten(1), charge, tilt]
    if atoms.dipole is not None:
        columns.append(terms.jacobian_dipole(cotangent, atoms).flatten(1))
    return torch.cat(columns, dim=1)
