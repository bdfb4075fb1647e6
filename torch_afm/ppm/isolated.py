"""The potential of an isolated charge density on a grid."""

from __future__ import annotations

import numpy as np
import scipy.fft

from torch_afm.data import DensityGrid, PotentialGrid
from torch_afm.ppm.electrons import smooth_cores
from torch_afm.units import COULOMB

#: Mean of 1/r over a cube around the origin, times its edge.
_CELL_MEAN = 2.3801


def isolated_potential(charge: DensityGrid) -> PotentialGrid:
    r"""The potential :math:`V(r) = K \int q(r')/|r - r'| d^3r'` of a density of charge (nuclei positive) that
    is zero outside of its grid, by FFT on a grid of twice the size in each direction, where no image reaches
    (Hockney and Eastwood, Computer Simulation Using Particles, section 6.5.4)."""
    shape, steps = charge.values.shape, charge.steps
    double = [scipy.fft.next_fast_len(2 * n, real=True) for n in shape]
    axes = [
        np.minimum(np.arange(m), m - np.arange(m)) * np.where(np.arange(m) < m / 2, 1, -1) for m in double
    ]
    counts = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    volume = abs(np.linalg.det(steps))
    distance = np.linalg.norm(counts @ steps, axis=-1)
    distance[0, 0, 0] = np.cbrt(volume) / _CELL_MEAN
    spectrum = scipy.fft.rfftn(charge.values, double) * scipy.fft.rfftn(COULOMB * volume / distance)
    potential = scipy.fft.irfftn(spectrum, double)[: shape[0], : shape[1], : shape[2]]
    return PotentialGrid(potential, charge.origin, charge.cell)


def molecule_potential(
    density: DensityGrid, pos: np.ndarray, charges: np.ndarray, net: float = 0.0
) -> PotentialGrid:
    """The potential of cores ``charges`` at ``pos`` (smooth, :func:`torch_afm.ppm.electrons.smooth_cores`)
    and of the electrons of ``density``, scaled to a ``net`` charge of the whole [e].

    Shapes:
        pos ``[N, 3]`` Å, charges ``[N]`` e.
    """
    volume = abs(np.linalg.det(density.steps))
    cores = smooth_cores(density.points(), pos, charges)
    cores *= charges.sum() / (cores.sum() * volume)
    electrons = density.values * ((charges.sum() - net) / density.integral)
    return isolated_potential(DensityGrid(cores - electrons, density.origin, density.cell))
