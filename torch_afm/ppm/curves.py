"""Frequency shift over height at points of a surface: what force spectroscopy measures."""

from __future__ import annotations

import copy
import dataclasses
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.ppm.model import ProbeParticleModel
from torch_afm.ppm.placement import anchor_height
from torch_afm.utils import InputError, check_finite, check_shape


class FrequencyCurves(NamedTuple):
    """Frequency shift over height at P points.

    Shapes:
        z ``[Z]``: height of the anchor at the middle of the oscillation, Å, far to near; frequency_shift
        ``[P, Z]`` Hz.
    """

    z: np.ndarray
    frequency_shift: Tensor


def frequency_curves(
    renderer: ProbeParticleModel,
    data: AFMData,
    points: Tensor,
    length: float = 5.0,
    z_top: float | None = None,
) -> FrequencyCurves:
    """Δf(z) with the probe above some points, down to the nearest slice of the renderer's scan, in its
    height steps: its slices and, above them, as many more as reach ``length`` from the nearest one up.

    At a pixel, the values at the heights of the slices are those of the stack, unless the probe has more
    than one place to rest at: it comes from farther above here. Differentiable as the stack is.

    Args:
        renderer: its scan and tip are taken.
        data: one molecule or surface.
        points: places (x, y) in the window of the scan, in Å.
        length: of the curves along z, in Å; at least that of the stack.
        z_top: first anchor height of the stack in Å, as in
            :meth:`torch_afm.ppm.ProbeParticleModel.forward`.

    Shapes:
        points ``[P, 2]``.

    Raises:
        InputError: for points outside of the window, a curve of more than the 4096 heights of a scan, more
            than one graph, and anything that the renderer refuses.
    """
    scan = renderer.scan
    points = torch.as_tensor(points, dtype=torch.float64)
    check_shape("points", points, (None, 2))
    check_finite("points", points)
    low, high = points.new_tensor(scan.window).T
    outside = ((points < low) | (points > high)).any(1)
    if outside.any():
        place = ", ".join(f"{v:g}" for v in points[outside][0].tolist())
        raise InputError(f"points: expected places within the window {scan.window} Å, got {place}")
    if not 0 <= length < 1e6:
        raise InputError(f"length: expected 0 Å or more, got {length}")
    more = max(0, round(length / scan.dz) + 1 - scan.n_slices)
    try:
        taller = dataclasses.replace(scan, n_slices=scan.n_slices + more)
    except InputError as error:
        raise InputError(
            f"length: expected fewer height steps of {scan.dz:g} Å, got {length:g} Å ({error})"
        ) from None
    tops = anchor_height(data, scan, renderer.tip, z_top, renderer.forcefield)
    if len(tops) != 1:
        raise InputError(f"data: expected one graph, got {len(tops)}")
    top = float(tops) + more * scan.dz
    above = copy.copy(renderer)
    above.scan = taller
    return FrequencyCurves(taller.slice_heights(top), above(data, z_top=top, pixels=points)[0, 0].T)
