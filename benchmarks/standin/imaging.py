"""How a scene of the stand-in domain is measured: the stack that a file would contain."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.standin.strata import Scene
from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.datasets.measured import place_in_scan, render_measured
from torch_afm.datasets.nuisances import Measurement, Nuisances
from torch_afm.datasets.sources import CLEARANCE
from torch_afm.elements import ORGANIC_AND_IODINE, AtomClasses
from torch_afm.io.scans import ScanStack
from torch_afm.ppm import anchor_height
from torch_afm.transforms.base import StackAugmentation, Steps, as_lists

#: Atoms that a stack shows at least, no deeper than so many Å below its top, and draws before giving up.
MIN_ATOMS, VISIBLE, _TRIES = 3, 1.0, 50

_MOLECULAR = AtomClasses((ORGANIC_AND_IODINE,))


class Measured(NamedTuple):
    """A measured scene.

    Attributes:
        stack: what the file contains.
        truth: all atoms of the scene, in the frame of the scan, its top atom at z = 0.
        turning_point: lower one in Å of the anchor in the nearest slice, in the same frame, of the nominal
            tip as near to the atoms as the probe was.
        drawn: how it was measured.
    """

    stack: ScanStack
    truth: AFMData
    turning_point: float
    drawn: dict[str, Any]


def image_scene(scene: Scene, seed: int) -> Measured:
    """Measure a scene with the nuisances of its stratum; what is drawn depends on the seed and the number of
    the scene alone."""
    scan, measurement = scene.stratum.scan, draw_measurement(scene, seed)
    rng = np.random.default_rng((seed, scene.number, 18))
    steps = Nuisances(scene.stratum.nuisances).draw_steps(measurement, scan, rng)
    return measure(scene.atoms, measurement, steps, scan)


def draw_measurement(scene: Scene, seed: int) -> Measurement:
    """How a scene is measured, but for its contrast."""
    scan, rng = scene.stratum.scan, np.random.default_rng((seed, scene.number, 17))
    nuisances = Nuisances(scene.stratum.nuisances)
    visible = scene.atoms.pos[_shown(scene.atoms)].numpy()
    for _ in range(_TRIES):
        measurement = nuisances.draw(scan, visible, rng)
        placed = place_in_scan(scene.atoms, measurement, scan)
        if int((_shown(placed) & measurement.inside(placed.pos, 0.0)).sum()) >= MIN_ATOMS:
            break
    return measurement


def measure(atoms: AFMData, measurement: Measurement, steps: Steps, scan: Scan) -> Measured:
    """Measure atoms in the frame of the sample.

    Args:
        atoms: all that is imaged.
        measurement: how.
        steps: changes of the raw stack.
        scan: the nominal scan.
    """
    values = render_measured(atoms, measurement, scan)[None, None]
    for name, drawn in steps:
        values = StackAugmentation.named(name).apply(values, **as_lists([drawn]))
    part = values[0, 0].double().cpu().numpy() * (-1 if measurement.inverted else 1)
    window = []
    for axis, pixels, (low, high) in zip((2, 1), (scan.x, scan.y), measurement.window, strict=True):
        index = np.flatnonzero((pixels >= low) & (pixels <= high))
        part = part.take(index, axis)
        window.append((float(pixels[index[0]]), float(pixels[index[-1]])))
    meta = {"amplitude": measurement.amplitude} if measurement.amplitude_known else {}
    stack = ScanStack(part, np.array(measurement.heights), (window[0], window[1]), meta=meta)
    placed = place_in_scan(atoms, measurement, scan)
    near = measurement.inside(placed.pos, CLEARANCE)
    near = near if near.any() else torch.ones_like(near)
    top = anchor_height(AFMData(z=placed.z[near], pos=placed.pos[near]), scan, Tip())
    lower = scan.slice_heights(float(top))[-1] - scan.amplitude / 2 + measurement.height
    return Measured(stack, placed, float(lower), dataclasses.asdict(measurement))


def _shown(atoms: AFMData) -> torch.Tensor:
    """Which atoms of molecules an image shows well."""
    return (atoms.pos[:, 2] >= -VISIBLE) & _MOLECULAR.has(atoms.z)
