"""From a scan as it was read to images on a model's pixels and heights, each step told."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from torch_afm.config import Scan
from torch_afm.io.scans.align_slices import align_slices
from torch_afm.io.scans.crop import crop
from torch_afm.io.scans.crop_finished import crop_finished
from torch_afm.io.scans.flatten_lines import flatten_lines
from torch_afm.io.scans.flatten_plane import flatten_plane
from torch_afm.io.scans.reverse import reverse
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.utils import InputError

#: Least share of the model's range of heights that a scan must span; below 1 its steps are made smaller.
_LEAST_RANGE = 0.5

#: Å: drift up to this is left where it is, unless asked otherwise. Contrast changes with height, and so
#: slices of simulated stacks without drift seem to have moved by 0.6 Å in the mean and 1.3 Å at most
#: (``python -m benchmarks.prediction_scans.preparation --molecules 15``).
_APPARENT_DRIFT = 2.0

#: Pixels of the model's size along x and y that a scan must have.
_LEAST_PIXELS = 16

#: A slice with less contrast than this share of the largest value shows nothing.
_FLAT = 1e-6


@dataclass(frozen=True)
class ScanPreparation:
    """What is done to a scan before a model sees it.

    Args:
        reverse: heights count the other way, see :func:`reverse`.
        window: part of the scan that is used, ``((x0, x1), (y0, y1))`` in Å of the scan frame; ``None`` for
            all of it.
        center: use one window of the model's size around this place, in Å of the scan frame.
        flatten: ``"plane"`` (:func:`flatten_plane`), ``"lines"`` (:func:`flatten_lines`) or ``"none"``.
        align: take out the drift between slices (:func:`align_slices`): ``"always"``, ``"never"``, or with
            ``"auto"`` where it is more than 2 Å, for less may be nothing but the change of contrast with
            height.
        top: height in Å, as the file's heights, of the farthest slice that is used; ``None`` for the one
            that makes the nearest slice of the scan the nearest of the model.
        amplitude: peak-to-peak oscillation amplitude in Å; that of the model where ``None``.
    """

    reverse: bool = False
    window: tuple[tuple[float, float], tuple[float, float]] | None = None
    center: tuple[float, float] | None = None
    flatten: str = "plane"
    align: str = "auto"
    top: float | None = None
    amplitude: float | None = None

    def __post_init__(self) -> None:
        if self.flatten not in ("plane", "lines", "none"):
            raise InputError(f"flatten: expected 'plane', 'lines' or 'none', got {self.flatten!r}")
        if self.align not in ("auto", "always", "never"):
            raise InputError(f"align: expected 'auto', 'always' or 'never', got {self.align!r}")
        if self.window is not None and self.center is not None:
            raise InputError("window, center: expected one of them, got both")
        if self.amplitude is not None and not 0 < self.amplitude < math.inf:
            raise InputError(f"amplitude: expected a positive number of Å, got {self.amplitude}")


@dataclass(frozen=True)
class PreparedScan:
    """A scan on a model's pixels and heights.

    Args:
        raw: the scan as it was read.
        stack: the images, in the scan frame.
        scan: what a renderer needs to image all of it: the window and pixels of ``stack``, with the heights
            and oscillation of the model.
        steps: what was done, with its numbers: name and text.
        warnings: what may be wrong with it.
    """

    raw: ScanStack
    stack: ScanStack
    scan: Scan
    steps: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def prepare_scan(stack: ScanStack, model: Scan, settings: ScanPreparation | None = None) -> PreparedScan:
    """Bring a scan onto the pixels and heights that a model was made for: order of the slices, unfinished
    lines, window, tilt, drift, pixels, heights. Nothing is extrapolated.

    A scan that spans less than the model's heights, but at least half of that, gets smaller steps of height,
    and a warning; one that spans more is used as far as its nearest slice, or from ``settings.top`` on.

    Args:
        stack: the scan.
        model: the scan that the model was made for.
        settings: what is done.

    Raises:
        InputError: for a scan that is too small, spans too few heights, or shows nothing.
    """
    settings = settings or ScanPreparation()
    raw, steps, warnings = stack, [("read", _read(stack))], []
    if settings.reverse:
        stack = reverse(stack)
        steps.append(("order", "heights counted the other way: the slices are in reverse order"))
    if not np.isfinite(stack.values).all():
        lines = stack.values.shape[1]
        stack = crop_finished(stack)
        warnings.append(f"{lines - stack.values.shape[1]} of {lines} lines were left out as not finished")
        steps.append(("unfinished", warnings[-1]))
    if settings.window is not None:
        stack = crop(stack, settings.window)
        steps.append(("window", f"cut to {_window(stack)}"))
    _check_contrast(stack)
    stack = _flatten(stack, settings.flatten, steps)
    if settings.align != "never" and len(stack.values) > 1:
        stack = _align(stack, settings.align == "always", steps, warnings)
    scan, heights = _heights(stack, model, settings, warnings)
    stack = _onto_pixels(stack, scan, heights, settings.center)
    scan = dataclasses.replace(scan, window=stack.window, pixels=stack.values.shape[:0:-1])
    (px, py), n = stack.pixel, len(raw.values)
    steps.append(
        ("pixels", f"{scan.pixels[0]} x {scan.pixels[1]} of {px:.3f} x {py:.3f} Å over {_window(stack)}")
    )
    steps.append(
        (
            "heights",
            f"{scan.n_slices} slices in steps of {scan.dz:.3f} Å, from {heights[0]:.2f} to "
            f"{heights[-1]:.2f} Å, interpolated from the {n} measured; oscillation amplitude "
            f"{scan.amplitude:.2f} Å peak to peak",
        )
    )
    contrast = stack.values.std(axis=(1, 2))
    if contrast[-1] < contrast[0] and stack.unit == "Hz":
        warnings.append(
            f"the nearest slice shows less contrast than the farthest ({contrast[-1]:.3g} against "
            f"{contrast[0]:.3g} Hz): the order of the slices may be the reverse"
        )
    return PreparedScan(raw, stack, scan, tuple(steps), tuple(warnings))


def _read(stack: ScanStack) -> str:
    n, ny, nx = stack.values.shape
    px, py = stack.pixel
    low, high = np.nanmin(stack.values), np.nanmax(stack.values)
    return (
        f"{n} slices of {nx} x {ny} pixels ({px:.3f} x {py:.3f} Å), channel {stack.channel}, "
        f"{stack.direction}, {low:.4g} to {high:.4g} {stack.unit}; heights {stack.heights[0]:.2f} to "
        f"{stack.heights[-1]:.2f} Å, far to near"
    )


def _window(stack: ScanStack) -> str:
    (x0, x1), (y0, y1) = stack.window
    return f"x {x0:.2f} to {x1:.2f} Å, y {y0:.2f} to {y1:.2f} Å"


def _check_contrast(stack: ScanStack) -> None:
    contrast = np.ptp(stack.values, axis=(1, 2))
    flat = contrast <= _FLAT * np.abs(stack.values).max(axis=(1, 2))
    if flat.any():
        where = ", ".join(f"{z:g}" for z in stack.heights[flat][:5])
        raise InputError(
            f"values: expected images with contrast, got {int(flat.sum())} without (heights {where} Å)"
        )


def _flatten(stack: ScanStack, how: str, steps: list[tuple[str, str]]) -> ScanStack:
    if how == "none":
        return stack
    flat = (flatten_plane if how == "plane" else flatten_lines)(stack)
    removed = stack.values - flat.values
    if how == "plane":
        text = ", ".join(f"{v:.3g}" for v in np.ptp(removed, axis=(1, 2)))
        steps.append(("plane", f"a plane taken out of each slice, corner to corner {text} {stack.unit}"))
    else:
        text = f"{removed.std():.3g} {stack.unit}"
        steps.append(("lines", f"the median of each line taken out, standard deviation {text}"))
    return flat


def _align(stack: ScanStack, always: bool, steps: list[tuple[str, str]], warnings: list[str]) -> ScanStack:
    try:
        aligned, shifts = align_slices(stack)
    except InputError as error:
        warnings.append(f"drift between the slices could not be found, none was taken out ({error})")
        return stack
    drift = shifts[:, ::-1] * np.array(stack.pixel)
    most = float(np.linalg.norm(drift, axis=1).max())
    moved = always or most > _APPARENT_DRIFT
    steps.append(
        (
            "drift",
            f"the farthest slice seems to lie {drift[0, 0]:+.2f}, {drift[0, 1]:+.2f} Å (x, y) off the "
            f"nearest, {most:.2f} Å at most: "
            + (f"moved back, and cut to {_window(aligned)}" if moved else "left where it is"),
        )
    )
    return aligned if moved else stack


def _heights(
    stack: ScanStack, model: Scan, settings: ScanPreparation, warnings: list[str]
) -> tuple[Scan, np.ndarray]:
    """The model's heights within those of the scan, and the scan with the step between them."""
    reach = model.dz * (model.n_slices - 1)
    first, last = float(stack.heights[0]), float(stack.heights[-1])
    start = max(last + reach, last) if settings.top is None else settings.top
    if settings.top is None and first < start:
        start = first
    span = min(reach, start - last)
    if start > first + 1e-3 or span < _LEAST_RANGE * reach - 1e-3 or (span <= 0 and model.n_slices > 1):
        raise InputError(
            f"heights: expected {reach:.2f} Å, or at least {_LEAST_RANGE * reach:.2f} Å, of slices below "
            f"{start:.2f} Å, got {first:.2f} to {last:.2f} Å"
        )
    dz = span / (model.n_slices - 1) if model.n_slices > 1 else model.dz
    if dz < model.dz * (1 - 1e-3):
        warnings.append(
            f"the scan spans {span:.2f} Å of height where the model expects {reach:.2f} Å: its slices are "
            f"{dz:.3f} instead of {model.dz:.3f} Å apart"
        )
    measured = -np.diff(stack.heights).min() if len(stack.heights) > 1 else 0.0
    if measured > 2.5 * dz:
        warnings.append(
            f"the measured slices are {measured:.2f} Å apart; what lies between them is interpolated"
        )
    amplitude = model.amplitude if settings.amplitude is None else settings.amplitude
    scan = dataclasses.replace(model, dz=dz, n_oscillation=max(2, round(amplitude / dz)))
    return scan, start - dz * np.arange(model.n_slices)


def _onto_pixels(
    stack: ScanStack, scan: Scan, heights: np.ndarray, center: tuple[float, float] | None
) -> ScanStack:
    axes = []
    for k, name in enumerate("xy"):
        (w0, w1), n = scan.window[k], scan.pixels[k]
        pitch = (w1 - w0) / (n - 1)
        low, high = stack.window[k]
        # A pixel stands for its whole area, but is asked for its edge only where the model's size needs it.
        inside, extent = high - low, high - low + stack.pixel[k]
        count = math.floor(inside / pitch + 1e-6) + 1
        if center is not None or (count < n and extent / pitch + 1e-6 >= n - 1):
            count = n
        if count < _LEAST_PIXELS:
            raise InputError(
                f"scan: expected at least {_LEAST_PIXELS * pitch:.1f} Å in {name}, got {extent:.2f} Å"
            )
        middle = (low + high) / 2 if center is None else center[k]
        axes.append(middle + pitch * (np.arange(count) - (count - 1) / 2))
    return stack.resample(axes[0], axes[1], heights)
