"""Order of the neighbours around an atom."""

from __future__ import annotations

import numpy as np

from torch_afm.metrics.structure.neighbors import Pairs


def tetrahedral_orders(around: Pairs, cutoff: float) -> np.ndarray:
    r"""Translational and orientational tetrahedral order of each centre whose four nearest neighbours are all
    within a cutoff (Chau and Hardwick, Mol. Phys. 93, 511 (1998), equations 1 and 3),

    .. math::
        S_k = \frac{1}{3} \sum_{k=1}^{4} \frac{(r_k - \bar r)^2}{4 \bar r^2}, \qquad
        S_g = \frac{3}{8} \sum_{j < k} \left( \cos\psi_{jk} + \frac{1}{3} \right)^2,

    both 0 for a perfect tetrahedron; :math:`S_g` has mean 1 for independent random directions and is 4 at
    most.

    Args:
        around: neighbours, sorted by distance.
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
    r"""Distance :math:`d_5` of the fifth neighbour in Å (Cuthbertson and Poole, Phys. Rev. Lett. 106, 115706
    (2011)), of the centres that have one in the table.

    Shapes:
        -> ``[N]``.
    """
    return around.distance[around.start[:-1][around.count >= 5] + 4]


def local_structure_index(around: Pairs, cutoff: float, last_gap: bool = True) -> np.ndarray:
    r"""Local structure index in Å² (Shiratani and Sasai, J. Chem. Phys. 104, 7671 (1996)): with
    the neighbours in order, :math:`r_1 < \dots < r_n <` cutoff :math:`< r_{n+1}`,

    .. math::
        I = \frac{1}{n} \sum_{i=1}^{n} \left( \Delta_i - \bar\Delta \right)^2, \qquad
        \Delta_i = r_{i+1} - r_i,

    of the centres with :math:`n \geq 1` and a neighbour beyond the cutoff in the table.

    Args:
        around: neighbours, sorted by distance, some way beyond the cutoff.
        cutoff: in Å.
        last_gap: whether :math:`\Delta_n`, to the first neighbour beyond, enters. Without it (the published
            form) :math:`n - 1` gaps are left and centres with :math:`n \geq 2` have an index.

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
