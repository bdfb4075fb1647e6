"""Tips as the renderers use them: springs in eV/Å², charges as exact sites or as axial multipoles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from torch_afm.config import Tip
from torch_afm.units import COULOMB, N_PER_M

#: Orders of the axial multipole expansion.
N_MOMENTS = 5
#: Å: charges within this of the probe are expanded; the rest of the series is below 1e-5 at 3 Å.
_EXPANSION_RADIUS = 0.15


@dataclass(frozen=True)
class TipArrays:
    """The tips of a batch.

    Shapes:
        springs ``[B, 8]``: stiffness x, y, z and radial in eV/Å², bond length and the free position of the
        probe relative to the anchor in Å; charges ``[B, C]`` in eV Å/e (charge times Coulomb's constant) and
        charge_heights ``[B, C]`` in Å, padded with zeros.
    """

    springs: np.ndarray
    charges: np.ndarray
    charge_heights: np.ndarray

    @property
    def compact(self) -> bool:
        """Whether every charge lies close enough to the probe for the multipole expansion."""
        return bool(np.all(np.abs(self.charge_heights) <= _EXPANSION_RADIUS))

    def moments(self) -> np.ndarray:
        r"""Axial multipole moments :math:`(-1)^l K \sum_c Q_c z_c^l`, ``[B, 5]``: the energy of a charge q at
        distance r and polar angle θ is :math:`q \sum_l M_l P_l(\cos θ) / r^{l+1}`."""
        order = np.arange(N_MOMENTS)
        moments = np.sum(self.charges[..., None] * (-self.charge_heights[..., None]) ** order, axis=1)
        scale = np.sum(np.abs(self.charges[..., None] * self.charge_heights[..., None] ** order), axis=1)
        # A moment that symmetry forbids (odd ones of CO) comes out as rounding; it is exactly 0.
        return np.where(np.abs(moments) > 1e-12 * scale, moments, 0.0)


def tip_arrays(tips: Sequence[Tip]) -> TipArrays:
    """Stack ``tips`` into arrays."""
    width = max((len(t.charges) for t in tips), default=0)
    charges, heights = np.zeros((2, len(tips), width))
    springs = np.zeros((len(tips), 8))
    for i, t in enumerate(tips):
        springs[i, :4] = np.array([*t.stiffness, t.radial_stiffness]) / N_PER_M
        springs[i, 4:] = t.bond_length, *t.equilibrium
        charges[i, : len(t.charges)] = t.charges
        heights[i, : len(t.charges)] = t.charge_heights
    # A site without charge has no height worth keeping.
    return TipArrays(springs, charges * COULOMB, np.where(charges != 0, heights, 0.0))
