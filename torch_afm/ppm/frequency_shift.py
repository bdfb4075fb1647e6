"""Frequency shift of an oscillating cantilever from forces at equally spaced heights."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.units import N_PER_M

#: Largest ‖w‖₂ A allowed to the quadrature: bounds how much it amplifies noise in the forces.
_MAX_NORM = 2.0


def frequency_shift_weights(scan: Scan) -> np.ndarray:
    r"""Weights that turn the forces of one oscillation, far to near, into a frequency shift.

    .. math::
        \Delta f(z) = -\frac{f_0}{\pi k A^2} \int_{-A}^{A} F_z(z + q) \frac{q}{\sqrt{A^2 - q^2}} \, dq
                    \approx \sum_j w_j F_z(z + q_j)

    with ``A`` half the peak-to-peak amplitude (Giessibl, APL 78, 123 (2001)) and samples at the midpoints
    :math:`q_j = ((n - 1)/2 - j)\, dz`.

    ``scan.weights`` chooses: ``"giessibl"``, the weights of smallest norm that integrate the odd powers
    :math:`q, q^3, \dots, q^{2m-1}` exactly (even powers integrate to 0 by symmetry), with the largest ``m``
    that keeps the amplification of noise bounded; or ``"ppafm"``, the weights of ppafm's GPU code
    (Oinonen et al., CPC 305, 109341 (2024)), about 0.9 of the integral.

    The small-amplitude limit (Giessibl, RMP 75, 949 (2003)),

    .. math::
        \Delta f(z) = -\frac{f_0}{2k} \frac{dF_z}{dz},

    is ``n_oscillation=2``: for two samples the quadrature is the central difference
    :math:`-\frac{f_0}{2k} (F(z + dz/2) - F(z - dz/2))/dz`, which errs by :math:`(κ\,dz)^2/24` of a force that
    decays as :math:`e^{-κz}` (3e-3 of Pauli repulsion, κ = 2.5 / Å, at dz = 0.1 Å).

    Shapes:
        returns ``[n_oscillation]``, Hz per eV/Å.
    """
    n, dz = scan.n_oscillation, scan.dz
    unit = _ppafm(n) / (n * dz) if scan.weights == "ppafm" else _giessibl(n) / (n * dz / 2)
    return unit * N_PER_M * scan.f0 / scan.k


def frequency_shift(force: Tensor, scan: Scan) -> Tensor:
    """Frequency shifts from the forces at all heights, with :func:`frequency_shift_weights`.

    Shapes:
        force ``[B, C, H, ...]`` eV/Å, returns ``[B, C, Z, ...]`` Hz.
    """
    band = force.new_zeros(scan.n_slices, scan.n_heights)
    for row, own in enumerate(band):
        own[row : row + scan.n_oscillation] = force.new_tensor(frequency_shift_weights(scan))
    return (band @ force.flatten(3)).unflatten(3, force.shape[3:]) if force.dim() > 4 else band @ force


def _giessibl(n: int) -> np.ndarray:
    x = 1 - (2 * np.arange(n) + 1) / n
    best = np.empty(0)
    for m in range(1, n // 2 + 1):
        power = 2 * np.arange(m) + 1
        moment = [math.gamma(p / 2 + 1) / math.gamma(p / 2 + 1.5) / math.sqrt(math.pi) for p in power]
        w, *_ = np.linalg.lstsq(x[None, :] ** power[:, None], -np.array(moment), rcond=None)
        if m > 1 and np.linalg.norm(w) > _MAX_NORM:
            break
        best = w
    return best


def _ppafm(n: int) -> np.ndarray:
    inner = np.linspace(-1 + 0.5 / n, 1 - 0.5 / n, n - 1)
    w = np.diff(np.concatenate([[0.0], np.sqrt(1 - inner**2), [0.0]]))
    return w / (np.linspace(-1, 1, n) @ w)
