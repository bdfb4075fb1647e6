"""Judge whether a structure explains the scan that it was found in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from torch_afm.data import AFMData, covalent_bonds
from torch_afm.functional import normalize_slices
from torch_afm.io import AFMStack
from torch_afm.metrics import agreement
from torch_afm.metrics.images import noise_share
from torch_afm.utils import InputError, check_shape

#: Smallest number of measured slices, and most of them that may be noise, for one structure to be told from
#: another.
_SLICES, _NOISE = 4, 0.8

#: Å: width of the Gaussian that curvature is taken at; r that is asked of it.
_SHARP, _CURVATURE = 0.7, 0.95

#: Å: width of the Gaussian that a residual is smoothed with; what of it, in units of the contrast, belongs to
#: a patch; Å² that a patch may have, about an atom.
_WIDTH, _RESIDUAL, _AREA = 0.5, 0.4, 2.0

#: Å: a patch whose middle is farther from all atoms shows something where no atom is.
_AWAY = 1.8

#: Å that an atom may lie outside the outermost pixels.
_OUTSIDE = 0.5

#: Atoms, and share of all, that may be without a neighbor (theirs may lie too deep to be seen), and Å that
#: atoms without a bond keep.
_LONE, _LONE_SHARE, _CLOSE = 2, 1 / 3, 1.3


@dataclass(frozen=True)
class Verdict:
    """Whether a structure explains a scan.

    Args:
        agrees: nothing speaks against it.
        reasons: what speaks against it, in words.
        scores: :func:`torch_afm.metrics.agreement` of its image with the scan, slice by slice; of a scan in
            another unit than Hz ``pearson`` alone, which does not depend on it.
        without_noise: the same, of a scan without its noise.
        curvature: the same of the curvature of both, which shows the atoms and no broad background.
        noise: share of the variance of the slices that is noise, their mean.
        min_pearson: asked of ``without_noise``.
    """

    agrees: bool
    reasons: tuple[str, ...]
    scores: dict[str, list[float]]
    without_noise: float
    curvature: float
    noise: float
    min_pearson: float

    @property
    def pearson(self) -> float:
        """Pearson's r of its image with the scan, mean of the slices."""
        return float(np.mean(self.scores["pearson"]))

    @property
    def headline(self) -> str:
        """The verdict in a sentence."""
        says = (
            "The image of this structure agrees with the scan"
            if self.agrees
            else "Do not trust this structure: it does not explain the scan"
        )
        return (
            f"{says} (Pearson r {self.pearson:.2f}, without the noise of the scan {self.without_noise:.2f}, "
            f"where {self.min_pearson:.2f} is asked)."
        )

    @property
    def meaning(self) -> str:
        """What that says and what it does not."""
        if not self.agrees:
            return "Atoms may be missing, too many or wrong, also where their probability is high."
        return (
            "An image that agrees means that this structure, with the tip that was fitted, gives nearly the "
            "measured image. Another one may, too, the more so the farther the tip was: elements, and atoms "
            "below others, hardly change an image. So look at the probabilities of each atom and its element."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        return {
            **self.scores,
            "without_noise": self.without_noise,
            "min_pearson": self.min_pearson,
            "curvature": self.curvature,
            "noise": self.noise,
            "agrees": self.agrees,
            "reasons": list(self.reasons),
        }

    def describe(self) -> str:
        """Lines for a terminal, with everything that speaks against the structure."""
        mse = f", MSE {np.mean(self.scores['mse']):.2f} Hz²" if "mse" in self.scores else ""
        says = "nothing speaks against this structure" if self.agrees else "do not trust this structure:"
        return "\n".join(
            [
                "image      its simulated stack against the reference, mean of the slices: Pearson r "
                f"{self.pearson:.2f}{mse}; without noise r {self.without_noise:.2f}, where "
                f"{self.min_pearson:.2f} is asked",
                f"verdict    {says}",
                *(f"           - {reason}" for reason in self.reasons),
            ]
        )


def judge(
    graph: AFMData, context: AFMData, simulated: Tensor, stack: AFMStack, min_pearson: float
) -> Verdict:
    r"""Judge whether a structure explains a scan: there are atoms, all of them within it; their image is as
    near to the scan as its noise allows; no patch larger than an atom is left; no two atoms are where one can
    be.

    Noise makes even a perfect image's r with slice s only :math:`c_s = \sqrt{1 - \nu_s}`
    (:func:`torch_afm.metrics.images.noise_share`). Without it r would be (Spearman, Am. J. Psychol. 15, 72
    (1904), the slices weighted by what they tell)

    .. math::
        \hat r = \sum_s c_s r_s \Big/ \sum_s c_s^2 ,

    of which ``min_pearson`` is asked; and 0.95 of that of the curvature (the Laplacian of Gaussians of
    0.7 Å), for in a scan from far away a shapeless cloud has almost the image of a molecule. What is left of
    the normalized slices, :math:`d = n - r\, n_\mathrm{simulated}`, is smoothed by a Gaussian of 0.5 Å;
    where its root mean square over the slices, less that of the noise, is more than 0.4 of the contrast
    :math:`\sqrt{\langle n^4 \rangle / \langle n^2 \rangle}`, and that over more than 2 Å², something is
    missing, too much or wrong. The contrast weighs each pixel by its signal: an empty margin changes nothing.

    An image that agrees is necessary, not sufficient: another structure may have it, too. How often a wrong
    one has: ``python -m benchmarks.prediction.verdict``.

    Args:
        graph: the structure.
        context: its atoms below the surface cut.
        simulated: stack of all of them, with the tip that was fitted.
        stack: the scan; ``measured`` in its ``meta`` is how many slices were measured, where those of the
            stack are interpolated.
        min_pearson: see :class:`torch_afm.metrics.Calibration`.

    Shapes:
        simulated ``[1, 1, Z, Y, X]``.

    Raises:
        InputError: for a simulated stack of another shape, and a scan with more than one channel.
    """
    if len(stack.stack) != 1:
        raise InputError(f"stack: expected one channel, got {len(stack.stack)}")
    check_shape("simulated", simulated, (1, *stack.stack.shape))
    scan, image = (s.astype(np.float64) for s in (stack.stack[0], simulated[0, 0].cpu().numpy()))
    noise = noise_share(scan)
    scores = agreement(image, scan)
    pearson, measured = np.array(scores["pearson"]), stack.meta.get("measured")
    without_noise = _attenuated(pearson, noise)
    wide = [_SHARP / p for p in _pixel(stack)]
    curved, curved_image = (
        np.stack([ndimage.gaussian_laplace(s, wide) for s in part]) for part in (scan, image)
    )
    curvature = _attenuated(np.array(agreement(curved_image, curved)["pearson"]), noise_share(curved))
    reasons = []
    if not len(graph.z):
        reasons.append("no atom was found")
    if measured is not None and measured < _SLICES:
        slices = "1 slice was" if measured == 1 else f"{measured} slices were"
        reasons.append(f"{slices} measured, where {_SLICES} tell one structure from another")
    if noise.mean() > _NOISE:
        reasons.append(f"{100 * noise.mean():.0f} % of the contrast of the scan is noise")
    if without_noise < min_pearson:
        reasons.append(
            "its image is not near enough to the scan: without noise r would be "
            f"{without_noise:.3f}, where {min_pearson:.2f} is asked"
        )
    if curvature < _CURVATURE:
        reasons.append(
            "its image does not have the details of the scan: the curvature of both has r "
            f"{curvature:.3f}, where {_CURVATURE:.2f} is asked"
        )
    whole = AFMData(
        z=torch.cat([graph.z, context.z]).cpu(), pos=torch.cat([graph.pos, context.pos]).detach().cpu()
    )
    normal, found = (normalize_slices(torch.from_numpy(s)).numpy() for s in (scan, image))
    left = normal - pearson[:, None, None] * found
    reasons += _patches(left, normal, noise, stack, whole.pos)
    reasons += _atoms(whole, len(graph.z), stack)
    return Verdict(
        not reasons,
        tuple(reasons),
        scores if stack.unit == "Hz" else {"pearson": scores["pearson"]},
        without_noise,
        curvature,
        float(noise.mean()),
        min_pearson,
    )


def _attenuated(scores: np.ndarray, noise: np.ndarray) -> float:
    """r of each slice, put right for noise, as one."""
    limit = np.sqrt(1 - noise)
    return min(1.0, float((limit * scores).sum() / max((limit**2).sum(), 1e-12)))


def _pixel(stack: AFMStack) -> list[float]:
    """Height and width of a pixel in Å."""
    return [float(np.ptp(axis)) / max(len(axis) - 1, 1) or 1.0 for axis in (stack.y, stack.x)]


def _patches(
    left: np.ndarray, normal: np.ndarray, noise: np.ndarray, stack: AFMStack, pos: Tensor
) -> list[str]:
    """The largest place of a scan, normalized, that is not explained; ``left``: what is left of it."""
    pixel = _pixel(stack)
    wide = [0, *(_WIDTH / p for p in pixel)]
    # White noise of unit variance has this variance after smoothing.
    rest = min(1.0, pixel[0] * pixel[1] / (4 * np.pi * _WIDTH**2))
    power = ndimage.gaussian_filter(left, wide) ** 2 - rest * noise[:, None, None]
    shown = ndimage.gaussian_filter(normal, wide) ** 2
    contrast = (shown**2).sum() / max(shown.sum(), 1e-12) or 1.0
    residual = np.sqrt(power.mean(axis=0).clip(min=0) / contrast)
    labels, _ = ndimage.label(residual > _RESIDUAL)
    sizes = np.bincount(labels.ravel())[1:] * pixel[0] * pixel[1]
    if not len(sizes) or sizes.max() <= _AREA:
        return []
    largest = labels == 1 + int(sizes.argmax())
    row, column = np.unravel_index(int(np.where(largest, residual, -1).argmax()), residual.shape)
    x, y = float(stack.x[column]), float(stack.y[row])
    gap = (pos[:, :2] - pos.new_tensor([x, y])).norm(dim=1)
    empty = not len(pos) or float(gap.min()) > _AWAY
    what = (
        "the scan shows something where no atom is" if empty else "scan and image differ by more than noise"
    )
    return [f"{what}: {sizes.max():.0f} Å² around x {x:.1f}, y {y:.1f} Å"]


def _atoms(whole: AFMData, n: int, stack: AFMStack) -> list[str]:
    """What is wrong with the first ``n`` atoms themselves."""
    reasons = []
    low, high = (whole.pos.new_tensor([axis[end] for axis in (stack.x, stack.y)]) for end in (0, -1))
    flat = whole.pos[:n, :2]
    outside = int(((flat < low - _OUTSIDE) | (flat > high + _OUTSIDE)).any(dim=1).sum())
    if outside:
        reasons.append(f"{outside} of {n} atoms lie outside the scan")
    gap = torch.cdist(whole.pos, whole.pos)
    gap.fill_diagonal_(torch.inf)
    bonded = torch.zeros_like(gap, dtype=torch.bool)
    bonded[tuple(covalent_bonds(whole.z, whole.pos))] = True
    bonded &= (whole.z[:, None] > 1) | (whole.z > 1)  # no scan shows a molecule of hydrogen
    lone = int((~bonded[:n].any(dim=1)).sum())
    if lone > max(_LONE, _LONE_SHARE * n):
        reasons.append(f"{lone} of {n} atoms have no neighbor")
    close = int(((gap < _CLOSE) & ~bonded)[:n].any(dim=1).sum())
    if close:
        reasons.append(f"{close} of {n} atoms are nearer to another, without a bond, than atoms can be")
    return reasons
