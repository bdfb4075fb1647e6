"""The contact sheets of ``torch-afm dataset --stats``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from torch_afm.data import AFMData, remove_atoms
from torch_afm.datasets import StepDataset, StepDraw
from torch_afm.io.scans import ScanStack, read_scan
from torch_afm.transforms import (
    Augment,
    CropSlices,
    CropWindow,
    Cutout,
    Noise,
    Plane,
    SliceShift,
    Turn,
    visible_atoms,
)
from torch_afm.viz import SheetEntry, plot_augmentations, plot_contact_sheet

#: Draws of each augmentation, and drawn stacks.
_DRAWS, _STACKS = 6, 12

#: Measured stacks of the folder ``real`` of public data that TORCH_AFM_DATA names.
_MEASURED = ("edafm_BCB_CO_exp.h5", "camphor_exp_1.h5")


def augmentation_sheet(dataset: StepDataset, index: int) -> Figure:
    """Every augmentation there is, for one molecule."""
    draws, images, scan = dataset.draws, dataset.images, dataset.images.scan
    molecules = dataset.oriented([index]) * _DRAWS
    drawn = draws.draw([(epoch, index) for epoch in range(_DRAWS)], molecules, scan)
    z_top = images.anchor_heights(molecules, dataset.source.margin)
    stacks = images.render(molecules, [d.reference.tip for d in drawn], z_top)
    nx, ny = (max(2, 3 * n // 4) for n in scan.pixels)
    slices = max(1, scan.n_slices - 2)
    frame = [CropSlices(slices, (slices + 1) // 2), CropWindow((nx, ny))]
    if nx == ny and np.ptp(scan.window[0]) == np.ptp(scan.window[1]):
        frame.insert(0, Turn())
    augment = Augment(frame, (Plane(), Noise(), SliceShift(), Cutout()))
    visible = remove_atoms(molecules[0], ~visible_atoms(molecules[0], dataset.z_min))
    return plot_augmentations(stacks, visible, scan, augment, draws.seed)


def stack_sheet(dataset: StepDataset, titles: Sequence[str], measured: Sequence[Path]) -> Figure:
    """Measured stacks, and reference stacks of twelve samples as the network gets them.

    Args:
        dataset: the samples.
        titles: of the oriented molecules.
        measured: files of scans.
    """
    rng = np.random.default_rng(dataset.draws.seed)
    chosen = rng.permutation(len(titles))[:_STACKS].tolist()
    samples = dataset.__getitems__([(0, group) for group in chosen])
    scans = [(file, read_scan(file)) for file in measured]
    entries = [SheetEntry(f"measured: {file.name}", scan, _measured(scan)) for file, scan in scans]
    entries += [
        SheetEntry(titles[group], _stack(sample, dataset), _drawn(StepDraw.from_json(sample.drawn)))
        for group, sample in zip(chosen, samples, strict=True)
    ]
    return plot_contact_sheet(entries)


def measured_scans(files: Sequence[str] | None) -> list[Path]:
    """The files of scans that were named, or, for none, two of the public data, where those are."""
    if files is not None:
        return [Path(file) for file in files]
    folder = Path(os.environ.get("TORCH_AFM_DATA", "")) / "real"
    return [folder / name for name in _MEASURED if (folder / name).is_file()]


def _stack(sample: AFMData, dataset: StepDataset) -> ScanStack:
    """The reference stack of a sample, NaN where it is not valid."""
    scan = dataset.scan
    values = sample.reference[0, 0].double().numpy()
    if "valid" in sample:
        values = np.where(sample.valid[0, 0].numpy(), values, np.nan)
    heights = scan.dz * np.arange(scan.n_slices - 1, -1, -1)
    window = tuple((float(axis[0]), float(axis[-1])) for axis in (scan.x, scan.y))
    return ScanStack(values, heights, (window[0], window[1]), unit="standard deviations")


def _drawn(draw: StepDraw) -> str:
    """What was drawn for the reference stack of a step, in a few words."""
    tip = draw.reference.tip
    words = [f"tip {np.hypot(*tip['tilt']):.1f} Å aside, {tip['distance']:+.2f} Å"]
    return ", ".join(words + [name for name, _ in draw.reference.steps])


def _measured(stack: ScanStack) -> str:
    """What a file tells of its scan, in a few words."""
    (x0, x1), (y0, y1) = stack.window
    span = stack.heights[0] - stack.heights[-1]
    words = [f"{len(stack.heights)} slices over {span:.1f} Å", f"{x1 - x0:.1f} x {y1 - y0:.1f} Å"]
    if (amplitude := stack.meta.get("amplitude")) is not None:
        words.append(f"amplitude {amplitude:.1f} Å")
    return ", ".join(words)
