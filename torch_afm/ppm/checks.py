"""What a renderer refuses or warns of before and after its work."""

from __future__ import annotations

import os
import warnings

import numpy as np

from torch_afm.ppm.inputs import RenderInput
from torch_afm.utils import InputError

#: Bytes that a renderer takes, about, for each pixel and slice, and for each pixel and height where relaxed
#: probes are kept.
_BYTES_STACK, _BYTES_RELAXED = 8, 120


def check_on_unconverged(setting: str) -> str:
    """``setting`` itself; raises :class:`InputError` unless it is "warn", "error" or "ignore"."""
    if setting not in ("warn", "error", "ignore"):
        raise InputError(f"on_unconverged: expected 'warn', 'error' or 'ignore', got {setting!r}")
    return setting


def report_unconverged(count: int, total: int, setting: str) -> None:
    """Warn of, or raise for, ``count`` of ``total`` probe positions that are not relaxed, or do nothing, as
    ``setting`` says ("warn", "error", "ignore").

    Raises:
        InputError: with "error".
    """
    if count:
        _report(
            f"relaxation: expected the probe at rest outside of the atoms everywhere, got {count} of {total} "
            "pixels and heights where it is not; scan from farther away",
            setting,
        )


def check_start(batch: RenderInput, setting: str) -> None:
    r"""Whether the scan comes from above: the probe follows its minimum from the first height down, so that
    one which starts below an atom images it from underneath.

    The free probe of the first height has to be outside of every atom's core, a sphere of half the sum of the
    radii, :math:`(R_i + R_p)/2` (where a Lennard-Jones pair is 4096 ε up the wall), and not underneath it,
    over the whole window. Where an anchor comes below an atom of the window, "warn" warns and "error" raises.

    Raises:
        InputError: unless ``setting`` is "ignore".
    """
    if setting == "ignore" or not len(batch.radius):
        return
    entry = np.repeat(np.arange(batch.n_entries), np.diff(batch.ptr))
    free = batch.tips.springs[entry, 5:]
    pos, core = batch.pos.detach().cpu().numpy(), batch.radius / 2
    half = np.array(batch.scan.extent) / 2
    aside = np.maximum(np.abs(pos[:, :2] - free[:, :2]) - half, 0)
    shadow = core**2 - np.square(aside).sum(axis=1)
    below, heights = shadow > 0, batch.scan.heights(0.0)
    lack = (pos[:, 2] + np.sqrt(np.maximum(shadow, 0)) - heights[0])[below].max(initial=-np.inf)
    if lack > 0:
        raise InputError(
            "z_top, distance: expected the probe to start above the atoms of the window, got a first height "
            f"{lack:.2f} Å too low; raise z_top or the scan's distance by at least that"
        )
    depth = (pos[:, 2] - (heights[-1] - free[:, 2]))[below].max(initial=-np.inf)
    if depth > 0:
        _report(
            "z_top, distance: expected the anchor of the probe above the atoms of the window at every "
            f"height, got it {depth:.2f} Å below the highest; scan from farther away",
            setting,
        )


def check_memory(batch: RenderInput, relaxed: bool) -> None:
    """Raise :class:`InputError` for stacks, or with ``relaxed`` relaxed probes, that this machine has no
    memory for, and for more pixels than the kernels count."""
    scan, image = batch.scan, batch.n_pixels
    each = _BYTES_RELAXED * scan.n_heights if relaxed else _BYTES_STACK * (scan.n_slices + 12)
    needed = batch.n_entries * image * each
    if needed > _memory() or image >= 2**31:
        raise InputError(
            f"pixels: expected stacks that fit into {_memory() / 1e9:.0f} GB of memory, got "
            f"{batch.n_entries} of {image} pixels and {scan.n_heights} heights, which take about "
            f"{needed / 1e9:.0f} GB; render fewer pixels, slices or stacks at once"
        )


def _memory() -> float:
    """Bytes of memory of this machine, infinite where the system does not tell."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return float("inf")


def _report(message: str, setting: str) -> None:
    if setting == "error":
        raise InputError(message)
    if setting == "warn":
        warnings.warn(message, stacklevel=6)
