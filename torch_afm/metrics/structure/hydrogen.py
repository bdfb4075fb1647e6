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


def acceptor_angles(structure: Prepared) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every donated hydrogen with the acceptors within ``hbond_cutoff`` of its donor, or the one of them
    nearest to the hydrogen, as settings say.

    Shapes:
        donor ``[N]`` and hydrogen ``[N]`` as indices of atoms, distance donor-acceptor in Å ``[N]``, angle at
        the hydrogen in degrees ``[N]``.
    """
    settings = structure.settings
    everyone = structure.of(*settings.donors)
    donors = structure.in_layer(everyone)
    acceptors = structure.of(*settings.acceptors)
    if settings.partners == "layer":
        acceptors = structure.in_layer(acceptors)
    bonds = structure.bonded(donors, everyone, settings.donor_cutoff)
    bonds = bonds.keep(bonds.distance < settings.donor_cutoff)
    to = structure.pairs(donors, acceptors, settings.hbond_cutoff)
    bond, row = to.join(bonds.center)
    from_hydrogen = to.vector[row] - bonds.vector[bond]
    length = np.sqrt(np.einsum("nk,nk->n", from_hydrogen, from_hydrogen))
    order = np.flatnonzero(length > 1e-6)
    if settings.acceptor == "nearest":
        # Sorted by bond and then by distance, the first row of each bond is the one to keep.
        order = order[np.lexsort((length[order], bond[order]))]
        order = order[np.diff(bond[order], prepend=-1) > 0]
    bond, row, from_hydrogen = bond[order], row[order], from_hydrogen[order]
    angles = angle(-bonds.vector[bond], from_hydrogen)
    return donors[bonds.center[bond]], bonds.other[bond], to.distance[row], angles


def hydrogen_bonds(structure: Prepared) -> np.ndarray:
    """Hydrogen bonds: donor-acceptor distance in Å, angle D-H...A at the hydrogen in degrees.

    Shapes:
        -> ``[N, 2]``.
    """
    *_, distance, angles = acceptor_angles(structure)
    bonded = angles >= structure.settings.hbond_angle
    return np.stack([distance[bonded], angles[bonded]], axis=1)


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
        donor, hydrogen, _, angles = acceptor_angles(structure)
        given = angles >= settings.hbond_angle
        n = len(structure.z)
        donated = donor[given] * n + hydrogen[given]
        keep &= ~np.isin(structure.centers[bonds.center] * n + bonds.other, donated)
    elif settings.free == "published":
        same = structure.pairs(structure.centers, structure.centers, settings.hbond_cutoff)
        bond, row = same.join(bonds.center)
        dropped = bond[angle(bonds.vector[bond], same.vector[row]) > settings.hbond_angle]
        keep[dropped] = False
    vector = bonds.vector[keep]
    return angle(vector, np.broadcast_to(settings.normal, vector.shape))
