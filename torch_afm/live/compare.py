"""How far an image explains a scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from torch_afm.functional import pearson, remove_slope
from torch_afm.utils import check_shape


@dataclass(frozen=True, eq=False)
class Comparison:
    """A scan beside an image of it.

    Args:
        image: the image in the unit of the scan: gain and offset fitted slice by slice.
        residual: the scan less that.
        r: Pearson's correlation of each slice.

    Shapes:
        image and residual ``[Z, Y, X]``, r ``[Z]``.
    """

    image: np.ndarray
    residual: np.ndarray
    r: np.ndarray


def compare(scan: np.ndarray, image: np.ndarray, leveled: bool = False) -> Comparison:
    r"""Compare a scan with an image, slice by slice. The image :math:`s` enters as :math:`a s + b` with the
    least residual :math:`m - a s - b`, for gain, offset and unit of a scan are hardly ever known:

    .. math::
        a = \frac{\langle (s - \bar s)(m - \bar m) \rangle}{\langle (s - \bar s)^2 \rangle}, \qquad
        b = \bar m - a \bar s,

    and :math:`a = 0` where the image has no contrast.

    Args:
        scan: the scan.
        image: the image in Hz.
        leveled: whether the plane of each slice was taken out of the scan, and is to be out of the image.

    Shapes:
        both ``[Z, Y, X]``.

    Raises:
        InputError: for different shapes.
    """
    check_shape("image", image, scan.shape)
    measured, simulated = (torch.from_numpy(np.asarray(v, dtype=np.float64)) for v in (scan, image))
    if leveled:
        simulated = remove_slope(simulated)
    m, s = (v - v.mean((1, 2), keepdim=True) for v in (measured, simulated))
    power = s.square().mean((1, 2), keepdim=True)
    gain = torch.where(power > 0, (s * m).mean((1, 2), keepdim=True) / power, 0.0)
    fitted = gain * s + measured.mean((1, 2), keepdim=True)
    return Comparison(fitted.numpy(), (measured - fitted).numpy(), pearson(simulated, measured).numpy())
