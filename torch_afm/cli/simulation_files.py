"""The files of ``torch-afm simulate``, each with a few words on what it holds."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from torch_afm.config import Variation
from torch_afm.data import AFMData
from torch_afm.io import AFMStack, write_stack, write_sweep
from torch_afm.io.files import write_whole
from torch_afm.ppm import FrequencyCurves, Relaxation
from torch_afm.utils import InputError
from torch_afm.viz import plot_frequency_curves, plot_simulation

#: A file and what it holds.
Written = tuple[Path, str]


def stack_files(out: Path, stacks: Sequence[AFMStack]) -> list[Written]:
    """Write one stack, or several into one .npz or a numbered file each."""
    if len(stacks) == 1:
        write_stack(out, stacks[0])
        return [(out, _describe(stacks[0]))]
    if out.suffix.lower() == ".npz":
        write_sweep(out, stacks)
        return [(out, f"{len(stacks)} stacks, {_describe(stacks[0])}")]
    written = []
    for number, stack in enumerate(stacks, start=1):
        file = _numbered(out, number, len(stacks)).with_suffix(out.suffix)
        write_stack(file, stack)
        written.append((file, _describe(stack)))
    return written


def probe_file(out: Path, place: tuple[int, int], probes: Relaxation, stack: AFMStack) -> Written:
    """Write where the probe comes to rest: ``probe`` ``[H, Y, X, 3]`` Å, ``force`` ``[H, Y, X]`` eV/Å,
    ``converged``, and the anchors, ``x``, ``y`` and ``z`` ``[H]``."""
    scan = stack.recorded_scan
    if scan is None or stack.z_top is None:
        raise InputError("stack: expected a simulated one, whose scan and height are known")
    arrays = {name: value[0, 0].numpy() for name, value in probes._asdict().items()}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays, x=stack.x, y=stack.y, z=scan.heights(stack.z_top))
    base = _numbered(out, *place)
    file = base.with_name(f"{base.name}-probe.npz")
    write_whole(file, buffer.getvalue())
    heights, ny, nx, _ = arrays["probe"].shape
    return file, f"probe positions at {heights} heights of {nx} x {ny} pixels"


def curve_files(
    out: Path,
    points: Sequence[tuple[float, float]],
    curves: Sequence[FrequencyCurves],
    variations: Sequence[Variation],
    stack: AFMStack,
    sample: AFMData,
) -> list[Written]:
    """Write the curves as a table, a height a line, and as a figure."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["curve", *variations[0].parameters, "x (Å)", "y (Å)", "z (Å)", "frequency shift (Hz)"])
    number = 0
    for variation, curve in zip(variations, curves, strict=True):
        for (x, y), values in zip(points, curve.frequency_shift.tolist(), strict=True):
            number += 1
            ahead = [number, *(f"{value:g}" for value in variation.parameters.values()), f"{x:g}", f"{y:g}"]
            table.writerows(
                [*ahead, f"{z:.6g}", f"{value:.6g}"] for z, value in zip(curve.z, values, strict=True)
            )
    base = out.with_suffix("")
    file = base.with_name(f"{base.name}-curves.csv")
    write_whole(file, text.getvalue().encode())
    figure = plot_frequency_curves(
        [curve.z for curve in curves],
        [curve.frequency_shift.numpy() for curve in curves],
        points,
        stack,
        sample,
        [variation.label for variation in variations] if variations[0].parameters else None,
    )
    picture = file.with_suffix(".png")
    figure.savefig(picture, dpi=120)
    return [
        (file, f"{number} curve{'s' if number > 1 else ''} of {len(curves[0].z)} heights"),
        (picture, "their figure"),
    ]


def sheet_file(out: Path, stacks: Sequence[AFMStack], sample: AFMData, labels: Sequence[str]) -> Written:
    """Write the sheet of all stacks."""
    picture = out.with_suffix(".png")
    figure = plot_simulation(stacks, sample, labels if any(labels) else None)
    figure.savefig(picture, dpi=150 if len(stacks) < 20 else 110)
    return picture, "images with atoms and bonds"


def _numbered(out: Path, number: int, count: int) -> Path:
    """The name of a file without ending, with a number where there are several."""
    base = out.with_suffix("")
    return base if count == 1 else base.with_name(f"{base.name}-{number:02d}")


def _describe(stack: AFMStack) -> str:
    _, nz, ny, nx = stack.stack.shape
    return f"{nz} slices of {nx} x {ny} pixels, z_top {stack.z_top:.3f} Å"
