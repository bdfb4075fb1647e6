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

    def moments(self) -> np.ndarray:
        r"""Axial multipole moments :math:`M_l = (-1)^l K \sum_c Q_c z_c^l` of the charges near the probe,
        ``[B, 5]``: an atom of charge q at distance r and polar angle θ has the energy
        :math:`q \sum_l M_l P_l(\cos θ) / r^{l+1}`."""
        charges = np.where(self._near, self.charges, 0.0)[..., None]
        powers = (-self.charge_heights[..., None]) ** np.arange(N_MOMENTS)
        moments, scale = np.sum(charges * powers, axis=1), np.sum(np.abs(charges * powers), axis=1)
        # A moment that symmetry forbids (odd ones of CO) comes out as rounding; it is exactly 0.
        return np.where(np.abs(moments) > 1e-12 * scale, moments, 0.0)

    def sites(self) -> np.ndarray:
        """The other charges, ``[B, S, 2]`` (charge, height); S is 0 if every charge is near the probe."""
        keep = (~self._near & (self.charges != 0)).any(axis=0)
        charges = np.where(self._near, 0.0, self.charges)
        return np.stack([charges, self.charge_heights], axis=2)[:, keep]

    @property
    def _near(self) -> np.ndarray:
        return np.abs(self.charge_heights) <= _EXPANSION_RADIUS


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
