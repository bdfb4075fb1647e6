"""Surface force on the probe and the Hessian of its energy, in torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

#: Å², added to every r² (a convention of the model).
_SOFTENING = 1e-6
#: Å²: inside this the force is capped, so that an absurd geometry stays finite.
_MIN_R2 = 1.0


class Atoms(NamedTuple):
    """Atoms as the probe of one graph sees them.

    Shapes:
        pos ``[N, 3]`` Å, charge ``[N]`` e, radius ``[N]`` Å, depth ``[N]`` eV (mixed with the probe's),
        tip_charges ``[C]`` eV Å/e and tip_heights ``[C]`` Å: point charges on the axis of the probe.
    """

    pos: Tensor
    charge: Tensor
    radius: Tensor
    depth: Tensor
    tip_charges: Tensor
    tip_heights: Tensor


def surface_force(probe: Tensor, atoms: Atoms) -> Tensor:
    r"""Lennard-Jones and electrostatic force on the probe,

    .. math::
        F = \sum_i \frac{12 ε_i}{r_i^2} \left[\left(\frac{R_i}{r_i}\right)^{12}
            - \left(\frac{R_i}{r_i}\right)^6\right] d_i
            + K \sum_{i,c} q_i Q_c \frac{d_i + z_c \hat z}{|d_i + z_c \hat z|^3}

    (Hapala et al., PRB 90, 085421 (2014)), differentiable in everything.

    Shapes:
        probe ``[P, 3]`` Å, returns ``[P, 3]`` eV/Å.
    """
    return -torch.stack([torch.einsum("pn,pnk->pk", first, d) for d, first, _ in _terms(probe, atoms)]).sum(0)


def surface_hessian(probe: Tensor, atoms: Atoms) -> Tensor:
    """Hessian of the surface energy, the negative Jacobian of :func:`surface_force`.

    Shapes:
        probe ``[P, 3]`` Å, returns ``[P, 3, 3]`` eV/Å².
    """
    unit = torch.eye(3, dtype=probe.dtype, device=probe.device)
    hessian = probe.new_zeros(len(probe), 3, 3)
    for d, first, second in _terms(probe, atoms):
        hessian += d.transpose(1, 2) @ (second.unsqueeze(-1) * d) + first.sum(1)[:, None, None] * unit
    return hessian


def _terms(probe: Tensor, atoms: Atoms) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Displacements d, E'/r and (E'' - E'/r)/r² of each central energy E(r): Lennard-Jones, then each tip
    charge."""
    d = probe.unsqueeze(1) - atoms.pos
    inverse = _inverse_square(d)
    attraction = (atoms.radius.square() * inverse) ** 3
    scale = 12 * atoms.depth * inverse * attraction
    yield d, scale * (1 - attraction), scale * inverse * (14 * attraction - 8)
    for charge, height in zip(atoms.tip_charges, atoms.tip_heights, strict=True):
        e = d + torch.stack([torch.zeros_like(height), torch.zeros_like(height), height])
        inverse = _inverse_square(e)
        scale = charge * atoms.charge * inverse * inverse.sqrt()
        yield e, -scale, 3 * scale * inverse


def _inverse_square(d: Tensor) -> Tensor:
    return 1 / (d.square().sum(-1).clamp(min=_MIN_R2) + _SOFTENING)
