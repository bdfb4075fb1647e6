"""Whether a structure explains the scan that it was found in, and what speaks against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from torch_afm.data import AFMData, covalent_bonds
from torch_afm.io import AFMStack
from torch_afm.metrics import agreement, noise_share, normal_slices
from torch_afm.utils import InputError, check_shape

#: Least number of measured slices, and largest share of noise in them, that a structure can be judged by.
_SLICES, _NOISE = 4, 0.7

#: Å: width of the Gaussian that a residual is smoothed with; Å²: least area of a patch, that of an atom.
_WIDTH, _AREA = 0.5, 2.0

#: Residual, in units of the contrast of the scan, from which on a pixel belongs to a patch.
_RESIDUAL = 0.3

#: Å: a patch whose middle is farther from all atoms shows something where no atom is.
_AWAY = 1.8

#: Å that an atom may lie outside the outermost pixels.
_OUTSIDE = 0.5

#: Share of atoms that may have no neighbour (one always may: its own may lie too deep to be seen), and Å that
#: atoms without a bond keep.
_LONE, _CLOSE = 0.25, 1.3


@dataclass(frozen=True)
class Verdict:
    """Whether a structure explains a scan.

    Args:
        agrees: nothing speaks against it.
        pearson: Pearson's r of its image with the scan, mean of the slices.
        asked: r that is asked of a scan with this noise.
        noise: share of the variance of the slices that is noise, their mean.
        reasons: what speaks against it, in words.
    """

    agrees: bool
    pearson: float
    asked: float
    noise: float
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        return {
            "min_pearson": self.asked,
            "noise": self.noise,
            "agrees": self.agrees,
            "reasons": list(self.reasons),
        }


def judge(
    graph: AFMData,
    context: AFMData,
    simulated: Tensor,
    stack: AFMStack,
    min_pearson: float,
    measured: int | None = None,
) -> Verdict:
    r"""Whether a structure explains a scan: there are atoms, all of them within it; their image is as near to
    the scan as its noise allows; no patch larger than an atom is left; chemistry knows such a structure.

    The mean r of the slices has to reach ``min_pearson`` times the mean of :math:`\sqrt{1 - \nu}`, what a
    perfect image would have (:func:`torch_afm.metrics.noise_share`). What is left of the normalised slices,
    :math:`d = n - r\, n_\mathrm{simulated}`, is smoothed by a Gaussian of 0.5 Å; where its root mean square
    over the slices, less that of smoothed noise, is more than 0.3 of the contrast
    :math:`\sqrt{\langle n^4 \rangle / \langle n^2 \rangle}`, and that over 2 Å², something is missing, too
    much or wrong. The contrast weighs each pixel by its signal, so that an empty margin changes nothing.

    An image that agrees is necessary, not sufficient: another structure may have it, too. Elements and atoms
    below others hardly change an image. ``python -m benchmarks.prediction.verdict`` tells how often a
    structure is wrong although nothing speaks against it.

    Args:
        graph: the structure.
        context: its atoms below the surface cut.
        simulated: stack of all of them, with the tip that was fitted.
        stack: the scan.
        min_pearson: r that is asked of a scan without noise, see :class:`torch_afm.metrics.Calibration`.
        measured: slices that were measured, where those of ``stack`` are interpolated.

    Shapes:
        simulated ``[1, 1, Z, Y, X]``.

    Raises:
        InputError: for a simulated stack of another shape, and a scan with more than one channel.
    """
    if len(stack.stack) != 1:
        raise InputError(f"stack: expected one channel, got {len(stack.stack)}")
    check_shape("simulated", simulated, (1, *stack.stack.shape))
    reference, image = (
        np.asarray(s, dtype=np.float64) for s in (stack.stack[0], simulated[0, 0].cpu().numpy())
    )
    noise = noise_share(reference)
    scores = np.array(agreement(image, reference)["pearson"])
    pearson, asked = float(scores.mean()), float(min_pearson * np.sqrt(1 - noise).mean())
    whole = AFMData(
        z=torch.cat([graph.z, context.z]).cpu(), pos=torch.cat([graph.pos, context.pos]).detach().cpu()
    )
    reasons = []
    if not len(graph.z):
        reasons.append("no atom was found")
    if measured is not None and measured < _SLICES:
        reasons.append(f"{measured} slices were measured, too few to tell one structure from another")
    if noise.mean() > _NOISE:
        reasons.append(f"{100 * noise.mean():.0f} % of the scan is noise: no structure can be told from it")
    if pearson < asked:
        reasons.append(
            f"its image is not near enough to the scan: Pearson r {pearson:.3f}, where {asked:.3f} is asked"
        )
    reasons += _patches(reference, image, scores, noise, stack, whole.pos)
    reasons += _atoms(graph, whole, stack)
    return Verdict(not reasons, pearson, asked, float(noise.mean()), tuple(reasons))


def _patches(
    reference: np.ndarray,
    image: np.ndarray,
    scores: np.ndarray,
    noise: np.ndarray,
    stack: AFMStack,
    pos: Tensor,
) -> list[str]:
    """The largest place of a scan that is not explained."""
    pixel = [float(np.ptp(axis)) / max(len(axis) - 1, 1) or 1.0 for axis in (stack.y, stack.x)]
    measured, made = normal_slices(reference), normal_slices(image)
    left = measured - scores[:, None, None] * made

    def smooth(slices: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(slices, (0, *(_WIDTH / p for p in pixel)))

    # White noise of unit variance has this much after smoothing.
    rest = pixel[0] * pixel[1] / (4 * np.pi * _WIDTH**2)
    power = smooth(left) ** 2 - rest * noise[:, None, None]
    shown = smooth(measured) ** 2
    contrast = ((shown**2).sum() / max(shown.sum(), 1e-12)) or 1.0
    residual = np.sqrt(power.mean(axis=0).clip(min=0) / contrast)
    labels, _ = ndimage.label(residual > _RESIDUAL)
    sizes = np.bincount(labels.ravel())[1:] * pixel[0] * pixel[1]
    if not len(sizes) or sizes.max() < _AREA:
        return []
    largest = labels == 1 + int(sizes.argmax())
    row, column = np.unravel_index(np.argmax(np.where(largest, residual, -1)), residual.shape)
    x, y = float(stack.x[column]), float(stack.y[row])
    gap = (pos[:, :2] - pos.new_tensor([x, y])).norm(dim=1)
    empty = not len(pos) or float(gap.min()) > _AWAY
    what = (
        "the scan shows something where no atom is" if empty else "scan and image differ by more than noise"
    )
    return [f"{what}: {sizes.max():.0f} Å² around x {x:.1f}, y {y:.1f} Å"]


def _atoms(graph: AFMData, whole: AFMData, stack: AFMStack) -> list[str]:
    """What is wrong with the atoms themselves."""
    n, reasons = len(graph.z), []
    outside = torch.zeros(n, dtype=torch.bool)
    for k, axis in enumerate((stack.x, stack.y)):
        along = whole.pos[:n, k]
        outside |= (along < float(axis[0]) - _OUTSIDE) | (along > float(axis[-1]) + _OUTSIDE)
    if outside.any():
        reasons.append(f"{int(outside.sum())} of {n} atoms lie outside the scan")
    bonds = covalent_bonds(whole.z, whole.pos)
    gap = torch.cdist(whole.pos, whole.pos)
    gap.fill_diagonal_(torch.inf)
    bonded = torch.zeros_like(gap, dtype=torch.bool)
    bonded[tuple(bonds)] = True
    lone = int((~bonded[:n].any(dim=1)).sum())
    if lone > max(1, _LONE * n):
        reasons.append(f"{lone} of {n} atoms have no neighbour")
    close = int(((gap < _CLOSE) & ~bonded)[:n].any(dim=1).sum())
    if close:
        reasons.append(f"{close} of {n} atoms are nearer to another, without a bond, than atoms can be")
    return reasons
