"""Charges and dipoles of a periodic sample beyond its images, as a few charges around the probe."""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy.special import exp1
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

#: Å from where the probe may come to the charges that stand for the far ones, and between these.
_DISTANCE, _SPACING = 15.0, 10.0
#: Å between the points at which their potential is matched.
_POINTS = 4.0
#: Å to which the size of the box is rounded up, that few differ.
_ROUND = 0.25
#: Smallest singular value kept, over the largest.
_CUT = 1e-6
#: Images times points handled at once.
_PAIRS = 1 << 16
#: Half the shortest wave vector over the screening α, and α times the longest distance: erfc of either, 1e-6
#: and 4e-7, is what is left out.
_WAVE, _RANGE = 3.5, 3.6


def far_charges(
    pos: Tensor,
    charge: Tensor,
    dipole: Tensor | None,
    vectors: np.ndarray,
    shifts: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> tuple[Tensor, Tensor]:
    r"""Charges whose field in a box is that of all repetitions of ``charge`` and ``dipole`` but those by
    ``shifts``.

    In the box that field has no source, for what is left out is far. So it equals that of charges
    :math:`Q_k` on a box 15 Å around (the method of fundamental solutions), and those solve

    .. math::
        \sum_k \frac{Q_k}{|r_j - s_k|} + C = \sum_i (q_i - p_i \cdot \nabla) \left[φ(r_j - r_i)
            - \sum_S \frac{1}{|r_j - r_i - S|}\right]

    at points :math:`r_j` on the box itself, in least squares, with the potential φ of a lattice
    (:func:`lattice_potential`) and its field (:func:`lattice_field`). Differentiable in ``pos``, ``charge``
    and ``dipole``.

    Args:
        pos: of the charges of one cell, Å.
        charge: e.
        dipole: e Å, or none.
        vectors: that they repeat along.
        shifts: those of which the charges are there.
        low: corner of the box, Å; no charge left out is nearer than 15 Å.
        high: the other corner.

    Shapes:
        pos and dipole ``[N, 3]``, charge ``[N]``, vectors ``[1 or 2, 3]``, shifts ``[S, 3]``, low and high
        ``[3]``; returns places ``[K, 3]`` Å and charges ``[K]`` e.
    """
    half = np.ceil((high - low) / 2 / _ROUND) * _ROUND
    sources, points, solution = _box(*half.tolist())
    middle = pos.new_tensor((low + high) / 2)
    there = pos.new_tensor(shifts)

    def missing(at: Tensor, pos: Tensor, charge: Tensor, dipole: Tensor | None) -> Tensor:
        d = at[:, None] - pos
        images = d[:, :, None] - there
        inverse = images.norm(dim=-1).reciprocal()
        potential = (lattice_potential(d, vectors) - inverse.sum(-1)) @ charge
        if dipole is not None:
            field = lattice_field(d, vectors) - (images * inverse[..., None] ** 3).sum(-2)
            potential = potential + (field * dipole).sum((1, 2))
        return potential

    count = max(_PAIRS // (len(pos) * len(shifts)), 1)
    parts = (points[i : i + count] for i in range(0, len(points), count))
    potential = torch.cat(
        [checkpoint(missing, p.to(pos) + middle, pos, charge, dipole, use_reentrant=False) for p in parts]
    )
    return sources.to(pos) + middle, solution.to(pos) @ potential


@lru_cache(maxsize=16)
def _box(*half: float) -> tuple[Tensor, Tensor, Tensor]:
    """Places of the charges ``[K, 3]``, points ``[J, 3]``, and the matrix from potentials to charges, of a
    box around 0."""
    wide = [h + _DISTANCE for h in half]
    sources = _faces(*((h, math.ceil(2 * h / _SPACING), False) for h in wide))
    points = _faces(*((h, max(math.ceil(2 * h / _POINTS) + 1, 3), True) for h in half))
    matrix = 1 / np.linalg.norm(points[:, None] - sources, axis=2)
    matrix = np.hstack([matrix, np.full((len(points), 1), matrix.mean())])
    solution = np.linalg.pinv(matrix, rcond=_CUT)[:-1]
    return torch.from_numpy(sources), torch.from_numpy(points), torch.from_numpy(solution)


def _faces(*axes: tuple[float, int, bool]) -> np.ndarray:
    """Points on the faces of a box: half an edge along each axis, how many, whether denser at the ends."""
    lines = []
    for half, count, dense in axes:
        middle = (np.arange(count) + 0.5) / count
        lines.append(half * (-np.cos(np.pi * middle) if dense else 2 * middle - 1))
    faces = []
    for axis, (half, *_) in enumerate(axes):
        for end in (-half, half):
            edges = [np.array([end]) if i == axis else line for i, line in enumerate(lines)]
            faces.append(np.array(list(itertools.product(*edges))))
    return np.concatenate(faces)


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
    screening, lateral, _, r = _near(d, vectors)
    near = (torch.erfc(screening * r) / r).sum(-1)
    size = math.sqrt(np.linalg.det(vectors @ vectors.T))
    if len(vectors) == 1:
        planar = lateral.square().sum(-1) + d[..., 2].square()
        along = lateral @ d.new_tensor(vectors[0, :2]) / size
        distant: Tensor = _Ein.apply(screening**2 * (planar - along.square())) / size
    else:
        az = screening * d[..., 2]
        distant = (torch.exp(-az.square()) + math.sqrt(math.pi) * az * torch.erf(az)) / screening
        distant = 2 * math.sqrt(math.pi) / size * distant
    return near - distant


def lattice_field(d: Tensor, vectors: np.ndarray) -> Tensor:
    r"""Field :math:`-\nabla φ` of :func:`lattice_potential`,

    .. math::
        -\nabla φ = \sum_R \left[\frac{\operatorname{erfc}(αr)}{r} + \frac{2α}{\sqrt π} e^{-α^2r^2}\right]
        \frac{d - R}{r^2} + \begin{cases} \frac{2π}{A} \operatorname{erf}(αz)\, \hat z \\
        \frac{2}{L} (1 - e^{-α^2ρ^2})\, \frac{ρ}{ρ^2} \end{cases}, \qquad r = |d - R|.

    Shapes:
        as there; returns ``[..., 3]`` 1/Å².
    """
    screening, lateral, shifts, r = _near(d, vectors)
    gauss = 2 * screening / math.sqrt(math.pi) * torch.exp(-((screening * r) ** 2))
    weights = (torch.erfc(screening * r) / r + gauss) / r.square()
    total = weights.sum(-1, keepdim=True)
    across, up = total * lateral - weights @ shifts, total * d[..., 2:]
    size = math.sqrt(np.linalg.det(vectors @ vectors.T))
    if len(vectors) == 1:
        axis = d.new_tensor(vectors[0, :2]) / size
        rho = lateral - (lateral @ axis)[..., None] * axis
        rho2 = (rho.square().sum(-1, keepdim=True) + d[..., 2:].square()).clamp(min=1e-12)
        distant = -2 / size * torch.expm1(-(screening**2) * rho2) / rho2
        across, up = across + distant * rho, up + distant * d[..., 2:]
    else:
        up = up + 2 * math.pi / size * torch.erf(screening * d[..., 2:])
    return torch.cat([across, up], -1)


def _near(d: Tensor, vectors: np.ndarray) -> tuple[float, Tensor, Tensor, Tensor]:
    """The screening α, ``d`` in the plane and in the cell around 0 ``[..., 2]``, lattice points ``[R, 2]``,
    and the distances of ``d`` from these ``[..., R]``."""
    waves = 2 * math.pi * np.linalg.pinv(vectors[:, :2]).T
    some = np.array(list(itertools.product(range(-3, 4), repeat=len(waves)))) @ waves
    screening = np.linalg.norm(some[some.any(axis=1)], axis=1).min() / (2 * _WAVE)
    cell, inverse = (d.new_tensor(m) for m in (vectors[:, :2], waves.T / (2 * math.pi)))
    lateral = d[..., :2] - (d[..., :2].detach() @ inverse).round() @ cell
    planar = lateral.square().sum(-1) + d[..., 2].square()
    shifts = d.new_tensor(_lattice(vectors[:, :2], _RANGE / screening))
    r2 = planar[..., None] - 2 * lateral @ shifts.T + shifts.square().sum(1)
    return float(screening), lateral, shifts, r2.sqrt()


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
