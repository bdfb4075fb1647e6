"""Radial and angular distribution functions of bulk, slabs and clusters."""

from __future__ import annotations

from collections.abc import Sequence

import ase
import numpy as np

from torch_afm.config.structure import StructureSettings
from torch_afm.metrics.structure.neighbors import angle
from torch_afm.metrics.structure.prepared import Prepared
from torch_afm.utils import InputError

_DEFAULT = StructureSettings()
_DIRECTIONS = 2000
_THINNEST = 1.0  # Å


def radial_distribution(
    atoms: ase.Atoms | Sequence[ase.Atoms],
    pair: tuple[str, str] = ("O", "O"),
    r_max: float = 8.0,
    bins: int = 80,
    settings: StructureSettings = _DEFAULT,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Radial distribution function: pairs found at a distance, over those expected if the same atoms were
    spread evenly over the space that the structure takes,

    .. math::
        g(r) = \frac{n(r)}{N_a N_b \int_{r}^{r + \delta} p(\mathbf\Delta)\, d\mathbf\Delta}, \qquad
        p(\mathbf\Delta) = \frac{1}{A} \prod_k \frac{\max(0, L_k - |\Delta_k|)}{L_k^2},

    with :math:`A` the volume (area, length) of the cell along periodic directions and :math:`L_k` the extent
    of the structure along the others (from the outermost atoms, widened by :math:`(N + 1) / (N - 1)`, which
    makes it right on average; at least 1 Å). In a crystal this is the usual
    :math:`n(r) / (4 \pi r^2 \delta\, \rho N)`; in a slab or a cluster it tends to 1 as well, where
    dividing by a sphere would fall off. Pairs and expectations of several structures are added up.

    Args:
        atoms: a structure or several.
        pair: elements of the two atoms; settings' layer applies to both.
        r_max: longest distance in Å.
        bins: bins from 0 to ``r_max``.
        settings: conventions: periodicity, layer and what is visible.

    Returns:
        Middles of the bins in Å, and g.

    Shapes:
        both ``[bins]``; g is NaN where no pair is expected.

    Raises:
        InputError: for r_max not above 0, no bins, or structures that
            :func:`torch_afm.metrics.structure.structure_features` refuses.
    """
    if not 0 < r_max < np.inf or bins < 1:
        raise InputError(f"r_max, bins: expected r_max above 0 Å and 1 bin or more, got {r_max} and {bins}")
    edges = np.linspace(0, r_max, bins + 1)
    found, expected = np.zeros(bins), np.zeros(bins)
    for one in [atoms] if isinstance(atoms, ase.Atoms) else atoms:
        structure = Prepared(one, settings)
        a, b = (structure.in_layer(structure.index_of(element)) for element in pair)
        found += np.histogram(structure.pairs(a, b, r_max).distance, edges)[0]
        n_pairs = len(a) * (len(b) - 1 if pair[0] == pair[1] else len(b))
        if n_pairs > 0:
            expected += n_pairs * _even(structure, structure.pos[np.union1d(a, b)], edges)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (edges[1:] + edges[:-1]) / 2, found / expected


def _even(structure: Prepared, pos: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Chance that two atoms spread evenly lie at a distance of each bin."""
    repeated = structure.cell[structure.pbc]
    # An orthonormal basis whose first vectors span the periodic directions; x, y, z if there are none.
    basis = np.linalg.svd(repeated)[2] if len(repeated) else np.eye(3)
    across = basis[len(repeated) :]
    # Atoms spread evenly over L span L (N - 1) / (N + 1) on average.
    span = np.ptp(pos @ across.T, axis=0) * (len(pos) + 1) / (len(pos) - 1)
    extent = np.maximum(span, _THINNEST)
    measure = np.sqrt(np.linalg.det(repeated @ repeated.T)) if len(repeated) else 1.0
    r = (edges[1:] + edges[:-1]) / 2
    delta = np.abs(_directions() @ across.T)[None] * r[:, None, None]
    weight = np.prod(np.maximum(0, extent - delta) / extent**2, axis=-1).mean(axis=1) / measure
    return 4 / 3 * np.pi * np.diff(edges**3) * weight


def _directions() -> np.ndarray:
    """Directions spread evenly over the sphere (Fibonacci lattice)."""
    i = np.arange(_DIRECTIONS) + 0.5
    height, turn = 1 - 2 * i / _DIRECTIONS, i * np.pi * (3 - np.sqrt(5))
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), height], axis=1)


def angular_distribution(
    atoms: ase.Atoms | Sequence[ase.Atoms],
    pair: tuple[str, str] = ("O", "O"),
    bins: int = 90,
    settings: StructureSettings = _DEFAULT,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Angular distribution function: angles between every two neighbors of an atom, over those expected of
    independent random directions,

    .. math::
        a(\theta) = \frac{n(\theta)}{N \int_\theta^{\theta + \delta} \tfrac{1}{2} \sin\theta'\, d\theta'} .

    Args:
        atoms: a structure or several, whose angles are pooled.
        pair: element at the apex, within settings' layer, and element of its neighbors, of any height.
        bins: bins from 0° to 180°.
        settings: conventions; neighbors are within ``pair_cutoff``.

    Returns:
        Middles of the bins in degrees, and a.

    Shapes:
        both ``[bins]``; a is NaN if there is no angle.

    Raises:
        InputError: for no bins, or structures that
            :func:`torch_afm.metrics.structure.structure_features` refuses.
    """
    if bins < 1:
        raise InputError(f"bins: expected 1 bin or more, got {bins}")
    edges = np.linspace(0, 180, bins + 1)
    found = np.zeros(bins)
    for one in [atoms] if isinstance(atoms, ase.Atoms) else atoms:
        structure = Prepared(one, settings)
        apex = structure.in_layer(structure.index_of(pair[0]))
        pairs = structure.pairs(apex, structure.index_of(pair[1]), settings.pair_cutoff)
        first, second = pairs.twos()
        found += np.histogram(angle(pairs.vector[first], pairs.vector[second]), edges)[0]
    with np.errstate(invalid="ignore"):
        expected = found.sum() * -np.diff(np.cos(np.radians(edges))) / 2
        return (edges[1:] + edges[:-1]) / 2, found / expected
