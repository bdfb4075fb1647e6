"""How well a pose explains a scan, as something to be minimized."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from torch_afm.identification.pose import BEND, CHARGE, N_POSE, PLACE, SCALE, SHEAR, PoseModel
from torch_afm.metrics.evidence import OBSERVATIONS
from torch_afm.prediction.refinement.images import SliceImages
from torch_afm.prediction.refinement.levenberg import Expansion

#: Finite difference, and the longest step, in standard deviations.
_DIFFERENCE, _MAX_STEP = 0.05, 1.0


class PoseObjective:
    r"""The negative logarithm of the posterior density of a pose,

    .. math::
        \frac{n}{2 S} \sum_s \log\left(\langle (n_s - r_s)^2 \rangle + \nu_s\right) + \frac{1}{2} |x|^2,

    with the normalized slices :math:`n_s` of the image and :math:`r_s` of the scan, the share
    :math:`\nu_s` of the variance of a slice that is noise at least, and n independent observations
    (:func:`torch_afm.metrics.evidence.log_likelihood`); the unknowns x count standard deviations from where
    the search found the molecule.

    Args:
        model: images of the molecule.
        images: pixels that are compared.
        reference: the scan at these pixels, normalized.
        floor: :math:`\nu_s`.
        instrument: whether tip, bend, radii and torsions are fitted, too, or pose, scanner and charges alone.

    Shapes:
        reference ``[Z, P]``, floor ``[Z]``.
    """

    def __init__(
        self, model: PoseModel, images: SliceImages, reference: Tensor, floor: Tensor, instrument: bool
    ) -> None:
        self.model, self.images, self.reference, self.floor = model, images, reference, floor
        self.places = all_places(model)[images.pixels[:, 1], images.pixels[:, 0]]
        free = torch.ones(len(model.widths), dtype=torch.bool)
        free[N_POSE:] = instrument
        free[BEND] = instrument and not model.upright
        free[CHARGE] = True
        # These need no image of their own.
        free[SCALE] = free[SHEAR] = True
        self.free = free
        rendered = free.clone()
        rendered[SCALE] = rendered[SHEAR] = False
        self._rendered = rendered.nonzero().flatten()

    def residual(self, x: Tensor) -> Tensor:
        """Mean squared difference of the slices, ``[Z]``."""
        image = self.images.normalize(self.model.stacks(x[None], self.places)[0])
        return (image - self.reference).square().mean(1)

    def value(self, x: Tensor) -> float:
        """The objective at ``x``."""
        return self._value(self.residual(x), x)

    def expand(self, x: Tensor) -> Expansion:
        """Its value, gradient and Gauss-Newton curvature, by finite differences of the image."""
        ahead = x.repeat(len(self._rendered) + 1, 1)
        ahead[range(1, len(ahead)), self._rendered] += _DIFFERENCE
        stacks = self.model.stacks(ahead, self.places)
        slopes = stacks.new_zeros(*stacks.shape[1:], len(x))
        slopes[..., self._rendered] = ((stacks[1:] - stacks[0]) / _DIFFERENCE).permute(1, 2, 0)
        by_scanner = self.model.scanner_slopes(x, slopes[..., PLACE], self.places)
        slopes[..., SCALE], slopes[..., SHEAR] = by_scanner[..., :2], by_scanner[..., 2]
        image, slopes = self.images.linearize(stacks[0], slopes)
        difference = image - self.reference
        mean = difference.square().mean(1)
        each = OBSERVATIONS / len(image) / (mean + self.floor) / image.shape[1]
        flat = slopes.flatten(0, 1)
        weighted = (slopes * each[:, None, None]).flatten(0, 1).T
        gradient = weighted @ difference.flatten() + x
        curvature = weighted @ flat + torch.eye(len(x), dtype=torch.float64)
        return Expansion(self._value(mean, x), gradient * self.free, curvature)

    def shorten(self, step: Tensor) -> Tensor:
        """``step``, so short that nothing moves by more than its standard deviation."""
        return step * min(1.0, _MAX_STEP / max(float(step.abs().max()), 1e-12))

    def _value(self, mean: Tensor, x: Tensor) -> float:
        misfit = 0.5 * OBSERVATIONS * (mean + self.floor).log().mean()
        return float(misfit + 0.5 * x.square().sum())


def all_places(model: PoseModel) -> Tensor:
    """Places of all pixels of the scan in Å, ``[Y, X, 2]`` float64."""
    scan = model.renderer.scan
    return torch.from_numpy(np.stack(np.meshgrid(scan.x, scan.y), axis=-1))
