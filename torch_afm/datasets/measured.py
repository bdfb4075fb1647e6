"""Reference stacks as they are measured: rendered as a measurement has it, changed, laid on a network's
slices."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.data.checks import check_island
from torch_afm.datasets.nuisances import Measurement
from torch_afm.datasets.sources import CLEARANCE
from torch_afm.functional import interpolate_heights, network_slices, normalize_slices
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.ppm.frequency_shift import frequency_shift_matrix
from torch_afm.transforms.base import StackAugmentation, Steps, as_lists


def place_in_scan(molecule: AFMData, measurement: Measurement, scan: Scan) -> AFMData:
    """A copy of ``molecule`` in the frame of the stack: where the scanner says its atoms are, and the highest
    atom within what was measured, or less than 3 Å beside it, at z = 0."""
    placed = AFMData(**molecule.to_dict())
    placed.pos = measurement.to_scan(molecule.pos, scan).to(molecule.pos)
    near = measurement.inside(placed.pos, CLEARANCE)
    placed.pos[:, 2] -= placed.pos[near if near.any() else slice(None), 2].max()
    return placed


def render_measured(
    molecule: AFMData, measurement: Measurement, scan: Scan, tip: Tip | None = None, backend: str = "auto"
) -> Tensor:
    r"""The raw stack of a measurement: the probe of its tip is relaxed at the places and heights where the
    scanner took it, and the forces are weighed for each slice by the amplitude.

    The lower turning point of the nearest slice is that of the nearest slice of ``scan`` above what was
    measured, by the rule of :func:`torch_afm.ppm.anchor_height`, and ``measurement.height``. Slices between
    two heights of the forces, which are ``scan.dz`` apart, are interpolated linearly.

    What a scanner calls a place is where the free probe of the tip is: nobody knows how far aside of its base
    it hangs, nor where the scanner's zero lies on the sample.

    Args:
        molecule: in the frame of the sample, all its atoms.
        measurement: how it is measured.
        scan: the nominal scan; its window and pixels are those of the stack.
        tip: the nominal tip.
        backend: of :class:`~torch_afm.ppm.ProbeParticleModel`.

    Shapes:
        result ``[M, Y, X]`` Hz, a slice each of ``measurement.heights``.

    Raises:
        InputError: for a molecule that repeats, or has a potential on a grid.
    """
    check_island("molecule", molecule)
    actual = measurement.tip(tip or Tip())
    x, y = np.meshgrid(scan.x, scan.y)
    places = measurement.to_sample(torch.from_numpy(np.stack([x.ravel(), y.ravel()], axis=1)), scan)
    places = places - places.new_tensor(actual.tilt)  # those of the base
    low, high = places.amin(0).tolist(), places.amax(0).tolist()
    swing = round(measurement.amplitude / scan.dz)
    count = 1 + math.ceil(measurement.heights[0] / scan.dz - 1e-6)
    fine = dataclasses.replace(
        scan,
        window=((low[0], high[0]), (low[1], high[1])),
        n_slices=count,
        n_oscillation=swing,
        substeps=1,
    )
    near = measurement.inside(measurement.to_scan(molecule.pos, scan), CLEARANCE)
    near = near if near.any() else torch.ones_like(near)
    top = float(anchor_height(AFMData(z=molecule.z[near], pos=molecule.pos[near]), scan, actual))
    lower = scan.slice_heights(top)[-1] - scan.amplitude / 2 + measurement.height
    atoms = AFMData(z=molecule.z, pos=molecule.pos, charge=measurement.charge * molecule.charge)
    if "dipole" in molecule:
        atoms.dipole = measurement.charge * molecule.dipole
    above = scan.dz * np.arange(count - 1, -1, -1)
    z_top = lower + measurement.amplitude / 2 + above[0] + scan.dz * (swing - 1) / 2
    ppm = ProbeParticleModel(fine, actual, backend=backend, on_unconverged="ignore")
    force = ppm.force(atoms, z_top=z_top, pixels=places)[0, 0]
    between = interpolate_heights(above, np.array(measurement.heights))
    weights = force.new_tensor(between @ frequency_shift_matrix(fine))
    return (weights @ force).unflatten(1, scan.shape[1:])


def finish_measured(
    stack: Tensor, measurement: Measurement, steps: Steps, scan: Scan
) -> tuple[Tensor, Tensor]:
    """A raw stack after ``steps`` and on the slices of ``scan``
    (:func:`torch_afm.functional.network_slices`), normalized where it was measured, zero elsewhere.

    Shapes:
        stack ``[M, Y, X]``; returns ``[Z, Y, X]``, and where that was measured, the same shape, booleans.
    """
    changed = stack[None, None]
    for name, drawn in steps:
        changed = StackAugmentation.named(name).apply(changed, **as_lists([drawn]))
    weights, found = network_slices(np.array(measurement.heights), scan.n_slices, scan.dz)
    x, y = (
        (axis >= low) & (axis <= high)
        for axis, (low, high) in zip((scan.x, scan.y), measurement.window, strict=True)
    )
    rows, columns = (slice(int(m.argmax()), len(m) - int(m[::-1].argmax())) for m in (y, x))
    part = changed[0, 0, :, rows, columns]
    part = (part.new_tensor(weights[found]) @ part.flatten(1)).unflatten(1, part.shape[1:])
    part = normalize_slices(-part if measurement.inverted else part)
    finished = stack.new_zeros(scan.shape)
    valid = torch.zeros(scan.shape, dtype=torch.bool, device=stack.device)
    shown = torch.from_numpy(np.flatnonzero(found))
    finished[shown, rows, columns] = part
    valid[shown, rows, columns] = True
    return finished, valid
