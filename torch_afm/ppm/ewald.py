"""Potential of a charge that repeats along one or two lateral vectors."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import torch
from scipy.special import exp1
from torch import Tensor
from torch.autograd.function import once_differentiable

#: Half the shortest wave vector over the screening α, and α times the longest distance: erfc of either, 1e-6
#: and 4e-7, is what is left out.
_WAVE, _RANGE = 3.5, 3.6


def lattice_potential(d: Tensor, vectors: np.ndarray) -> Tensor:
    r"""Potential, but for a constant, at ``d`` from a unit charge that repeats along ``vectors``, by Ewald's
    splitting :math:`1/r = \operatorname{erfc}(αr)/r + \operatorname{erf}(αr)/r`.

    The first part is summed over the lattice; of the waves G of the second, α is chosen so small that
    G = 0 alone is left (Parry, Surf. Sci. 49, 433 (1975), for a plane of cells of area A; for a line of
    cells of length L, ρ from it, Porto, J. Phys. A 33, 6211 (2000)):

    .. math::
        φ = \sum_R \frac{\operatorname{erfc}(α|d - R|)}{|d - R|} - \begin{cases}
        \frac{2\sqrt π}{A} \left[\frac{e^{-α^2 z^2}}{α} + \sqrt π z \operatorname{erf}(αz)\right] \\
        \frac{1}{L} \left[γ + \ln α^2ρ^2 + E_1(α^2ρ^2)\right] \end{cases}

    Shapes:
        d ``[..., 3]`` Å, vectors ``[1, 3]`` or ``[2, 3]`` Å, horizontal; returns ``[...]`` 1/Å.
    """
    waves = 2 * math.pi * np.linalg.pinv(vectors[:, :2]).T
    some = np.array(list(itertools.product(range(-3, 4), repeat=len(waves)))) @ waves
    screening = np.linalg.norm(some[some.any(axis=1)], axis=1).min() / (2 * _WAVE)
    cell, inverse = (d.new_tensor(m) for m in (vectors[:, :2], waves.T / (2 * math.pi)))
    lateral = d[..., :2] - (d[..., :2].detach() @ inverse).round() @ cell
    planar = lateral.square().sum(-1) + d[..., 2].square()
    shifts = d.new_tensor(_lattice(vectors[:, :2], _RANGE / screening))
    r2 = planar[..., None] - 2 * lateral @ shifts.T + shifts.square().sum(1)
    r = r2.sqrt()
    near = (torch.erfc(screening * r) / r).sum(-1)
    size = math.sqrt(np.linalg.det(vectors @ vectors.T))
    if len(vectors) == 1:
        along = lateral @ cell[0] / size
        distant: Tensor = _Ein.apply(screening**2 * (planar - along.square())) / size
    else:
        az = screening * d[..., 2]
        distant = (torch.exp(-az.square()) + math.sqrt(math.pi) * az * torch.erf(az)) / screening
        distant = 2 * math.sqrt(math.pi) / size * distant
    return near - distant


def _lattice(vectors: np.ndarray, reach: float) -> np.ndarray:
    """Lattice points nearer than ``reach`` to some place in the cell around 0, ``[R, 2]``."""
    reach += np.linalg.norm(vectors, axis=1).sum() / 2
    most = np.floor(reach * np.linalg.norm(np.linalg.pinv(vectors), axis=0)).astype(int)
    points = np.array(list(itertools.product(*(range(-n, n + 1) for n in most)))) @ vectors
    return points[np.linalg.norm(points, axis=1) <= reach]


class _Ein(torch.autograd.Function):
    r"""γ + ln v + E₁(v) = :math:`\int_0^v (1 - e^{-t})/t\, dt`."""

    @staticmethod
    def forward(ctx: Any, v: Tensor) -> Tensor:
        ctx.save_for_backward(v)
        small = v.clamp(min=1e-12)
        first = torch.from_numpy(np.asarray(exp1(small.detach().cpu().numpy()))).to(v)
        return np.euler_gamma + small.log() + first

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (v,) = ctx.saved_tensors
        small = v.clamp(min=1e-12)
        return grad * -torch.expm1(-small) / small
