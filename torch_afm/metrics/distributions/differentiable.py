r"""Wasserstein distance on a line, with gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_afm.utils import InputError, check_finite


def differentiable_wasserstein(x: Tensor, y: Tensor) -> Tensor:
    r"""Wasserstein distance on a line, :math:`W_1 = \int |F_x(t) - F_y(t)| \,dt`, for losses: exact, with
    exact gradients wherever no two values are equal (there, one of the sub-gradients).

    Args:
        x: values.
        y: values.

    Shapes:
        x ``[*, N]``, y ``[*, M]``, returns ``[*]``.

    Raises:
        InputError: for an empty set, a NaN, or leading dimensions that differ.
    """
    for name, values in (("x", x), ("y", y)):
        if not values.is_floating_point() or values.dim() == 0 or values.shape[-1] == 0:
            raise InputError(
                f"{name}: expected floats of shape [*, N] with N > 0, got {values.dtype} {list(values.shape)}"
            )
        check_finite(name, values)
    if x.shape[:-1] != y.shape[:-1]:
        raise InputError(f"y: expected leading dimensions {list(x.shape[:-1])}, got {list(y.shape[:-1])}")
    mass = torch.cat([torch.full_like(x, 1 / x.shape[-1]), torch.full_like(y, -1 / y.shape[-1])], dim=-1)
    values, order = torch.cat([x, y], dim=-1).sort(dim=-1, stable=True)
    gap = mass.gather(-1, order).cumsum(dim=-1)[..., :-1].abs()
    return (gap * values.diff(dim=-1)).sum(dim=-1)
