"""Covalent bonds from positions."""

from __future__ import annotations

import numpy as np
import torch
from ase.data import covalent_radii
from scipy.spatial import cKDTree
from torch import Tensor

from torch_afm.elements import atomic_number
from torch_afm.utils import InputError, check_finite, check_shape

#: How much longer than the sum of two covalent radii a bond may be, in Å.
BOND_TOLERANCE = 0.4


def covalent_bonds(z: Tensor, pos: Tensor, tolerance: float = BOND_TOLERANCE) -> Tensor:
    r"""Bonds of a structure: atoms :math:`i, j` closer than the sum of their covalent radii and a tolerance,

    .. math::
        |\mathbf{x}_i - \mathbf{x}_j| < r_i + r_j + t,

    the rule of crystallographic databases (Allen et al., J. Chem. Inf. Comput. Sci. 31, 187 (1991)) with the
    radii of Cordero et al., Dalton Trans. 2832 (2008). No periodic images.

    Args:
        z: atomic numbers.
        pos: positions in Å.
        tolerance: :math:`t` in Å.

    Shapes:
        z ``[N]``, pos ``[N, 3]`` -> edge_index ``[2, E]``, each bond in both directions, sorted by row 0 and
        then row 1.

    Raises:
        InputError: for other shapes, unknown elements, non-finite positions or a negative tolerance.
    """
    check_shape("z", z, (None,))
    check_shape("pos", pos, (z.numel(), 3))
    check_finite("pos", pos)
    if not tolerance >= 0:
        raise InputError(f"tolerance: expected a length in Å, 0 or more, got {tolerance}")
    numbers = z.detach().cpu().numpy()
    for n in np.unique(numbers):
        atomic_number(int(n))
    radius = covalent_radii[numbers]
    points = pos.detach().cpu().numpy().astype(np.float64)
    if len(points) < 2:
        return torch.empty(2, 0, dtype=torch.long, device=z.device)
    pairs = cKDTree(points).query_pairs(2 * radius.max() + tolerance, output_type="ndarray")
    distance = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    pairs = pairs[distance < radius[pairs].sum(axis=1) + tolerance]
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    return torch.from_numpy(np.ascontiguousarray(both.T)).long().to(z.device)
