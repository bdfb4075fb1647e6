"""Drift of a stack: one smooth motion of the sample in time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from torch_afm.io.scans.corrections import flatten_plane
from torch_afm.io.scans.crop import crop_pixels
from torch_afm.io.scans.repeats import repeated_heights
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.io.scans.shifts import find_period, measure_shift, move_image
from torch_afm.utils import InputError, check_finite

#: Pixels that an aligned stack must keep along x and y.
_MIN_PIXELS = 8

#: Standard errors that contrast moves neighboring slices by, all to one side: 1.4, root mean square, in
#: simulated stacks of 24 molecules. So errors of the velocity are what they are said to be
#: (``python -m benchmarks.prediction_scans.drift``).
_BIAS = 1.5

#: Standard errors that drift must be larger than.
_SIGNIFICANT = 3.0

#: Rounds of weighting pairs; standard errors that a pair may be off before it counts less (Huber).
_ROUNDS, _HUBER = 30, 1.345

#: Condition of the normal equations from which on they tell nothing.
_MAX_CONDITION = 1e10

#: Pairs of images at one height from which on an acceleration may be fitted.
_MIN_PAIRS = 6


@dataclass(frozen=True, eq=False)
class Drift:
    """How the sample moves under the tip.

    Args:
        shifts: how far each slice lies from the nearest one, in Å along x and y.
        velocity: mean over the stack, along x and y, in ``unit``.
        error: standard error of either component, in ``unit``.
        unit: ``"Å/s"``, or ``"Å/slice"`` where nobody knows the times.
        pairs: pairs of slices that it was estimated from.
        same_height: whether these were images of one height, which no change of contrast moves.
        accelerated: whether a constant acceleration was fitted, too.
        period: a lattice vector in Å along x and y where the image is periodic, and the motion between two
            slices known only up to it.
        leap: by how many Å a pair of slices departs from the smooth motion, at most.
        pixel: the larger side of a pixel in Å.
    """

    shifts: np.ndarray
    velocity: tuple[float, float]
    error: float
    unit: str
    pairs: int
    same_height: bool
    accelerated: bool
    period: tuple[float, float] | None
    leap: float
    pixel: float

    @property
    def largest(self) -> float:
        """Largest distance of a slice from the nearest in Å."""
        return float(np.linalg.norm(self.shifts, axis=1).max())

    @property
    def significant(self) -> bool:
        """Whether the velocity is larger than three standard errors, and a slice more than a pixel off."""
        sure = np.linalg.norm(self.velocity) > _SIGNIFICANT * self.error
        return bool(sure and self.largest > self.pixel)

    def keep_slices(self, kept: np.ndarray) -> Drift:
        """The drift of some of the slices: shifts count from the nearest of them.

        Shapes:
            kept ``[Z]`` bool.
        """
        shifts = self.shifts[kept]
        return dataclasses.replace(self, shifts=shifts - shifts[-1])

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for ``meta``."""
        return {
            "velocity": list(self.velocity),
            "error": self.error,
            "unit": self.unit,
            "pairs": self.pairs,
            "same_height": self.same_height,
            "accelerated": self.accelerated,
            "period": None if self.period is None else list(self.period),
        }

    def describe(self) -> str:
        """The motion in words."""
        scale, unit = (60, "Å/min") if self.unit == "Å/s" else (1, "Å from slice to slice")
        x, y = (scale * v for v in self.velocity)
        pairs = "images of one height" if self.same_height else "neighboring slices"
        even = ", taken as evenly spaced in time" if self.unit != "Å/s" else ""
        return (
            f"the sample moves by {x:+.3f}, {y:+.3f} ± {scale * self.error:.3f} {unit} (x, y), the slices "
            f"lie up to {self.largest:.2f} Å from the nearest, by {self.pairs} "
            f"{'pair' if self.pairs == 1 else 'pairs'} of {pairs}{even}"
        )


@dataclass(frozen=True)
class _Pair:
    """Slice ``second`` lies ``shift`` pixels (y, x) from slice ``first``, which was taken earlier; ``nearer``
    is 1 where its height is lower, -1 where it is higher, 0 where it is the same."""

    first: int
    second: int
    nearer: int
    shift: np.ndarray
    error: float


def estimate_drift(stack: ScanStack) -> Drift:
    r"""How the sample moves while a stack is taken: :math:`d(t) = v t`, and :math:`\frac{1}{2} a t^2` where
    the data call for it.

    From slice to slice contrast moves, too, where it changes with height. So pairs of images at one height,
    as a series down and up again has them, count alone where they tell the drift over the stack to within a
    pixel (one standard error). Else slices that follow each other in time count, too, of which the shift
    (:func:`torch_afm.io.scans.shifts.measure_shift`) :math:`s_i`, its standard error :math:`\sigma_i` and the
    time between them :math:`\Delta t_i` give

    .. math:: \min_{v, b} \sum_i \rho\left(\frac{s_i - v \Delta t_i}{\sigma_i} \mp b\right)
        + \frac{|b|^2}{\beta^2}

    with Huber's :math:`\rho`. The bias :math:`b` is what contrast adds: it moves all slices to the same side,
    the more, the more their shape changes, and that is what :math:`\sigma_i` measures; its sign is that of
    the change of height, :math:`\beta = 1.5`. The standard error of :math:`v` is that of the weighted fit,
    times the scatter where that is larger. Pairs of one height have no :math:`b`. An acceleration is fitted
    to six of them or more, where Akaike's criterion, corrected for their number, is lower with it.

    Images of a lattice fit onto each other one lattice vector farther, too. Where the nearest image is
    periodic, each shift is the one next to what pairs with less time between them predict, at first zero; and
    as contrast of a lattice moves alike everywhere, and may by half a lattice vector, that much over the
    stack is added to the error of what does not rest on images of one height.

    Args:
        stack: at least 8 x 8 pixels; ``times`` in its ``meta`` are those of the middle of each slice in s.
            Without them slices are taken as evenly spaced in time, in the order of their files (``order``).

    Raises:
        InputError: for NaN in the stack, a single slice, too few pixels, slices of one height without times,
            or all of one time, and slices that have nothing in common (:func:`measure_shift`).
    """
    check_finite("values", stack.values)
    ny, nx = stack.values.shape[1:]
    if min(ny, nx) < _MIN_PIXELS:
        raise InputError(
            f"values: expected at least {_MIN_PIXELS} x {_MIN_PIXELS} pixels to align, got {nx} x {ny}"
        )
    times, heights = _times(stack), repeated_heights(stack.heights)
    images = flatten_plane(stack).values
    period = find_period(images[-1])
    span, last = float(np.ptp(times)), times - times[-1]
    pixel = np.array(stack.pixel_size[::-1])
    pairs = _measure(images, times, heights, _same_height(times, heights), period is not None)
    alone = bool(pairs) and _fit(pairs, last)[1] * span < 1
    if not alone:
        order = np.argsort(times, kind="stable")
        neighbors = [(a, b) for a, b in pairwise(order) if heights[a] != heights[b]]
        pairs += _measure(images, times, heights, neighbors, period is not None)
    if not pairs:
        raise InputError("values: expected slices that show the same, got ones that match nowhere")
    motion, error, score = _fit(pairs, last)
    if alone and len(pairs) >= _MIN_PAIRS:
        bent, bent_error, bent_score = _fit(pairs, last, 2)
        if bent_score < score and bent_error * span < 1:
            motion, error = bent, bent_error
    if period is not None and not alone:
        error = float(np.hypot(error, np.linalg.norm(period) / 2 / span))
    shifts = np.stack([last ** (k + 1) for k in range(len(motion))], axis=1) @ motion
    off = [(p.shift - (shifts[p.second] - shifts[p.first])) * pixel for p in pairs]
    early, late = shifts[np.argmin(times)], shifts[np.argmax(times)]
    velocity = (late - early) * pixel / span
    return Drift(
        shifts=(shifts * pixel)[:, ::-1],
        velocity=(float(velocity[1]), float(velocity[0])),
        error=error * float(pixel.mean()),
        unit="Å/s" if "times" in stack.meta else "Å/slice",
        pairs=len(pairs),
        same_height=alone,
        accelerated=len(motion) > 1,
        period=None if period is None else (float(period[1] * pixel[1]), float(period[0] * pixel[0])),
        leap=float(np.linalg.norm(off, axis=1).max()),
        pixel=float(pixel.max()),
    )


def align_slices(stack: ScanStack, drift: Drift) -> ScanStack:
    """Shift each slice back by its drift, so that the nearest stays where it is, and crop to what all slices
    show. ``drift_pixels`` in the ``meta`` of the result are the shifts along y and x, ``drift`` is
    :meth:`Drift.to_dict`.

    Args:
        stack: the slices.
        drift: as of :func:`estimate_drift`.

    Raises:
        InputError: for NaN in the stack, and slices that share less than 8 x 8 pixels.
    """
    check_finite("values", stack.values)
    pixel = np.array(stack.pixel_size[::-1])
    shifts = drift.shifts[:, ::-1] / np.where(pixel > 0, pixel, 1)
    shape = stack.values.shape[1:]
    before = np.ceil(np.maximum(-shifts, 0).max(axis=0)).astype(int)
    after = np.ceil(np.maximum(shifts, 0).max(axis=0)).astype(int)
    left = np.array(shape) - before - after
    if left.min() < _MIN_PIXELS:
        raise InputError(
            f"values: expected slices that share {_MIN_PIXELS} x {_MIN_PIXELS} pixels, got drifts up to "
            f"{np.abs(shifts).max():.1f} pixels of {shape[1]} x {shape[0]}"
        )
    moved = np.stack([move_image(image, shift) for image, shift in zip(stack.values, shifts, strict=True)])
    rows, columns = (slice(b, b + n) for b, n in zip(before, left, strict=True))
    meta = stack.meta | {"drift_pixels": shifts.tolist(), "drift": drift.to_dict()}
    return crop_pixels(stack.replace(values=moved, meta=meta), columns, rows)


def _times(stack: ScanStack) -> np.ndarray:
    n = len(stack.values)
    if n < 2:
        raise InputError("values: expected two slices or more, got one")
    times = np.asarray(stack.meta.get("times", stack.meta.get("order", np.arange(n))), dtype=float)
    if not {"times", "order"} & stack.meta.keys() and len(np.unique(repeated_heights(stack.heights))) < n:
        raise InputError("heights: expected to know which of the slices of one height was taken first")
    if np.ptp(times) == 0:
        raise InputError("times: expected slices taken one after another, got all at once")
    return times


def _same_height(times: np.ndarray, heights: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of slices at one height: those that follow each other, and each with the first."""
    found: list[tuple[int, int]] = []
    for height in np.unique(heights):
        members = np.flatnonzero(heights == height)
        members = members[np.argsort(times[members], kind="stable")]
        found += pairwise(members)
        found += [(members[0], b) for b in members[2:]]
    return [(a, b) for a, b in found if times[b] > times[a]]


def _measure(
    images: np.ndarray,
    times: np.ndarray,
    heights: np.ndarray,
    which: list[tuple[int, int]],
    periodic: bool,
) -> list[_Pair]:
    """The pairs that match, those with the least time between them first; of a periodic image each shift is
    the one next to what those before it predict."""
    found: list[_Pair] = []
    for a, b in sorted(which, key=lambda pair: times[pair[1]] - times[pair[0]]):
        start = None
        if periodic:
            start = np.zeros(2) if not found else _fit(found, times)[0][0] * (times[b] - times[a])
        nearer = int(np.sign(heights[b] - heights[a]))
        try:
            shift = measure_shift(images[a], images[b], start, tilt=nearer == 0)
        except InputError:
            continue
        found.append(_Pair(a, b, nearer, shift.pixels, shift.error))
    return found


def _fit(pairs: list[_Pair], times: np.ndarray, degree: int = 1) -> tuple[np.ndarray, float, float]:
    """Coefficients of the powers of time in pixels (y, x), the standard error of the mean velocity, and
    Akaike's criterion."""
    shifts, errors = np.stack([p.shift for p in pairs]), np.array([p.error for p in pairs])
    first, second = (times[[getattr(p, end) for p in pairs]] for end in ("first", "second"))
    span, n = float(np.ptp(times)), len(pairs)
    # Powers of the time in units of that of the stack.
    powers = [((second / span) ** k - (first / span) ** k) / errors for k in range(1, degree + 1)]
    rows = np.stack([*powers, np.array([float(p.nearer) for p in pairs])], axis=1)
    rows = np.vstack([rows, np.eye(degree + 1)[-1:] / _BIAS])
    values = np.vstack([shifts / errors[:, None], np.zeros((1, 2))])
    weight = np.ones(n + 1)
    for _ in range(_ROUNDS):
        root = np.sqrt(weight)[:, None]
        found = np.linalg.lstsq(rows * root, values * root, rcond=None)[0]
        off = np.linalg.norm((values - rows @ found)[:-1], axis=1) / np.sqrt(2)
        weight[:-1] = np.minimum(1.0, _HUBER / np.maximum(off, _HUBER))
    normal = (rows * weight[:, None]).T @ rows
    # Images of a series down and up again, always one turn apart, do not tell an acceleration.
    if np.linalg.cond(normal) > _MAX_CONDITION:
        return found[:degree], np.inf, np.inf
    variance = np.linalg.inv(normal)
    # The mean velocity is the difference between the ends.
    ends = [float((times.max() / span) ** k - (times.min() / span) ** k) for k in range(1, degree + 1)]
    along = np.array([*ends, 0.0])
    chi2 = float((weight[:-1] * off**2).sum())
    scatter = np.sqrt(chi2 / max(n - degree, 1))
    error = float(np.sqrt(along @ variance @ along) * max(1.0, scatter)) / span
    count, k = 2 * n, 2 * degree + 1
    score = count * np.log(max(chi2, 1e-12) / n) + 2 * k + 2 * k * (k + 1) / max(count - k - 1, 1e-12)
    return found[:degree] / span ** np.arange(1, degree + 1)[:, None], error, float(score)
