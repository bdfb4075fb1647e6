"""An optimizer that orthogonalizes the updates of matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Adam

#: Coefficients and number of the Newton-Schulz iterations of Jordan et al.
_COEFFICIENTS, _ITERATIONS = (3.4445, -4.7750, 2.0315), 5

#: Matrices with fewer rows or columns than this are updated by Adam: first and last layers.
MIN_SIDE = 32


class Muon(Adam):
    r"""Adam, but for matrices, whose momentum is orthogonalized (Jordan et al., "Muon: An optimizer for
    hidden layers in neural networks", 2024).

    .. math::
        \mathbf{M} &\leftarrow \mu \mathbf{M} + (1 - \mu) \mathbf{G}

        \mathbf{W} &\leftarrow \mathbf{W} - \eta \sqrt{\max(1, m / n)} \;
        \mathrm{NS}\left((1 - \mu) \mathbf{G} + \mu \mathbf{M}\right)

    with five Newton-Schulz iterations NS, which bring the singular values of a matrix near to 1. The kernels
    of a convolution are taken as a matrix :math:`m \times n` of its outputs by all their inputs, which
    ``torch.optim.Muon`` does not take.

    Args:
        params: parameters; those with at least :data:`MIN_SIDE` rows and columns are matrices.
        lr: learning rate of Adam.
        muon_lr: learning rate :math:`\eta` of the matrices.
        momentum: :math:`\mu`.
    """

    def __init__(
        self, params: Iterable[Parameter], lr: float = 1e-3, muon_lr: float = 0.02, momentum: float = 0.95
    ) -> None:
        known = list(params)
        matrices, others = ([p for p in known if is_matrix(p) == wanted] for wanted in (True, False))
        self.momentum = momentum
        super().__init__([{"params": others, "lr": lr}, {"params": matrices, "lr": muon_lr}])

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:  # with all parameters, whose gradients it may clear and clip
            with torch.enable_grad():
                loss = closure()
        groups = self.param_groups
        self.param_groups = groups[:1]
        try:
            super().step()
        finally:
            self.param_groups = groups
        for parameter in groups[1]["params"]:
            if parameter.grad is not None:
                self._update(parameter, parameter.grad, groups[1]["lr"])
        return loss

    def _update(self, parameter: Parameter, gradient: Tensor, lr: float) -> None:
        state = self.state[parameter]
        if not state:
            # The state that Adam gives its parameters has a step, which it asks for when one is loaded.
            state |= {"momentum": torch.zeros_like(parameter), "step": torch.tensor(0.0)}
        momentum = state["momentum"].lerp_(gradient, 1 - self.momentum)
        matrix = gradient.lerp(momentum, self.momentum).flatten(1)
        rows, columns = matrix.shape
        scale = lr * max(1.0, rows / columns) ** 0.5
        parameter.sub_(orthogonalize(matrix).view_as(parameter), alpha=scale)


def is_matrix(parameter: Tensor) -> bool:
    """Whether a parameter is a matrix, or kernels, with at least :data:`MIN_SIDE` rows and columns."""
    return parameter.dim() > 1 and min(parameter.flatten(1).shape) >= MIN_SIDE


def orthogonalize(matrix: Tensor) -> Tensor:
    """The matrix with its singular values brought near to 1, between about 0.7 and 1.2, in bfloat16; its rank
    must be full.

    Shapes:
        matrix ``[M, N]``, result the same.
    """
    a, b, c = _COEFFICIENTS
    x = matrix.bfloat16()
    x = x.T if len(x) > x.size(1) else x
    x = x / (x.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if len(matrix) > matrix.size(1) else x).to(matrix)
