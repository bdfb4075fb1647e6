"""Levenberg's and Marquardt's method for an objective that tells its Gauss-Newton curvature."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

#: Damping at the start, and the factors after a step down and after one that failed.
_DAMPING, _EASE, _TIGHTEN = 1e-2, 0.2, 8.0
#: Failed steps in a row that end the search.
_FAILURES = 4


class Expansion(NamedTuple):
    """Value, gradient ``[K]`` and Gauss-Newton curvature ``[K, K]`` at a point, float64."""

    value: float
    gradient: Tensor
    curvature: Tensor


class Objective(Protocol):
    """What :func:`minimize` asks."""

    def value(self, x: Tensor) -> float: ...
    def expand(self, x: Tensor) -> Expansion: ...
    def shorten(self, step: Tensor) -> Tensor: ...


def minimize(
    objective: Objective,
    x: Tensor,
    iterations: int,
    tolerance: float,
    visit: Callable[[Tensor, float], None],
) -> Tensor:
    r"""Minimize by steps :math:`-(C + λ\, \mathrm{diag}\, C)^{-1} g` with the gradient g and the Gauss-Newton
    curvature C; λ falls fivefold after every step that goes down and rises eightfold after one that does not,
    which is not taken (Marquardt, J. SIAM 11, 431 (1963)).

    Args:
        objective: to minimize.
        x: where to start.
        iterations: most steps taken.
        tolerance: a step that gains less than this ends the search.
        visit: called with the point and the value after every step taken.

    Shapes:
        x ``[K]`` float64, returns the same.
    """
    damping = _DAMPING
    for _ in range(iterations):
        value, gradient, curvature = objective.expand(x)
        for _ in range(_FAILURES):
            damped = curvature + torch.diag(damping * curvature.diagonal())
            step = objective.shorten(-torch.linalg.solve(damped, gradient))
            after = objective.value(x + step)
            if after < value:
                break
            damping *= _TIGHTEN
        else:
            return x
        damping *= _EASE
        x = x + step
        visit(x, after)
        if value - after < tolerance:
            return x
    return x
