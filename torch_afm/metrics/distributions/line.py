r"""Distances of distributions on a line by their cumulative distribution functions, for many weightings of
the same values at once, as a bootstrap needs them."""

from __future__ import annotations

import numpy as np

from torch_afm.metrics.distributions.samples import Sample

#: Numbers held at once, per array: few enough for the cache, four times faster so than from memory.
_CHUNK = 100_000


def cdf_distance(x: Sample, y: Sample, x_counts: np.ndarray, y_counts: np.ndarray, power: int) -> np.ndarray:
    r""":math:`\int |F_x(t) - F_y(t)|^p \,dt` for each draw of structures: the Wasserstein distance for
    :math:`p = 1`, half the energy distance for :math:`p = 2` (Székely, Rizzo, J. Stat. Plan. Inference 143,
    1249 (2013)).

    Args:
        x: values on a line.
        y: values on a line.
        x_counts: how often each draw has each structure of ``x``.
        y_counts: the same for ``y``.
        power: :math:`p`, 1 or 2.

    Shapes:
        x_counts ``[B, S]``, y_counts ``[B, T]``, returns ``[B]``; NaN in a draw without a value.
    """
    values = np.concatenate([x.values[:, 0], y.values[:, 0]])
    order = np.argsort(values, kind="stable")
    gaps = np.diff(values[order])
    owner = np.concatenate([x.structure, y.structure + x.n_structures])[order[:-1]]
    masses = np.concatenate([x.masses(x_counts), -y.masses(y_counts)], axis=1)
    found = np.empty(len(masses))
    step = max(1, _CHUNK // max(1, len(values)))
    for start in range(0, len(masses), step):
        gap = np.cumsum(masses[start : start + step, owner], axis=1)
        found[start : start + step] = (np.abs(gap, out=gap) if power == 1 else np.square(gap, out=gap)) @ gaps
    # A draw without a value is one wherever its structures stand.
    found[np.isnan(masses).any(axis=1)] = np.nan
    return found
