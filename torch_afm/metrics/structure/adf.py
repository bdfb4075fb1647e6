"""Angular distribution function."""

from __future__ import annotations

from collections.abc import Sequence

import ase
import numpy as np

from torch_afm.config.structure import StructureSettings
from torch_afm.metrics.structure.geometry import angle
from torch_afm.metrics.structure.prepared import Prepared
from torch_afm.utils import InputError

_DEFAULT = StructureSettings()


def angular_distribution(
    atoms: ase.Atoms | Sequence[ase.Atoms],
    pair: tuple[str, str] = ("O", "O"),
    bins: int = 90,
    settings: StructureSettings = _DEFAULT,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Angular distribution function: angles between every two neighbours of an atom, over those expected of
    independent random directions,

    .. math::
        a(\theta) = \frac{n(\theta)}{N \int_\theta^{\theta + \delta} \tfrac{1}{2} \sin\theta'\, d\theta'} .

    Args:
        atoms: a structure or several, whose angles are pooled.
        pair: element at the apex, within settings' layer, and element of its neighbours, of any height.
        bins: bins from 0° to 180°.
        settings: conventions; neighbours are within ``pair_cutoff``.

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
        apex = structure.in_layer(structure.of(pair[0]))
        pairs = structure.pairs(apex, structure.of(pair[1]), settings.pair_cutoff)
        first, second = pairs.twos()
        found += np.histogram(angle(pairs.vector[first], pairs.vector[second]), edges)[0]
    with np.errstate(invalid="ignore"):
        expected = found.sum() * -np.diff(np.cos(np.radians(edges))) / 2
        return (edges[1:] + edges[:-1]) / 2, found / expected
