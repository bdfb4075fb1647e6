"""Hydrogens: angles in a molecule, hydrogen bonds, free bonds."""

from __future__ import annotations

import numpy as np

from torch_afm.metrics.structure.geometry import angle
from torch_afm.metrics.structure.neighbors import Pairs
from torch_afm.metrics.structure.prepared import Prepared


def hydrogen_angles(bonds: Pairs) -> np.ndarray:
    """H-O-H angles in degrees, of every two hydrogens of an O.

    Shapes:
        -> ``[N]``.
    """
    first, second = bonds.twos()
    return angle(bonds.vector[first], bonds.vector[second])


def hydrogen_bonds(structure: Prepared) -> np.ndarray:
    """Hydrogen bonds: donor-acceptor distance in Å, angle D-H...A at the hydrogen in degrees.

    Shapes:
        -> ``[N, 2]``.
    """
    table = structure.donated
    bonded = table.angle >= structure.settings.hbond_angle
    return np.stack([table.distance[bonded], table.angle[bonded]], axis=1)


def free_angles(structure: Prepared) -> np.ndarray:
    """Angle θ_ZOH of free O→H bonds with the surface normal in degrees; ``free`` of the settings tells which
    bonds these are.

    Shapes:
        -> ``[N]``.
    """
    settings, bonds = structure.settings, structure.hydrogens
    keep = np.ones(len(bonds.center), dtype=bool)
    if settings.free_hydrogens is not None:
        keep = bonds.count[bonds.center] == settings.free_hydrogens
    if settings.free == "no_acceptor":
        table, n = structure.donated, len(structure.z)
        given = table.angle >= settings.hbond_angle
        donated = table.donor[given] * n + table.hydrogen[given]
        keep &= ~np.isin(structure.centers[bonds.center] * n + bonds.other, donated)
    elif settings.free == "published":
        same = structure.pairs(structure.centers, structure.centers, settings.hbond_cutoff)
        bond, row = same.join(bonds.center)
        dropped = bond[angle(bonds.vector[bond], same.vector[row]) > settings.hbond_angle]
        keep[dropped] = False
    vector = bonds.vector[keep]
    return angle(vector, np.broadcast_to(settings.normal, vector.shape))
