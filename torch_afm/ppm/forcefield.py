"""Surface force on the probe and the Hessian of its energy, in torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    return _force(_terms(probe, atoms))


def surface_force_hessian(probe: Tensor, atoms: Atoms) -> tuple[Tensor, Tensor]:
    """:func:`surface_force` and the Hessian of the surface energy, its negative Jacobian.

    Shapes:
        probe ``[P, 3]`` Å, returns ``[P, 3]`` eV/Å and ``[P, 3, 3]`` eV/Å².
    """
    terms = list(_terms(probe, atoms))
    xx = xy = xz = yy = yz = zz = diagonal = probe.new_zeros(len(probe))
    for (x, y, z), first, second in terms:
        ax, ay = second * x, second * y
        xx, xy, xz = xx + _dot(ax, x), xy + _dot(ax, y), xz + _dot(ax, z)
        yy, yz, zz = yy + _dot(ay, y), yz + _dot(ay, z), zz + _dot(second * z, z)
        diagonal = diagonal + first.sum(1)
    rows = [xx + diagonal, xy, xz, xy, yy + diagonal, yz, xz, yz, zz + diagonal]
    return _force(terms), torch.stack(rows, 1).reshape(-1, 3, 3)


class _Term(NamedTuple):
    """A central energy E(r) of every atom: displacement, E'/r and (E'' - E'/r)/r², each ``[P, N]``."""

    d: tuple[Tensor, Tensor, Tensor]
    first: Tensor
    second: Tensor


def _terms(probe: Tensor, atoms: Atoms) -> Iterator[_Term]:
    """Lennard-Jones, then each tip charge."""
    x, y, z = (p.unsqueeze(1) - a for p, a in zip(probe.unbind(1), atoms.pos.unbind(1), strict=True))
    rho2 = x * x + y * y
    inverse = _inverse_square(rho2, z)
    attraction = (atoms.radius.square() * inverse) ** 3
    scale = 12 * atoms.depth * inverse * attraction
    yield _Term((x, y, z), scale * (1 - attraction), scale * inverse * (14 * attraction - 8))
    for charge, height in zip(atoms.tip_charges, atoms.tip_heights, strict=True):
        above = z + height
        inverse = _inverse_square(rho2, above)
        scale = charge * atoms.charge * inverse * inverse.sqrt()
        yield _Term((x, y, above), -scale, 3 * scale * inverse)


def _inverse_square(rho2: Tensor, z: Tensor) -> Tensor:
    return 1 / ((rho2 + z * z).clamp(min=_MIN_R2) + _SOFTENING)


def _force(terms: Iterable[_Term]) -> Tensor:
    return -torch.stack([torch.stack([_dot(t.first, d) for d in t.d], 1) for t in terms]).sum(0)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(1)
