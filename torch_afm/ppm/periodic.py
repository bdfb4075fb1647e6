"""Lateral repetition of periodic samples."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.special import erfc

from torch_afm.config import Scan
from torch_afm.utils import InputError, check_finite, check_shape

#: Å: a cell is repeated where any of its atoms comes this near to the scan window.
PERIODIC_CUTOFF = 25.0
#: Å: where the charges of a periodic sample fade to a half, and over what length.
_FADE, _FADE_WIDTH = 13.0, 5.0
#: e: net charge above which a cell counts as charged.
_NEUTRAL = 1e-2


def cell_shifts(pos: np.ndarray, cell: np.ndarray, pbc: np.ndarray, scan: Scan) -> np.ndarray:
    r"""Lattice vectors by which a periodic sample is repeated along x and y, itself (0) included.

    Those whose cell has an atom within 25 Å of the window, measured along the surface. A Lennard-Jones layer
    of σ atoms per area at depth h under the probe that goes on beyond :math:`ρ_c` would add at most

    .. math::
        \int_{ρ_c}^\infty 12 ε R^6 \frac{h}{(ρ^2 + h^2)^4} \, 2πσρ \, dρ = \frac{4πσεR^6h}{(ρ_c^2 + h^2)^3},

    1e-7 eV/Å for Au(111) under a CO tip (h = 3 Å), of which Δf sees the change over the oscillation: 6e-6 Hz.

    Args:
        pos: atoms, relative to the centre of the window, Å.
        cell: lattice vectors in rows, Å.
        pbc: along which of them the sample repeats. The third is ignored: z is never periodic.
        scan: its window says how far to go.

    Shapes:
        pos ``[N, 3]``, cell ``[3, 3]``, pbc ``[3]`` bool, returns ``[S, 3]``.

    Raises:
        InputError: for lateral lattice vectors that are parallel, zero, or not horizontal.
    """
    vectors = cell[:2][pbc[:2]]
    if not len(vectors) or not len(pos):
        return np.zeros((1, 3))
    scale = np.linalg.norm(vectors[:, :2], axis=1).prod()
    if np.abs(vectors[:, 2]).max() > 1e-3 or not scale or _area(vectors) < 1e-3 * scale:
        raise InputError(
            "cell: expected periodic vectors in the plane of x and y, not parallel, "
            f"got {np.round(vectors, 3).tolist()}"
        )
    reach = _half(scan) + PERIODIC_CUTOFF
    # Cells that may touch the rectangle, from its corners and those of the atoms; then those that do.
    signs = np.array(list(itertools.product((-1, 1), repeat=2)))
    low, high = pos[:, :2].min(0), pos[:, :2].max(0)
    corners = (signs * reach)[:, None] - np.where(signs > 0, high, low)[None]
    fractions = corners.reshape(-1, 2) @ np.linalg.pinv(vectors[:, :2])
    first, last = np.floor(fractions.min(0)).astype(int), np.ceil(fractions.max(0)).astype(int)
    counts = np.array(list(itertools.product(*(range(a, b + 1) for a, b in zip(first, last, strict=True)))))
    shifts = counts @ vectors
    inside = (np.abs(pos[None, :, :2] + shifts[:, None, :2]) <= reach).all(axis=2).any(axis=1)
    return shifts[inside | ~counts.any(axis=1)]


def charge_weights(pos: np.ndarray, cell: np.ndarray, pbc: np.ndarray, scan: Scan) -> np.ndarray:
    r"""Weights :math:`\frac12 \operatorname{erfc}((ρ - ρ_f)/s)` of the charges of a repeated sample, ρ the
    distance from the window along the periodic axes, ρ_f = 13 Å and s = 5 Å.

    A lattice of charges that ends sharply has the field of its edges. Fading it out leaves the infinite
    lattice: of a wave of its charge density with wave vector G, :math:`e^{-(Gs/2)^2}` stays: 2e-7 for
    a lattice of 4 Å, 2 % for 8 Å. (What stays is the field that a finite sheet with a dipole perpendicular to
    it has and an infinite one has not, :math:`\propto 1/ρ_f`, which a neutral tip does not feel.)

    Shapes:
        pos ``[M, 3]`` of all images, relative to the centre of the window, returns ``[M]``.
    """
    vectors = cell[:2, :2][pbc[:2]]
    if len(vectors) == 1:
        along = vectors / np.linalg.norm(vectors)
        outside = np.abs(pos[:, :2] @ along.T) - np.abs(along) @ _half(scan)
    else:
        outside = np.abs(pos[:, :2]) - _half(scan)
    distance = np.linalg.norm(np.maximum(outside, 0), axis=1)
    return erfc((distance - _FADE) / _FADE_WIDTH) / 2


def check_cell(cell: object, pbc: object, n_graphs: int) -> None:
    """Raise :class:`InputError` unless ``cell`` is ``[B, 3, 3]``, finite, and ``pbc`` ``[B, 3]``."""
    for name, value, shape in (("pbc", pbc, (n_graphs, 3)), ("cell", cell, (n_graphs, 3, 3))):
        if value is None:
            raise InputError(f"{name}: expected a tensor of shape {shape} beside the other of cell and pbc")
        check_shape(name, value, shape)
    check_finite("cell", cell)


def check_neutral(charge: float, tip_charge: float) -> None:
    """Raise :class:`InputError` for a cell with a net ``charge`` [e] under a tip with one: the force between
    them grows with every image. Under a neutral tip the images' sum converges."""
    if abs(charge) > _NEUTRAL and abs(tip_charge) > 1e-6:
        raise InputError(
            f"charge: expected a neutral cell under a charged tip ({tip_charge:+.3g} e), got {charge:+.3g} e"
        )


def _half(scan: Scan) -> np.ndarray:
    """Half edges of the window, ``[2]`` Å."""
    return np.array([w[1] - w[0] for w in scan.window]) / 2


def _area(vectors: np.ndarray) -> float:
    """Length of one lateral vector or area between two."""
    (x, y), *rest = vectors[:, :2]
    return float(abs(x * rest[0][1] - y * rest[0][0])) if rest else float(np.hypot(x, y))
