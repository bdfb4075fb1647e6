"""Local structural features of atomic structures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import ase
import numpy as np

from torch_afm.config.structure import StructureSettings
from torch_afm.metrics.structure.neighbors import Pairs, angle
from torch_afm.metrics.structure.prepared import Prepared
from torch_afm.metrics.structure.registry import FEATURES, feature
from torch_afm.utils import InputError

_DEFAULT = StructureSettings()
_DEGREES: Any = {"units": ("°",), "ranges": ((0.0, 180.0),)}


def structure_features(
    atoms: ase.Atoms | Sequence[ase.Atoms],
    settings: StructureSettings = _DEFAULT,
    names: Sequence[str] | None = None,
) -> list[dict[str, np.ndarray]]:
    r"""Local structural features (J. Huang et al., arXiv:2509.02240), every value of every structure. A
    structure without, say, any O that has four neighbors gives an empty array for ``S_g``. What there is:
    :data:`torch_afm.metrics.structure.FEATURES`.

    Args:
        atoms: a structure or several; positions in Å, cell and periodic directions as ASE keeps them.
        settings: conventions.
        names: the features to compute; ``None`` for all of :data:`FEATURES` but those that name elements.

    Returns:
        For each structure the values by name, in float64.

    Shapes:
        ``[N]`` for a feature that is a number, ``[N, 2]`` for ``hbond`` and ``order``; N differs by feature.

    Raises:
        InputError: for an unknown name, anything but ASE atoms, positions that are not finite, a number that
            is no element's, or a cell that is flat along a periodic direction.
    """
    if not isinstance(settings, StructureSettings):
        raise InputError(f"settings: expected StructureSettings, got {type(settings).__name__}")
    if isinstance(names, str):
        raise InputError(f"names: expected a sequence of names, got the string {names!r}")
    chosen = [FEATURES[name] for name in (FEATURES if names is None else names)]
    if not isinstance(atoms, ase.Atoms) and not isinstance(atoms, Iterable):
        raise InputError(f"atoms: expected ase.Atoms or a sequence of them, got {type(atoms).__name__}")
    structures = [atoms] if isinstance(atoms, ase.Atoms) else atoms
    prepared = (Prepared(one, settings) for one in structures)
    return [{f.name: f.compute(structure) for f in chosen} for structure in prepared]


@feature("d_OO", "O-O distance", units=("Å",), ranges=((0.0, 3.5),))
def pair_distances(s: Prepared) -> np.ndarray:
    """Every two O within ``pair_cutoff``, once."""
    pairs = s.around.keep(s.around.distance <= s.settings.pair_cutoff)
    return pairs.distance if s.settings.ordered_pairs else pairs.distance[once(pairs, s.centers)]


@feature("d_OH", "O-H bond length", units=("Å",), ranges=((0.0, 1.25),))
def hydrogen_distances(s: Prepared) -> np.ndarray:
    """H within ``oh_cutoff``, bonded to the nearest O."""
    return s.hydrogens.distance


@feature("HOH", "H-O-H angle", labels=("H-O-H",), **_DEGREES)
def hydrogen_angles(s: Prepared) -> np.ndarray:
    """Every two H of an O."""
    first, second = s.hydrogens.twos()
    return angle(s.hydrogens.vector[first], s.hydrogens.vector[second])


@feature("OHO", "O-H-O angle to the next acceptor", labels=("O-H-O",), **_DEGREES)
def donated_angles(s: Prepared) -> np.ndarray:
    """At each donated H, from its donor to the nearest acceptor, however bent: the direction of bonds before
    any is called one."""
    return s.donated.angle


@feature("OOO", "O-O-O angle between neighbors", labels=("O-O-O",), **_DEGREES)
def neighbor_angles(s: Prepared) -> np.ndarray:
    """Every two neighbors of an O within ``pair_cutoff``, the angular distribution."""
    pairs = s.around.keep(s.around.distance <= s.settings.pair_cutoff)
    first, second = pairs.twos()
    return angle(pairs.vector[first], pairs.vector[second])


@feature("theta_ZOH", "angle of free O-H bonds with the surface normal", labels=("θ_ZOH",), **_DEGREES)
def free_angles(s: Prepared) -> np.ndarray:
    """Free O→H bonds, 0 is up; ``free`` of the settings says which are free: those without an acceptor, of O
    with two H."""
    settings, bonds = s.settings, s.hydrogens
    keep = np.ones(len(bonds.center), dtype=bool)
    if settings.free_hydrogens is not None:
        keep = bonds.count[bonds.center] == settings.free_hydrogens
    if settings.free == "no_acceptor":
        table, n = s.donated, len(s.z)
        given = table.angle >= settings.hbond_angle
        donated = table.donor[given] * n + table.hydrogen[given]
        keep &= ~np.isin(s.centers[bonds.center] * n + bonds.other, donated)
    elif settings.free == "published":
        same = s.pairs(s.centers, s.centers, settings.hbond_cutoff)
        bond, row = same.join(bonds.center)
        dropped = bond[angle(bonds.vector[bond], same.vector[row]) > settings.hbond_angle]
        keep[dropped] = False
    vector = bonds.vector[keep]
    return angle(vector, np.broadcast_to(settings.normal, vector.shape))


@feature(
    "hbond",
    "hydrogen bonds",
    labels=("d_OO", "angle O-H-O"),
    units=("Å", "°"),
    ranges=((0.0, 3.5), (120.0, 180.0)),
)
def hydrogen_bonds(s: Prepared) -> np.ndarray:
    """Donor-acceptor distance with the angle at H: O-H < 1.25 Å, O-O ≤ 3.5 Å, angle ≥ 120°, one acceptor a
    hydrogen."""
    table = s.donated
    bonded = table.angle >= s.settings.hbond_angle
    return np.stack([table.distance[bonded], table.angle[bonded]], axis=1)


@feature("S_g", "orientational tetrahedral order")
def orientational_orders(s: Prepared) -> np.ndarray:
    """Angles of the four nearest O, all within ``order_cutoff``: 0 tetrahedral, mean 1 of random directions,
    4 at most."""
    return joint_orders(s)[:, 1]


@feature("S_k", "translational tetrahedral order")
def translational_orders(s: Prepared) -> np.ndarray:
    """Spread of the distances of the same four: 0 for equal ones."""
    return joint_orders(s)[:, 0]


@feature(
    "order",
    "tetrahedral orders",
    labels=("S_k", "S_g"),
    units=("", ""),
    ranges=((0.0, 1.0), (0.0, 1.0)),
)
def joint_orders(s: Prepared) -> np.ndarray:
    """The pair (S_k, S_g)."""
    orders = tetrahedral_orders(s.around, s.settings.order_cutoff)
    return 1 - orders if s.settings.order_form == "1-S" else orders


@feature("d5", "distance of the fifth O neighbor", units=("Å",), ranges=((0.0, 3.5),))
def fifth_distances(s: Prepared) -> np.ndarray:
    """Fifth O neighbor within ``reach``: how empty the space between the shells is."""
    return fifth_distance(s.around)


@feature("LSI", "local structure index", units=("Å²",))
def structure_indices(s: Prepared) -> np.ndarray:
    """The same by the spread of gaps between neighbors within ``lsi_cutoff`` and the gap to the next."""
    return local_structure_index(s.around, s.settings.lsi_cutoff, s.settings.lsi_form == "usual")


@feature(
    "bond_length",
    "length of all covalent bonds",
    labels=("bond length",),
    units=("Å",),
    ranges=((0.0, 1.5),),
)
def molecular_bonds(s: Prepared) -> np.ndarray:
    """Atoms nearer than their covalent radii and ``bond_tolerance``, each bond once; not of the substrate."""
    return bond_lengths(s.molecular, s.z)


@feature("valence_angle", "angle between covalent bonds of an atom", labels=("valence angle",), **_DEGREES)
def molecular_angles(s: Prepared) -> np.ndarray:
    """Every two of these bonds of an atom."""
    return valence_angles(s.molecular, s.z)


@feature("pair:A-B", "distance", labels=("d({})",), units=("Å",), ranges=((0.0, 3.5),))
def element_pairs(s: Prepared, elements: Sequence[int]) -> np.ndarray:
    """Every two atoms of these elements within ``pair_cutoff``, once."""
    first, second = (np.flatnonzero(s.z == z) for z in elements)
    pairs = s.pairs(first, second, s.settings.pair_cutoff)
    return pairs.distance[once(pairs, first)]


@feature("bond:A-B", "bond length", labels=("d({})",), units=("Å",), ranges=((0.0, 1.5),))
def element_bonds(s: Prepared, elements: Sequence[int]) -> np.ndarray:
    """Covalent bonds of these elements, the substrate's, too."""
    return bond_lengths(s.covalent, s.z, elements)


@feature("angle:A-B-C", "valence angle", labels=("{}",), **_DEGREES)
def element_angles(s: Prepared, elements: Sequence[int]) -> np.ndarray:
    """Angles between two such bonds, B at the apex."""
    return valence_angles(s.covalent, s.z, elements)


def bond_lengths(bonds: Pairs, z: np.ndarray, elements: Sequence[int] | None = None) -> np.ndarray:
    """Lengths of covalent bonds in Å, each bond once.

    Args:
        bonds: covalent bonds, each from both ends.
        z: atomic numbers.
        elements: of the two ends; ``None`` takes all bonds.

    Shapes:
        z ``[N]`` -> ``[B]``.
    """
    first, second = z[bonds.center], z[bonds.other]
    if elements is not None:
        keep = (first == elements[0]) & (second == elements[1])
        if elements[0] != elements[1]:
            return bonds.distance[keep]
        bonds = bonds.keep(keep)
    return bonds.distance[once(bonds)]


def valence_angles(bonds: Pairs, z: np.ndarray, elements: Sequence[int] | None = None) -> np.ndarray:
    """Angles between every two bonds of an atom in degrees.

    Args:
        bonds: covalent bonds, each from both ends.
        z: atomic numbers.
        elements: of end, apex and end; ``None`` takes all angles.

    Shapes:
        z ``[N]`` -> ``[A]``.
    """
    p, q = bonds.twos()
    if elements is not None:
        low, apex, high = elements
        ends = z[bonds.other[p]], z[bonds.other[q]]
        keep = ((ends[0] == low) & (ends[1] == high)) | ((ends[0] == high) & (ends[1] == low))
        keep &= z[bonds.center[p]] == apex
        p, q = p[keep], q[keep]
    return angle(bonds.vector[p], bonds.vector[q])


def once(pairs: Pairs, centers: np.ndarray | None = None) -> np.ndarray:
    """Rows that count each pair once, of pairs listed from both ends: of the two, the one with the lower
    index at its center. An atom and its own image are listed with opposite vectors; the one kept points up
    the first axis along which it points at all. Pairs whose other end is no center are listed once already.

    Args:
        pairs: the pairs.
        centers: index of each center; ``None`` if all atoms are centers.

    Shapes:
        -> rows ``[R]`` of bool.
    """
    center = pairs.center if centers is None else centers[pairs.center]
    lone = np.zeros(len(center), bool) if centers is None else ~np.isin(pairs.other, centers)
    signs = np.where(np.abs(pairs.vector) > 1e-9, np.sign(pairs.vector), 0) @ [4, 2, 1]
    return lone | (center < pairs.other) | ((center == pairs.other) & (signs > 0))


def tetrahedral_orders(around: Pairs, cutoff: float) -> np.ndarray:
    r"""Translational and orientational tetrahedral order of each center whose four nearest neighbors are all
    within a cutoff (Chau and Hardwick, Mol. Phys. 93, 511 (1998), equations 1 and 3),

    .. math::
        S_k = \frac{1}{3} \sum_{k=1}^{4} \frac{(r_k - \bar r)^2}{4 \bar r^2}, \qquad
        S_g = \frac{3}{8} \sum_{j < k} \left( \cos\psi_{jk} + \frac{1}{3} \right)^2,

    both 0 for a perfect tetrahedron; :math:`S_g` has mean 1 for independent random directions and is 4 at
    most.

    Args:
        around: neighbors, sorted by distance.
        cutoff: in Å.

    Shapes:
        -> ``[N, 2]``: S_k, S_g.
    """
    within = around.keep(around.distance <= cutoff)
    row = within.start[:-1][within.count >= 4][:, None] + np.arange(4)
    r = within.distance[row]
    u = within.vector[row] / r[..., None]
    mean = r.mean(axis=1, keepdims=True)
    s_k = ((r - mean) ** 2 / (4 * mean**2)).sum(axis=1) / 3
    j, k = np.triu_indices(4, 1)
    cosine = np.einsum("njx,nkx->njk", u, u)[:, j, k]
    return np.stack([s_k, 0.375 * ((cosine + 1 / 3) ** 2).sum(axis=1)], axis=1)


def fifth_distance(around: Pairs) -> np.ndarray:
    r"""Distance :math:`d_5` of the fifth neighbor in Å (Cuthbertson and Poole, Phys. Rev. Lett. 106, 115706
    (2011)), of the centers that have one in the table.

    Shapes:
        -> ``[N]``.
    """
    return around.distance[around.start[:-1][around.count >= 5] + 4]


def local_structure_index(around: Pairs, cutoff: float, last_gap: bool = True) -> np.ndarray:
    r"""Local structure index in Å² (Shiratani and Sasai, J. Chem. Phys. 104, 7671 (1996)): with
    the neighbors in order, :math:`r_1 < \dots < r_n <` cutoff :math:`< r_{n+1}`,

    .. math::
        I = \frac{1}{n} \sum_{i=1}^{n} \left( \Delta_i - \bar\Delta \right)^2, \qquad
        \Delta_i = r_{i+1} - r_i,

    of the centers with :math:`n \geq 1` and a neighbor beyond the cutoff in the table.

    Args:
        around: neighbors, sorted by distance, some way beyond the cutoff.
        cutoff: in Å.
        last_gap: whether :math:`\Delta_n`, to the first neighbor beyond, enters. Without it (the published
            form) :math:`n - 1` gaps are left and centers with :math:`n \geq 2` have an index.

    Shapes:
        -> ``[N]``.
    """
    inside = np.diff(np.concatenate([[0], np.cumsum(around.distance <= cutoff)])[around.start])
    gaps = inside if last_gap else inside - 1
    some = (gaps > 0) & (around.count > inside if last_gap else True)
    n = gaps[some]
    center = np.repeat(np.arange(len(n)), n)
    row = np.arange(n.sum()) + np.repeat(around.start[:-1][some] - np.cumsum(n) + n, n)
    gap = around.distance[row + 1] - around.distance[row]
    mean = np.bincount(center, gap, len(n)) / n
    return np.bincount(center, (gap - mean[center]) ** 2, len(n)) / n
