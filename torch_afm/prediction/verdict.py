"""Judge whether a structure explains the scan that it was found in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.functional import normalize_slices
from torch_afm.io import AFMStack
from torch_afm.metrics import agreement
from torch_afm.metrics.evidence import noise_floor
from torch_afm.metrics.images import noise_share
from torch_afm.prediction.chemistry import list_faults
from torch_afm.utils import InputError, check_shape

Status = Literal["explained", "not explained", "not enough measured"]

#: Smallest number of measured slices, most of them that may be noise, and smallest share of details, for one
#: structure to be told from another; and nats of evidence by which it has to be better than the next.
_SLICES, _NOISE, _DETAILS, _MARGIN = 4, 0.8, 0.13, 8.0

#: Å: widths of the Gaussians that curvature and details are taken at; r that is asked of curvature.
_SHARP, _FINE, _CURVATURE = 0.7, 0.5, 0.95

#: Å: width of the Gaussian that a residual is smoothed with; what of it, in units of the contrast, belongs to
#: a patch; Å² that a patch may have, about an atom.
_WIDTH, _RESIDUAL, _AREA = 0.5, 0.4, 2.0

#: Å: a patch whose middle is farther from all atoms shows something where no atom is.
_AWAY = 1.8

#: Å that an atom may lie outside the outermost pixels.
_OUTSIDE = 0.5

#: Probability below which an atom, or its element, is doubtful, and below which it is not likely to be there;
#: doubtful atoms that are listed, not counted.
_DOUBTFUL, _LIKELY, _LISTED = 0.9, 0.5, 8


@dataclass(frozen=True)
class Verdict:
    """Whether a structure explains a scan.

    Args:
        status: ``"explained"``: nothing speaks against it; ``"not explained"``: something does; ``"not enough
            measured"``: nothing does, but the scan does not tell it from others.
        reasons: what speaks against it or was not measured, in words.
        scores: :func:`torch_afm.metrics.agreement` of its image with the scan, slice by slice; of a scan in
            another unit than Hz ``pearson`` alone, which does not depend on it.
        without_noise: the same, of a scan without its noise.
        curvature: the same of the curvature of both, which shows the atoms and no broad background.
        noise: share of the variance of the slices that is noise, their mean.
        details: share of the contrast of the image that atoms and bonds have, of its sharpest slice.
        min_pearson: asked of ``without_noise``.
        margin: evidence against the next unlike answer in nats; ``None`` where none was tried.
        doubtful: atoms that may not be there.
        doubtful_elements: atoms that may be of another element.
    """

    status: Status
    reasons: tuple[str, ...]
    scores: dict[str, list[float]]
    without_noise: float
    curvature: float
    noise: float
    details: float
    min_pearson: float
    margin: float | None = None
    doubtful: tuple[int, ...] = ()
    doubtful_elements: tuple[int, ...] = ()

    @property
    def explained(self) -> bool:
        """Whether nothing speaks against the structure."""
        return self.status == "explained"

    @property
    def pearson(self) -> float:
        """Pearson's r of its image with the scan, mean of the slices."""
        return float(np.mean(self.scores["pearson"]))

    @property
    def headline(self) -> str:
        """The verdict in a sentence."""
        return (
            f"{_HEADLINES[self.status]} (Pearson r {self.pearson:.2f}, without the noise of the scan "
            f"{self.without_noise:.2f}, where {self.min_pearson:.2f} is asked)."
        )

    @property
    def meaning(self) -> str:
        """What that says and what it does not."""
        return f"{_MEANINGS[self.status]} {self._doubts()}".strip()

    def _doubts(self) -> str:
        """Which atoms the verdict does not vouch for."""
        if self.status == "not explained":
            return ""
        texts = []
        for atoms, what in (
            (self.doubtful, "may not be there"),
            (self.doubtful_elements, "may be of another element"),
        ):
            if len(atoms) > _LISTED:
                texts.append(f"{len(atoms)} atoms {what}.")
            elif atoms:
                more = "s" if len(atoms) > 1 else ""
                texts.append(f"Atom{more} {', '.join(str(i + 1) for i in atoms)} {what}.")
        return " ".join(texts)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON; atoms count from 0."""
        return {
            **self.scores,
            "without_noise": self.without_noise,
            "min_pearson": self.min_pearson,
            "curvature": self.curvature,
            "noise": self.noise,
            "details": self.details,
            "margin": self.margin,
            "status": self.status,
            "reasons": list(self.reasons),
            "doubtful": list(self.doubtful),
            "doubtful_elements": list(self.doubtful_elements),
        }

    def describe(self) -> str:
        """Lines for a terminal, with everything that speaks against the structure."""
        mse = f", MSE {np.mean(self.scores['mse']):.2f} Hz²" if "mse" in self.scores else ""
        lines = [
            "image      its simulated stack against the reference, mean of the slices: Pearson r "
            f"{self.pearson:.2f}{mse}; without noise r {self.without_noise:.2f}, where "
            f"{self.min_pearson:.2f} is asked",
            f"verdict    {self.status}{':' if self.reasons else ''}",
            *(f"           - {reason}" for reason in self.reasons),
        ]
        doubts = self._doubts()
        return "\n".join([*lines, *([f"doubtful   {doubts}"] if doubts else [])])


_HEADLINES: dict[Status, str] = {
    "explained": "Explained: the image of this structure agrees with the scan",
    "not explained": "Not explained: do not trust this structure",
    "not enough measured": "Not enough measured: the scan does not tell this structure from others",
}

_MEANINGS: dict[Status, str] = {
    "explained": "The image of this structure, with the tip that was fitted, is the measured one as far as "
    "its noise allows, and no bond or valence is wrong. Atoms below others hardly change an image.",
    "not explained": "Atoms may be missing, too many or wrong, also where their probability is high.",
    "not enough measured": "Nothing speaks against it, but others may explain the scan as well.",
}


def judge(
    graph: AFMData,
    context: AFMData,
    simulated: Tensor,
    stack: AFMStack,
    min_pearson: float,
    margin: float | None = None,
) -> Verdict:
    r"""Judge whether a structure explains a scan.

    It does not where there are no atoms, or some outside of the scan; where atoms are against chemistry
    (:func:`torch_afm.prediction.chemistry.list_faults`); where the image is not as near to the scan as its
    noise allows, or leaves a patch larger than an atom; or where another answer has more evidence. Where
    nothing of that is so, fewer than 4 slices, more than 80 % noise, a tip so far away that no atoms show
    (details, the curvature at 0.5 Å times the square of that, less than 0.13 of the contrast in each slice),
    another answer within 8 nats, or most atoms of a probability below one half mean that not enough was
    measured. Images of scans that are nearly all noise say nothing and are not asked.

    Noise makes even a perfect image's r with slice s only :math:`c_s = \sqrt{1 - \nu_s}`
    (:func:`torch_afm.metrics.evidence.noise_floor`). Without it r would be (Spearman, Am. J. Psychol. 15, 72
    (1904), the slices weighted by what they tell)

    .. math::
        \hat r = \sum_s c_s r_s \Big/ \sum_s c_s^2 ,

    of which ``min_pearson`` is asked; and 0.95 of that of the curvature (the Laplacian of Gaussians of
    0.7 Å), for in a scan from far away a shapeless cloud has almost the image of a molecule. What is left of
    the normalized slices, :math:`d = n - r\, n_\mathrm{simulated}`, is smoothed by a Gaussian of 0.5 Å;
    where its root mean square over the slices, less that of the noise, is more than 0.4 of the contrast
    :math:`\sqrt{\langle n^4 \rangle / \langle n^2 \rangle}`, and that over more than 2 Å², something is
    missing, too much or wrong. The contrast weighs each pixel by its signal: an empty margin changes nothing.

    An image hardly tells elements: those of a probability below 0.9 are named doubtful, and all of a
    structure without probabilities. How often what is explained is right:
    ``python -m benchmarks.prediction_scans.verdict``.

    Args:
        graph: the structure, with ``confidence`` and ``class_probabilities``, calibrated, where they are
            known.
        context: its atoms below the surface cut.
        simulated: stack of all of them, with the tip that was fitted.
        stack: the scan; ``measured`` in its ``meta`` is how many slices were measured, where those of the
            stack are interpolated.
        min_pearson: see :class:`torch_afm.metrics.Calibration`.
        margin: evidence of this structure less that of the next answer that is unlike it, in nats
            (:func:`torch_afm.metrics.evidence.log_likelihood`); ``None`` where no other was tried.

    Shapes:
        simulated ``[1, 1, Z, Y, X]``, confidence ``[N]``, class_probabilities ``[N, K]``.

    Raises:
        InputError: for a simulated stack of another shape, and a scan with more than one channel.
    """
    if len(stack.stack) != 1:
        raise InputError(f"stack: expected one channel, got {len(stack.stack)}")
    check_shape("simulated", simulated, (1, *stack.stack.shape))
    scan, image = (s.astype(np.float64) for s in (stack.stack[0], simulated[0, 0].cpu().numpy()))
    noise = noise_floor(scan)
    scores = agreement(image, scan)
    pearson = np.array(scores["pearson"])
    without_noise = _attenuated(pearson, noise)
    curved, curved_image = (_curvature(part, _SHARP, stack) for part in (scan, image))
    rough = np.maximum(noise_share(curved), _curved_noise(scan, curved, noise, stack))
    curvature = _attenuated(np.array(agreement(curved_image, curved)["pearson"]), rough)
    spread = np.maximum(image.std(axis=(1, 2)), np.finfo(float).tiny)
    details = float((_curvature(image, _FINE, stack).std(axis=(1, 2)) / spread).max())
    whole = AFMData(
        z=torch.cat([graph.z, context.z]).cpu(), pos=torch.cat([graph.pos, context.pos]).detach().cpu()
    )
    against = [] if len(graph.z) else ["no atom was found"]
    if noise.mean() <= _NOISE:
        if without_noise < min_pearson:
            against.append(
                "its image is not near enough to the scan: without noise r would be "
                f"{without_noise:.3f}, where {min_pearson:.2f} is asked"
            )
        if curvature < _CURVATURE:
            against.append(
                "its image does not have the details of the scan: the curvature of both has r "
                f"{curvature:.3f}, where {_CURVATURE:.2f} is asked"
            )
        normal, found = (normalize_slices(torch.from_numpy(s)).numpy() for s in (scan, image))
        left = normal - pearson[:, None, None] * found
        against += _patches(left, normal, noise, stack, whole.pos)
    against += [*_outside(graph, stack), *list_faults(whole, len(graph.z), _window(stack))]
    if margin is not None and margin <= -_MARGIN:
        against.append(f"another structure explains the scan better, by {-margin:.0f} nats")
    open_ = [*_not_measured(stack, noise, details, margin), *_unlikely(graph)]
    status: Status = "not explained" if against else "not enough measured" if open_ else "explained"
    doubtful, elements = _doubtful(graph)
    return Verdict(
        status=status,
        reasons=(*against, *open_),
        scores=scores if stack.unit == "Hz" else {"pearson": scores["pearson"]},
        without_noise=without_noise,
        curvature=curvature,
        noise=float(noise.mean()),
        details=details,
        min_pearson=min_pearson,
        margin=margin,
        doubtful=doubtful,
        doubtful_elements=elements,
    )


def _not_measured(stack: AFMStack, noise: np.ndarray, details: float, margin: float | None) -> list[str]:
    """What the scan lacks to tell one structure from another."""
    measured = int(stack.meta.get("measured", len(stack.z)))
    reasons = []
    if measured < _SLICES:
        slices = "1 slice was" if measured == 1 else f"{measured} slices were"
        reasons.append(f"{slices} measured, where {_SLICES} tell one structure from another")
    if noise.mean() > _NOISE:
        reasons.append(f"{100 * noise.mean():.0f} % of the contrast of the scan is noise")
    if details < _DETAILS:
        reasons.append(
            f"the tip was too far to show atoms: {100 * details:.0f} % of the contrast are details, where "
            f"{100 * _DETAILS:.0f} % are asked"
        )
    if margin is not None and abs(margin) < _MARGIN:
        reasons.append(
            f"another structure explains the scan about as well, within {_MARGIN:.0f} nats: this one by "
            f"{margin:+.1f} nats better"
        )
    return reasons


def _unlikely(graph: AFMData) -> list[str]:
    """Whether most atoms are not likely to be there."""
    n = len(graph.z)
    unlikely = int((graph.confidence < _LIKELY).sum()) if "confidence" in graph else 0
    if 2 * unlikely <= n:
        return []
    return [f"{unlikely} of {n} atoms are more likely not there than there"]


def _doubtful(graph: AFMData) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Atoms that may not be there, and atoms that may be of another element."""
    n = len(graph.z)
    atoms = graph.confidence < _DOUBTFUL if "confidence" in graph else torch.zeros(n, dtype=torch.bool)
    if "class_probabilities" in graph:
        elements = (graph.class_probabilities < _DOUBTFUL).all(dim=1)
    else:
        elements = torch.ones(n, dtype=torch.bool)
    both = (tuple(part.nonzero().flatten().tolist()) for part in (atoms, elements))
    return next(both), next(both)


def _attenuated(scores: np.ndarray, noise: np.ndarray) -> float:
    """r of each slice, put right for noise, as one."""
    limit = np.sqrt(1 - noise)
    return min(1.0, float((limit * scores).sum() / max((limit**2).sum(), 1e-12)))


def _window(stack: AFMStack) -> tuple[tuple[float, float], tuple[float, float]]:
    """What was scanned, ((x0, x1), (y0, y1)) in Å."""
    (x0, x1), (y0, y1) = ((float(axis[0]), float(axis[-1])) for axis in (stack.x, stack.y))
    return (x0, x1), (y0, y1)


def _curvature(images: np.ndarray, width: float, stack: AFMStack) -> np.ndarray:
    """Laplacian of Gaussians of a width in Å, times its square, of each slice."""
    wide = [width / p for p in _pixel(stack)]
    scale = wide[0] * wide[1]
    return scale * np.stack([ndimage.gaussian_laplace(image, wide) for image in images])


def _curved_noise(scan: np.ndarray, curved: np.ndarray, noise: np.ndarray, stack: AFMStack) -> np.ndarray:
    """Share of the variance of the curvature of each slice that noise has, were it all white."""
    point = np.zeros((1, 81, 81))
    point[0, 40, 40] = 1.0
    power = (_curvature(point, _SHARP, stack) ** 2).sum()
    variance = noise * scan.var(axis=(1, 2))
    return np.clip(power * variance / np.maximum(curved.var(axis=(1, 2)), np.finfo(float).tiny), 0.0, 0.99)


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


def _outside(graph: AFMData, stack: AFMStack) -> list[str]:
    """Atoms where nothing was measured."""
    flat = graph.pos[:, :2].detach().cpu()
    low, high = (flat.new_tensor([axis[end] for axis in (stack.x, stack.y)]) for end in (0, -1))
    outside = int(((flat < low - _OUTSIDE) | (flat > high + _OUTSIDE)).any(dim=1).sum())
    return [f"{outside} of {len(flat)} atoms lie outside the scan"] if outside else []
