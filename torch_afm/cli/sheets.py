"""The contact sheets of ``torch-afm dataset --stats``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
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
from torch_afm.viz import SheetEntry, plot_augmentations, plot_contact_sheet, stack_panels
from torch_afm.viz.stacks import signed

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


def stack_sheet(dataset: StepDataset, titles: Sequence[str], measured: Mapping[str, ScanStack]) -> Figure:
    """Measured stacks, and reference stacks of twelve samples as the network gets them.

    Args:
        dataset: the samples, whose measurements are drawn.
        titles: of the oriented molecules.
        measured: scans by the names of their files.
    """
    rng = np.random.default_rng(dataset.draws.seed)
    chosen = rng.permutation(len(titles))[:_STACKS].tolist()
    samples = dataset.__getitems__([(0, group) for group in chosen])
    entries = [
        SheetEntry(f"measured: {name}", stack_panels(scan), _measured(scan))
        for name, scan in measured.items()
    ]
    entries += [
        SheetEntry(
            titles[group], stack_panels(_stack(sample, dataset)), _drawn(StepDraw.from_json(sample.drawn))
        )
        for group, sample in zip(chosen, samples, strict=True)
    ]
    return plot_contact_sheet(entries)


def measured_scans(files: Sequence[str] | None) -> dict[str, ScanStack]:
    """The scans in the files that were named, or, for none, two of the public data, where those are."""
    if files is None:
        folder = Path(os.environ.get("TORCH_AFM_DATA", "")) / "real"
        found = [folder / name for name in _MEASURED if (folder / name).is_file()]
    else:
        found = [Path(file) for file in files]
    return {file.name: read_scan(file) for file in found}


def _stack(sample: AFMData, dataset: StepDataset) -> ScanStack:
    """The reference stack of a sample, NaN where it is not valid."""
    scan = dataset.scan
    values = sample.reference[0, 0].double().numpy()
    values = np.where(sample.valid[0, 0].numpy(), values, np.nan)
    heights = scan.dz * np.arange(scan.n_slices - 1, -1, -1)
    window = tuple((float(axis[0]), float(axis[-1])) for axis in (scan.x, scan.y))
    return ScanStack(values, heights, (window[0], window[1]), unit="standard deviations")


def _drawn(draw: StepDraw) -> str:
    """How the reference stack of a step is measured, in a few words."""
    m, steps = draw.measurement, dict(draw.reference.steps)
    if m is None or m.stiffness is None:
        return "nominal"
    (scale_x, shear), (_, scale_y) = np.linalg.inv(m.matrix)
    words = [
        _slices(m.heights),
        f"nearest {signed(m.height)} Å",
        f"{m.probe} {m.stiffness:.2f} N/m" + ("" if m.depth is None else f" {1e3 * m.depth:.0f} meV"),
        f"tilt {np.hypot(*m.tilt):.1f} Å",
        f"tip charges x {m.quadrupole:.1f}",
        f"sample charges x {m.charge:.1f}",
        f"amplitude {m.amplitude:.1f} Å" + ("" if m.amplitude_known else ", unknown"),
        f"scale {scale_x:.2f} x {scale_y:.2f}",
        f"shear {signed(shear / scale_x)}",
        f"noise {steps['DetectorNoise']['noise']:.3f}",
    ]
    words += ["double tip"] * ("DoubleTip" in steps) + ["asymmetric tip"] * ("TipAsymmetry" in steps)
    words += ["tip change"] * (steps["Motion"]["rows"] > 0) + ["inverted"] * m.inverted
    return ", ".join(words)


def _measured(stack: ScanStack) -> str:
    """What a file tells of its scan, in a few words."""
    (x0, x1), (y0, y1) = stack.window
    words = [_slices(stack.heights.tolist()), f"{x1 - x0:.1f} x {y1 - y0:.1f} Å"]
    if (amplitude := stack.meta.get("amplitude")) is not None:
        words.append(f"amplitude {amplitude:.1f} Å")
    return ", ".join(words)


def _slices(heights: Sequence[float]) -> str:
    return "1 slice" if len(heights) == 1 else f"{len(heights)} slices over {heights[0] - heights[-1]:.1f} Å"
