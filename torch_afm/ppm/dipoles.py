"""What atomic dipoles add to the surface force and to the Hessian of its energy, in torch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class DipoleTerms(NamedTuple):
    r"""What dipoles p add beside the sums of :class:`torch_afm.ppm.forcefield.SurfaceTerms`.

    The energy :math:`A (p \cdot d)/r^3` under a tip charge A has, beside what goes along :math:`d` and
    :math:`d d^T`, the gradient :math:`c p` and the Hessian :math:`e (p d^T + d p^T)` with :math:`c = A/r^3`
    and :math:`e = -3A/r^5`, summed over the charges.

    Shapes:
        dipole ``[N, 3]`` e Å; all others ``[P, N]``: x, y probe minus atom, Å; first Σ c, second Σ e,
        second_z Σ e z_t.
    """

    dipole: Tensor
    x: Tensor
    y: Tensor
    first: Tensor
    second: Tensor
    second_z: Tensor

    @classmethod
    def zeros(cls, x: Tensor, y: Tensor, dipole: Tensor) -> DipoleTerms:
        """The terms without a tip charge."""
        zero = torch.zeros_like(x)
        return cls(dipole, x, y, zero, zero, zero)

    def with_charge(self, charge: Tensor, above: Tensor, inverse: Tensor) -> tuple[DipoleTerms, Tensor]:
        """The terms with one more tip ``charge`` at the heights ``above`` ``[P, N]`` over the atoms, and its
        energy A (p·d)/r³ in the field of each, ``[P, N]``."""
        px, py, pz = self.dipole.unbind(1)
        first = charge * inverse * inverse.sqrt()
        second = -3 * first * inverse
        sums = self.first + first, self.second + second, self.second_z + second * above
        return DipoleTerms(*self[:3], *sums), first * (self.x * px + self.y * py + above * pz)

    def gradient(self) -> Tensor:
        """Gradient of the energy of each probe along the dipoles, ``[P, 3]`` eV/Å."""
        return self.first @ self.dipole

    def hessian(self) -> Tensor:
        """Hessian of the energy of each probe along the dipoles, ``[P, 3, 3]`` eV/Å²."""
        half = torch.stack([self.second * self.x, self.second * self.y, self.second_z], 1) @ self.dipole
        return half + half.transpose(1, 2)

    def slopes(self, cotangent: Tensor) -> Tensor:
        """The Hessian of each atom times the cotangent ``[P, 3]``, ``[P, N, 3]``."""
        wx, wy, wz = cotangent.unsqueeze(2).unbind(1)
        along = self.second * (self.x * wx + self.y * wy) + self.second_z * wz
        moment = cotangent @ self.dipole.T
        columns = [self.second * self.x * moment, self.second * self.y * moment, self.second_z * moment]
        return along.unsqueeze(2) * self.dipole + torch.stack(columns, 2)
