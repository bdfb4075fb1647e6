"""Surface force on the probe and the Hessian of its energy, in torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from torch_afm.ppm.dipoles import DipoleTerms
from torch_afm.ppm.potential import field_force_hessian

#: Å², added to every r² (a convention of the model).
_SOFTENING = 1e-6
#: Å²: inside this the force is capped, so that an absurd geometry stays finite.
_MIN_R2 = 1.0


class Atoms(NamedTuple):
    """Atoms as the probe of one graph sees them.

    Shapes:
        pos ``[N, 3]`` Å, charge ``[N]`` e, radius ``[N]`` Å, depth ``[N]`` eV (mixed with the probe's),
        tip_charges ``[C]`` eV Å/e and tip_heights ``[C]`` Å: point charges on the axis of the probe; dipole
        ``[N, 3]`` e Å, if any; field: coefficients, first knot and spacing of the energy of these charges in
        a potential on a grid, if any (:class:`torch_afm.ppm.potential.EnergyField`).
    """

    pos: Tensor
    charge: Tensor
    radius: Tensor
    depth: Tensor
    tip_charges: Tensor
    tip_heights: Tensor
    dipole: Tensor | None = None
    field: tuple[Tensor, Tensor, Tensor] | None = None


def surface_force(probe: Tensor, atoms: Atoms) -> Tensor:
    r"""Lennard-Jones and electrostatic force on the probe,

    .. math::
        F = \sum_i \frac{12 ε_i}{r_i^2} \left[\left(\frac{R_i}{r_i}\right)^{12}
            - \left(\frac{R_i}{r_i}\right)^6\right] d_i
            + K \sum_{i,c} Q_c \left[\frac{q_i d_{ic} - p_i}{|d_{ic}|^3}
            + \frac{3 (p_i \cdot d_{ic}) d_{ic}}{|d_{ic}|^5}\right], \qquad d_{ic} = d_i + z_c \hat z

    (Hapala et al., PRB 90, 085421 (2014); of an atom's charge q and dipole p, Jackson, Classical
    Electrodynamics, section 4.1), differentiable in everything.

    Shapes:
        probe ``[P, 3]`` Å, returns ``[P, 3]`` eV/Å.
    """
    return SurfaceTerms.at(probe, atoms).force()


def surface_force_hessian(probe: Tensor, atoms: Atoms) -> tuple[Tensor, Tensor]:
    """:func:`surface_force` and the Hessian of the surface energy, its negative Jacobian.

    Shapes:
        probe ``[P, 3]`` Å, returns ``[P, 3]`` eV/Å and ``[P, 3, 3]`` eV/Å².
    """
    terms = SurfaceTerms.at(probe, atoms)
    return terms.force(), terms.hessian()


class SurfaceTerms(NamedTuple):
    r"""What force, Hessian and gradients share, for every probe and atom.

    Every term t (Lennard-Jones, then each tip charge) is a central energy :math:`E_t(r_t)` about
    :math:`(x, y, z_t)`, :math:`z_t = z + z_c`; with :math:`a_t = E_t'/r_t` and
    :math:`b_t = (E_t'' - E_t'/r_t)/r_t^2` all is made of a few sums over t. A dipole under a tip charge
    adds to these sums, and what is along it (:class:`torch_afm.ppm.dipoles.DipoleTerms`).

    Shapes:
        all ``[P, N]``: x, y, z probe minus atom, Å; first Σ a, first_z Σ a z_t, second Σ b, second_z Σ b z_t,
        second_zz Σ b z_t²; but dipoles, and field: force ``[P, 3]`` and Hessian ``[P, 3, 3]`` of a potential,
        if any.
    """

    x: Tensor
    y: Tensor
    z: Tensor
    first: Tensor
    first_z: Tensor
    second: Tensor
    second_z: Tensor
    second_zz: Tensor
    dipoles: DipoleTerms | None
    field: tuple[Tensor, Tensor] | None

    @classmethod
    def at(cls, probe: Tensor, atoms: Atoms) -> SurfaceTerms:
        """The terms of each probe ``[P, 3]``."""
        x, y, z = (p.unsqueeze(1) - a for p, a in zip(probe.unbind(1), atoms.pos.unbind(1), strict=True))
        rho2 = x * x + y * y
        inverse = _inverse_square(rho2, z)
        attraction = (atoms.radius.square() * inverse) ** 3
        scale = 12 * atoms.depth * inverse * attraction
        first, second = scale * (1 - attraction), scale * inverse * (14 * attraction - 8)
        first_z, second_z = first * z, second * z
        second_zz = second_z * z
        dipoles = None if atoms.dipole is None else DipoleTerms.zeros(x, y, atoms.dipole)
        for charge, above, inverse in _tip_charges(rho2, z, atoms):
            a = (-charge * atoms.charge) * inverse * inverse.sqrt()
            b = -3 * a * inverse
            bz = b * above
            if dipoles is not None:
                dipoles, along = dipoles.with_charge(charge, above, inverse)
                # Energy A (p·d)/r³: a = -3 A (p·d)/r⁵, b = 15 A (p·d)/r⁷.
                a, b = a - 3 * along * inverse, b + 15 * along * inverse * inverse
                bz = b * above
            first, first_z = first + a, first_z + a * above
            second, second_z, second_zz = second + b, second_z + bz, second_zz + bz * above
        field = None if atoms.field is None else field_force_hessian(probe, *atoms.field)
        return cls(x, y, z, first, first_z, second, second_z, second_zz, dipoles, field)

    def force(self) -> Tensor:
        """Force on each probe, ``[P, 3]`` eV/Å."""
        force = -torch.stack([_dot(self.first, self.x), _dot(self.first, self.y), self.first_z.sum(1)], 1)
        force = force if self.dipoles is None else force - self.dipoles.gradient()
        return force if self.field is None else force + self.field[0]

    def outside(self) -> Tensor:
        """Whether each probe is outside of all atoms, ``[P]`` bool: inside the force is capped."""
        return (self.x * self.x + self.y * self.y + self.z * self.z >= _MIN_R2).all(1)

    def hessian(self) -> Tensor:
        """Hessian of the energy of each probe, ``[P, 3, 3]`` eV/Å²."""
        bx, by = self.second * self.x, self.second * self.y
        diagonal = self.first.sum(1)
        xy, xz, yz = _dot(bx, self.y), _dot(self.second_z, self.x), _dot(self.second_z, self.y)
        xx, yy = _dot(bx, self.x) + diagonal, _dot(by, self.y) + diagonal
        zz = self.second_zz.sum(1) + diagonal
        hessian = torch.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], 1).reshape(-1, 3, 3)
        hessian = hessian if self.dipoles is None else hessian + self.dipoles.hessian()
        return hessian if self.field is None else hessian + self.field[1]

    def pull_pos(self, cotangent: Tensor) -> Tensor:
        """Gradient of Σ ``cotangent`` · force in the positions of the atoms: the Hessian of each atom times
        the cotangent, summed over probes.

        Shapes:
            cotangent ``[P, 3]``, returns ``[N, 3]``.
        """
        wx, wy, wz = cotangent.unsqueeze(2).unbind(1)
        across = self.x * wx + self.y * wy
        radial = self.second * across + self.second_z * wz
        along_z = self.second_z * across + self.second_zz * wz
        columns = [(radial * self.x).sum(0), (radial * self.y).sum(0), along_z.sum(0)]
        total = self.first.T @ cotangent + torch.stack(columns, 1)
        return total if self.dipoles is None else total + self.dipoles.slopes(cotangent).sum(0)

    def jacobian_pos(self, cotangent: Tensor) -> Tensor:
        """As :meth:`pull_pos`, for each probe on its own, ``[P, N, 3]``."""
        wx, wy, wz = cotangent.unsqueeze(2).unbind(1)
        across = self.x * wx + self.y * wy
        radial = self.second * across + self.second_z * wz
        along_z = self.second_z * across + self.second_zz * wz
        slope = torch.stack([radial * self.x, radial * self.y, along_z], dim=2)
        slope += self.first.unsqueeze(2) * cotangent.unsqueeze(1)
        return slope if self.dipoles is None else slope + self.dipoles.slopes(cotangent)

    def jacobian_charge(self, cotangent: Tensor, atoms: Atoms) -> Tensor:
        """Gradient of ``cotangent`` · force of each probe in the charges of the atoms, ``[P, N]``."""
        wx, wy, wz = cotangent.unsqueeze(2).unbind(1)
        across = self.x * wx + self.y * wy
        total = torch.zeros_like(across)
        for tip_charge, above, inverse in _tip_charges(self.x * self.x + self.y * self.y, self.z, atoms):
            total += tip_charge * inverse * inverse.sqrt() * (across + above * wz)
        return total

    def jacobian_dipole(self, cotangent: Tensor, atoms: Atoms) -> Tensor:
        """Gradient of ``cotangent`` · force of each probe in the dipoles of the atoms, ``[P, N, 3]``: the
        Hessian of a unit charge times the cotangent."""
        wx, wy, wz = cotangent.unsqueeze(2).unbind(1)
        across = self.x * wx + self.y * wy
        diagonal, radial, radial_z = (torch.zeros_like(across) for _ in range(3))
        for tip_charge, above, inverse in _tip_charges(self.x * self.x + self.y * self.y, self.z, atoms):
            field = tip_charge * inverse * inverse.sqrt()
            along = 3 * field * inverse * (across + above * wz)
            diagonal, radial, radial_z = diagonal - field, radial + along, radial_z + along * above
        columns = torch.stack([radial * self.x, radial * self.y, radial_z], dim=2)
        return columns + diagonal.unsqueeze(2) * cotangent.unsqueeze(1)

    def pull_charges(self, cotangent: Tensor, atoms: Atoms) -> tuple[Tensor, Tensor, Tensor]:
        """Gradient of Σ ``cotangent`` · force in the charges of the atoms ``[N]``, the charges of the tip and
        their heights, each ``[C]``."""
        wx, wy, wz = cotangent.unsqueeze(2).unbind(1)
        across = self.x * wx + self.y * wy
        rho2 = self.x * self.x + self.y * self.y
        energy = torch.zeros_like(across)
        dipole = None if atoms.dipole is None else atoms.dipole.unbind(1)
        tip_charges, tip_heights = torch.zeros_like(atoms.tip_charges), torch.zeros_like(atoms.tip_heights)
        for c, (tip_charge, above, inverse) in enumerate(_tip_charges(rho2, self.z, atoms)):
            field = inverse * inverse.sqrt()
            along = across + above * wz
            work = field * along
            slope = (field * (wz - 3 * inverse * above * along)).sum(0)
            # Summed over the tip's charges first, which nearly cancel.
            energy = energy + tip_charge * work
            tip_charges[c] = atoms.charge @ work.sum(0)
            tip_heights[c] = tip_charge * (atoms.charge @ slope)
            if dipole is not None:
                px, py, pz = dipole
                moment = self.x * px + self.y * py + above * pz
                across_p = wx * px + wy * py + wz * pz
                product = 3 * inverse * moment * along
                tip_charges[c] += (field * (product - across_p)).sum()
                bend = moment * wz + along * pz + above * across_p - 5 * inverse * above * moment * along
                tip_heights[c] += tip_charge * (3 * field * inverse * bend).sum()
        return energy.sum(0), tip_charges, tip_heights


def _tip_charges(rho2: Tensor, z: Tensor, atoms: Atoms) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Each tip charge, its height above the atoms and the inverse square of its distance from them."""
    for charge, height in zip(atoms.tip_charges, atoms.tip_heights, strict=True):
        above = z + height
        yield charge, above, _inverse_square(rho2, above)


def _inverse_square(rho2: Tensor, z: Tensor) -> Tensor:
    return 1 / ((rho2 + z * z).clamp(min=_MIN_R2) + _SOFTENING)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(1)
