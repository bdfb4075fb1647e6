"""The picture of README.md: ``python -m docs.figures.front``.

A flat molecule is imaged by a stiff, tilted tip, with noise, and read back by ``torch_afm.predict`` with the
weights ``scan``, which do not know the tip. It prints what was found and the verdict.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from matplotlib.figure import Figure

import torch_afm
from docs.figures.panels import CHLORONAPHTHOL, draw, flat, panels, render, save
from torch_afm.config import Scan, Tip
from torch_afm.metrics import match_atoms

#: The tip, and the standard deviation of the noise in Hz.
TIP, NOISE = Tip(stiffness=(0.3, 0.3, 0.0), tilt=(0.2, -0.1)), 0.03


def picture() -> Figure:
    """Far and near slice of the scan, the structure found, its image, and the truth."""
    molecule, scan = flat(CHLORONAPHTHOL), Scan(pixels=(64, 64))
    stack = render(molecule, scan, TIP)
    noise = np.random.default_rng(0).normal(scale=NOISE, size=stack.stack.shape)
    noisy = (stack.stack + noise).astype(np.float32)
    stack = dataclasses.replace(stack, stack=noisy, meta={"amplitude": scan.amplitude})
    found = torch_afm.predict(stack, "scan")
    matching = match_atoms(found.graph.pos, molecule.pos, cutoff=0.5)
    same = int((found.graph.z[matching.pred] == molecule.z[matching.true]).sum())
    print(f"{len(matching.pred)} of {molecule.z.numel()} atoms within 0.5 Å, {same} with their element")
    print(found.verdict.describe())
    figure, (axes,) = panels(1, 5)
    far, near, x, y = stack.stack[0, 0], stack.stack[0, -1], stack.x, stack.y
    draw(axes[0], far, x, y, "scan, far")
    draw(axes[1], near, x, y, "scan, near")
    draw(axes[2], near, x, y, "structure found", graph=found.graph)
    draw(axes[3], found.simulated[0, 0, -1].numpy(), x, y, "its image, near")
    draw(axes[4], near, x, y, "truth", graph=molecule)
    return figure


if __name__ == "__main__":
    save(picture(), __file__)
