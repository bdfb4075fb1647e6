"""From a scan as it was read to images on a model's pixels and heights, each step recorded."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from torch_afm.config import Scan
from torch_afm.config.prediction import ScanPreparation
from torch_afm.io.oscillation import choose_oscillation
from torch_afm.io.scans.leveling import describe_window, level_scan
from torch_afm.io.scans.model_grid import (
    MIN_RANGE,
    choose_heights,
    nearest_slices,
    network_slots,
    resample_to_pixels,
)
from torch_afm.io.scans.scan_block import plain_name, unit_factor
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.io.scans.sharpness import compare_sharpness
from torch_afm.utils import InputError

#: Values of a scan on the model's pixels and heights at most: ten slices of 32 x 32 nm at 0.25 Å.
MAX_GRID_VALUES = 2**24

#: Å from the origin: what lies farther is moved there, for float32 keeps 3e-4 Å at this distance.
_MAX_DISTANCE = 4000.0

#: Å a pixel: coarser ones than the distance of two carbon atoms show no molecule.
_MAX_PIXEL = 1.4

#: Standard errors of the sharpness below which the near end counts as the blurred one: so are no simulated
#: stacks in gray values, and seven or eight in ten of those in reverse order
#: (``python -m benchmarks.prediction_scans.order``).
BLURRED = -2.0

#: Channels that hold heights, whatever their unit.
_HEIGHTS = ("z", "topography", "topo", "height")

#: What is this much brighter than its margin than it is darker is bright.
_BRIGHT = 2.0

#: Files that are listed by their names at most.
_LISTED = 40


@dataclass(frozen=True)
class PreparedScan:
    """A scan on a model's pixels and heights.

    Args:
        raw: the scan as it was read.
        measured: heights of the slices that were measured, in Å as those of ``stack``, decreasing.
        stack: the images, in the scan frame; ``meta["leveled"]`` where the plane of each slice was taken out,
            so that images of structures are compared without theirs; where that reaches farther than 4000 Å
            from its origin, counted from ``meta["origin"]``.
        scan: what a renderer needs to image all of it: the window and pixels of ``stack``, with the heights
            and oscillation of the model.
        steps: what was done, with its numbers: name and text.
        warnings: what may be wrong with it.
        amplitude: of the oscillation, peak to peak in Å, as it was given or the header tells; 0 where nobody
            does.
    """

    raw: ScanStack
    measured: np.ndarray
    stack: ScanStack
    scan: Scan
    steps: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    amplitude: float = 0.0


def prepare_scan(
    stack: ScanStack, model: Scan, settings: ScanPreparation | None = None, whole: bool = False
) -> PreparedScan:
    """Bring a scan onto the pixels and heights that a model was made for: unfinished lines, window, tilt,
    drift, repeats, pixels, heights. Nothing is extrapolated.

    A scan that spans less than the model's heights, but at least half of that, gets smaller steps of height,
    and a warning; one that spans more is used as far as its nearest slice, or from ``settings.top`` on. The
    oscillation is that of the header.

    Args:
        stack: the scan.
        model: the scan that the model was made for.
        settings: what is done.
        whole: whether the model takes a scan of any size and of any number of slices; then these are as many
            as were measured, in its steps of height, from the nearest on.

    Raises:
        InputError: for a scan that is too small or too large, whose pixels are too coarse, that spans too
            few heights, is none of Δf, or shows nothing.
    """
    settings = settings or ScanPreparation()
    _check(stack, model, whole)
    _check_size(stack, model, settings)
    steps, warnings = [("read", _read(stack))], [str(w) for w in stack.meta.get("warnings", [])]
    if files := stack.meta.get("files"):
        steps.append(("files", _list_files(stack, files)))
    steps += [("skipped", f"{name}: {reason}") for name, reason in stack.meta.get("skipped", [])]
    flat = level_scan(stack, settings, steps, warnings)
    if whole:
        used = nearest_slices(flat, model, settings.top, warnings)
        dz, heights = model.dz, used.heights
    else:
        used = flat
        dz, heights = choose_heights(flat, model, settings.top, warnings)
    scan, oscillation, cautions = choose_oscillation(stack.meta, model, dz, settings.amplitude)
    steps.append(("oscillation", oscillation))
    warnings += cautions
    found = _near_origin(resample_to_pixels(used, scan, heights, settings.center, warnings, whole), steps)
    if whole:
        found = network_slots(found, model)
    n_slices, *pixels = found.values.shape
    scan = dataclasses.replace(scan, window=found.window, pixels=tuple(pixels[::-1]), n_slices=n_slices)
    found = found.replace(meta=found.meta | {"amplitude": scan.amplitude, "f0": scan.f0, "k": scan.k})
    (px, py), n = found.pixel_size, len(stack.values)
    steps.append(
        (
            "pixels",
            f"{scan.pixels[0]} x {scan.pixels[1]} of {px:.3f} x {py:.3f} Å over {describe_window(found)}",
        )
    )
    heights_text = f"1 slice, at {found.heights[-1]:.2f} Å"
    if scan.n_slices > 1:
        heights_text = (
            f"{scan.n_slices} slices in steps of {scan.dz:.3f} Å, from {found.heights[0]:.2f} to "
            f"{found.heights[-1]:.2f} Å, interpolated from the {n} measured"
        )
    steps.append(("heights", heights_text))
    warnings += _order_doubts(stack if np.isfinite(stack.values).all() else flat, found)
    if _bright(found.values[0]):
        warnings.append(
            "the farthest slice is brighter in places than its margin, though attraction lowers Δf: "
            "the sign may be turned (give scale -1), or the order the reverse, or even this slice too near"
        )
    amplitude = scan.amplitude if settings.amplitude or stack.amplitude else 0.0
    return PreparedScan(stack, flat.heights, found, scan, tuple(steps), tuple(warnings), amplitude)


def _order_doubts(measured: ScanStack, found: ScanStack) -> list[str]:
    """What speaks against the order of the slices: of Δf in Hz, which grows towards the surface, the
    contrast; of other units, of which each slice may be stretched, the sharpness."""
    if found.unit == "Hz":
        contrast = found.values.std(axis=(1, 2))
        if contrast[-1] >= contrast[0]:
            return []
        return [
            f"the nearest slice shows less contrast than the farthest ({contrast[-1]:.3g} against "
            f"{contrast[0]:.3g} Hz): the order of the slices may be the reverse"
        ]
    if len(measured.heights) < 2 or compare_sharpness(measured).margin >= BLURRED:
        return []
    return [
        "the nearest slice is more blurred than the farthest: the order of the slices may be the reverse; "
        "reverse try compares both"
    ]


def _bright(image: np.ndarray) -> bool:
    """Whether an image exceeds the median of its edge by much more than it falls below that."""
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    low, high = np.percentile(image, (1, 99)) - np.median(edge)
    return bool(high > _BRIGHT * max(-low, 0.0) and high > 0)


def _check(stack: ScanStack, model: Scan, whole: bool) -> None:
    """Raise :class:`InputError` for what is no stack of images of Δf."""
    n, ny, nx = stack.values.shape
    needed = (
        f"the model looks at {model.n_slices} heights over {model.dz * (model.n_slices - 1):.2f} Å, and "
        f"at least {MIN_RANGE * model.dz * (model.n_slices - 1):.2f} Å of them must be measured"
    )
    if nx * ny == 1:
        left = "".join(
            f"; {name} was left out: {reason}" for name, reason in stack.meta.get("skipped", [])[:1]
        )
        raise InputError(f"stack: expected images, got one curve at a single point; {needed}{left}")
    if n == 1 and model.n_slices > 1 and not whole:
        raise InputError(
            f"heights: expected images at several heights, got a single one; {needed} (the weights scan read "
            "single images)"
        )
    followed = plain_name(stack.channel) in _HEIGHTS and stack.unit != "Hz"
    if followed or unit_factor(stack.unit, "m") is not None:
        raise InputError(
            f"channel: expected the frequency shift, got {stack.channel!r} in {stack.unit}: heights of a tip "
            "that followed the surface"
        )
    if not np.isfinite(stack.values).any():
        raise InputError("values: expected measured ones, got nothing but NaN")


def _check_size(stack: ScanStack, model: Scan, settings: ScanPreparation) -> None:
    """Raise :class:`InputError` for what cannot be a scan of molecules, before memory is taken for it."""
    window = zip(stack.window, settings.window or stack.window, strict=True)
    sides = [max(min(high, to) - max(low, begin), 0.0) for (low, high), (begin, to) in window]
    wide = max(sides)
    pitch = model.pixel_size
    if max(stack.pixel_size) > _MAX_PIXEL:
        raise InputError(
            f"pixel_size: expected at most {_MAX_PIXEL} Å a pixel, the distance of two atoms, got "
            f"{max(stack.pixel_size):.4g} Å and a scan {wide / 10:.4g} nm wide; were pm meant for Å, it is "
            f"{max(stack.pixel_size) / 100:.4g} Å"
        )
    count = math.prod(side / p + 1 for side, p in zip(sides, pitch, strict=True))
    if settings.center is None and count * model.n_slices > MAX_GRID_VALUES:
        side = math.sqrt(MAX_GRID_VALUES / model.n_slices) * max(pitch) / 10
        raise InputError(
            f"window: expected at most {side:.0f} x {side:.0f} nm, got a scan {wide / 10:.4g} nm wide; cut "
            "out a window of it"
        )


def _near_origin(stack: ScanStack, steps: list[tuple[str, str]]) -> ScanStack:
    """The stack, moved to the origin where it lies so far from it that positions would lose digits."""
    if np.abs(stack.window).max() <= _MAX_DISTANCE:
        return stack
    x, y = (float(np.round(np.mean(axis))) for axis in stack.window)
    steps.append(("frame", f"positions count from {x:.0f}, {y:.0f} Å of the scan frame"))
    window = tuple((low - o, high - o) for (low, high), o in zip(stack.window, (x, y), strict=True))
    return stack.replace(window=window, meta=stack.meta | {"origin": [x, y]})


def _list_files(stack: ScanStack, files: Sequence[str]) -> str:
    """The files of the slices, far to near, and when they were measured."""
    shown = [str(file) for file in files]
    if len(shown) > _LISTED:
        shown = [*shown[: _LISTED - 1], f"{len(shown) - _LISTED} more", shown[-1]]
    text = f"{len(files)} {'file' if len(files) == 1 else 'files, far to near'}: {', '.join(shown)}"
    times = stack.meta.get("times")
    if times:
        first, last = (
            datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d %H:%M") for t in (min(times), max(times))
        )
        text += f"; {first} to {last}"
    return text


def _read(stack: ScanStack) -> str:
    n, ny, nx = stack.values.shape
    px, py = stack.pixel_size
    low, high = np.nanmin(stack.values), np.nanmax(stack.values)
    angle = float(stack.meta.get("angle", 0.0))
    turned = f"; x and y are those of the scan frame, turned by {angle:g}°" if angle else ""
    return (
        f"{n} {'slice' if n == 1 else 'slices'} of {nx} x {ny} pixels ({px:.3f} x {py:.3f} Å), channel "
        f"{stack.channel}, "
        f"{stack.direction}, {low:.4g} to {high:.4g} {stack.unit}; heights {stack.heights[0]:.2f} to "
        f"{stack.heights[-1]:.2f} Å, far to near{turned}"
    )
