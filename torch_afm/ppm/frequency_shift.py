"""Frequency shift of an oscillating cantilever from forces at equally spaced heights."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy.linalg import solve_triangular
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.units import N_PER_M

#: Largest ‖w‖₂ A allowed to the quadrature, with one force sample a height step and with more: bounds how
#: much it amplifies noise in the forces, and kinks, where the probe slides off an atom. The first is larger
#: than is best for kinks; it is the one that networks were trained with.
_MAX_NORM, _MAX_NORM_SUBSTEPS = 2.0, 0.5


def frequency_shift_weights(scan: Scan) -> np.ndarray:
    r"""Weights that turn the forces of one oscillation, far to near, into a frequency shift.

    .. math::
        \Delta f(z) = -\frac{f_0}{\pi k A^2} \int_{-A}^{A} F_z(z + q) \frac{q}{\sqrt{A^2 - q^2}} \, dq
                    \approx \sum_j w_j F_z(z + q_j)

    with ``A`` half the peak-to-peak amplitude (Giessibl, APL 78, 123 (2001)) and N = ``scan.n_samples``
    samples at the midpoints :math:`q_j = A (1 - (2j + 1)/N)`, which are ``dz / substeps`` apart.

    ``scan.quadrature`` is ``"giessibl"``, the weights of smallest norm that integrate the odd polynomials up
    to degree :math:`2m - 1` exactly (even ones integrate to 0 by symmetry), with the largest ``m`` that
    keeps the amplification of noise and kinks bounded; or ``"ppafm"``, the weights of ppafm's GPU code
    (Oinonen et al., CPC 305, 109341 (2024)), about 0.9 of the integral.

    In the Chebyshev polynomials the conditions are as simple as can be, for
    :math:`\frac1π \int_{-1}^{1} T_k(x) \frac{x}{\sqrt{1 - x^2}} dx` is 1/2 for k = 1 and 0 for all others.

    The small-amplitude limit (Giessibl, RMP 75, 949 (2003)),

    .. math::
        \Delta f(z) = -\frac{f_0}{2k} \frac{dF_z}{dz},

    is ``n_oscillation=2``: for two samples the quadrature is the central difference
    :math:`-\frac{f_0}{2k} (F(z + dz/2) - F(z - dz/2))/dz`, which errs by :math:`(κ\,dz)^2/24` of a force that
    decays as :math:`e^{-κz}` (3e-3 of Pauli repulsion, κ = 2.5 / Å, at dz = 0.1 Å).

    Shapes:
        returns ``[n_samples]``, Hz per eV/Å.
    """
    n, amplitude = scan.n_samples, scan.amplitude
    if scan.quadrature == "ppafm":
        unit = _ppafm(n) / amplitude
    else:
        unit = _giessibl(n, _MAX_NORM if scan.substeps == 1 else _MAX_NORM_SUBSTEPS) / (amplitude / 2)
    return unit * N_PER_M * scan.f0 / scan.k


def frequency_shift_matrix(scan: Scan) -> np.ndarray:
    """:func:`frequency_shift_weights` of each slice, at the heights that it swings over, ``[Z, H]``."""
    band = np.zeros((scan.n_slices, scan.n_heights))
    weights = frequency_shift_weights(scan)
    for row, own in enumerate(band):
        own[row * scan.substeps :][: scan.n_samples] = weights
    return band


def frequency_shift(force: Tensor, scan: Scan) -> Tensor:
    """Frequency shifts from the forces at all heights, with :func:`frequency_shift_weights`.

    Shapes:
        force ``[B, C, H, ...]`` eV/Å, returns ``[B, C, Z, ...]`` Hz.
    """
    band = force.new_tensor(frequency_shift_matrix(scan))
    return (band @ force.flatten(3)).unflatten(3, force.shape[3:]) if force.dim() > 4 else band @ force


@cache
def _giessibl(n: int, max_norm: float) -> np.ndarray:
    x = 1 - (2 * np.arange(n) + 1) / n
    n_polynomials = min(n // 2, 4 * math.isqrt(n) + 4)
    odd = np.cos(np.outer(np.arccos(x), 2 * np.arange(n_polynomials) + 1))
    # Of w = Q y, exact for the first m polynomials, y has the first m entries and the norm of these.
    q, r = np.linalg.qr(odd)
    y = solve_triangular(r.T, -np.eye(n_polynomials)[0] / 2, lower=True)
    m = max(1, int(np.searchsorted(np.sqrt(np.cumsum(y**2)), max_norm)))
    return np.asarray(q[:, :m] @ y[:m])


def _ppafm(n: int) -> np.ndarray:
    inner = np.linspace(-1 + 0.5 / n, 1 - 0.5 / n, n - 1)
    w = np.diff(np.concatenate([[0.0], np.sqrt(1 - inner**2), [0.0]]))
    return w / (np.linspace(-1, 1, n) @ w)
