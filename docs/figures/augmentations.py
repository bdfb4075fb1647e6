"""What training does to stacks: ``python -m docs.figures.augmentations``."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure

from docs.figures.panels import CHLORONAPHTHOL, flat, save
from torch_afm.config import Scan, Tip
from torch_afm.functional import normalize_slices
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import Augment, Cutout, DoubleTip, Noise, Plane, RowOffsets, Turn
from torch_afm.viz import plot_augmentations

#: Tilt of the tip in each column, in Å.
TILTS = ((0.0, 0.0), (0.4, 0.0), (-0.3, 0.2), (0.0, -0.4), (0.2, 0.3))


def picture() -> Figure:
    """A row for each augmentation and one for all of them, with five draws each."""
    scan, molecule = Scan(pixels=(64, 64)), flat(CHLORONAPHTHOL)
    ppm = ProbeParticleModel(scan)
    tips = normalize_slices(torch.cat([ppm(molecule, tip=Tip(tilt=tilt)) for tilt in TILTS]))
    augment = Augment(
        frame=(Turn(),),
        stack=(
            DoubleTip(weight=0.6, distance=(0.1, 0.2)),
            RowOffsets(0.15),
            Plane(0.8),
            Noise(0.2),
            Cutout(),
        ),
    )
    return plot_augmentations(tips, molecule, scan, augment)


if __name__ == "__main__":
    save(picture(), __file__)
