"""How a scene of the stand-in domain is measured: the stack that a file would contain."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from benchmarks.standin.strata import Scene
from torch_afm.data import AFMData
from torch_afm.io.scans import ScanStack
from torch_afm.ppm import ProbeParticleModel, anchor_height


class Measured(NamedTuple):
    """A measured scene.

    Attributes:
        stack: what the file contains.
        truth: all atoms of the scene, in the frame of the scan, its top atom at z = 0.
        turning_point: lower one in Å of the anchor in the nearest slice, in the same frame.
        drawn: how it was measured.
    """

    stack: ScanStack
    truth: AFMData
    turning_point: float
    drawn: dict[str, Any]


def image_scene(scene: Scene, seed: int) -> Measured:
    """Measure a scene; what is drawn depends on the seed and the number of the scene alone."""
    scan = scene.stratum.scan
    ppm = ProbeParticleModel(scan, on_unconverged="ignore")
    z_top = float(anchor_height(scene.atoms, scan, ppm.tip))
    values = ppm(scene.atoms, z_top=z_top)[0, 0].double().cpu().numpy()
    heights = scan.dz * np.arange(scan.n_slices - 1, -1, -1)
    stack = ScanStack(values, heights, scan.window, meta={"amplitude": scan.amplitude})
    return Measured(stack, scene.atoms, float(scan.slice_heights(z_top)[-1]) - scan.amplitude / 2, {})
