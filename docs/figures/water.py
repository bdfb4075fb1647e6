"""A layer of water, and the local order of many: ``python -m docs.figures.water``."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from docs.figures.panels import SCAN, draw, panels, render, save
from torch_afm.data import remove_atoms
from torch_afm.datasets import SurfaceWindows, water_bilayer
from torch_afm.datasets.slabs import slab_from_ase
from torch_afm.metrics import StructureSettings, structure_features

#: Features of local order, with the bins of their histograms.
FEATURES = {
    "d_OO": ("O–O distance (Å)", np.linspace(2.5, 3.5, 41)),
    "OOO": ("O–O–O angle (°)", np.linspace(90, 150, 31)),
    "OHO": ("O–H–O angle (°)", np.linspace(120, 180, 31)),
    "theta_ZOH": ("free O–H to the normal (°)", np.linspace(0, 180, 37)),
}

#: How often a free O-H bond points down -> how it is drawn.
DOWN = {
    0.5: ("free O–H bonds up or down", "#0072b2", "-"),
    0.15: ("mostly up", "#d55e00", "--"),
}


def picture() -> Figure:
    """Three slices of a generated layer on gold, and its uppermost atoms; below, the local order of what
    is visible of two sets of eight layers."""
    figure, (above, below) = panels(2, 4)
    sample = SurfaceWindows([slab_from_ase(water_bilayer(3, second=0.0))], SCAN).oriented(0)
    stack = render(sample, SCAN)
    for ax, s, height in zip(above, (0, 5, 9), ("far", "middle", "near"), strict=False):
        draw(ax, stack.stack[0, s], stack.x, stack.y, f"water on Au(111), {height}")
    shown = remove_atoms(sample, (sample.z > 8) | (sample.pos[:, 2] < -2.0))
    draw(above[3], stack.stack[0, 9], stack.x, stack.y, "near, with its atoms", graph=shown)
    for share, (name, color, line) in DOWN.items():
        layers = [water_bilayer(seed, second=0.0, h_down=share) for seed in range(8)]
        found = structure_features(layers, StructureSettings.visible(), list(FEATURES))
        for ax, (feature, (label, bins)) in zip(below, FEATURES.items(), strict=True):
            values = np.concatenate([one[feature] for one in found])
            ax.hist(values, bins, density=True, histtype="step", color=color, ls=line, lw=1.6, label=name)
            ax.set_xlabel(label)
            ax.set_yticks([])
    below[0].set_ylabel("density")
    figure.legend(*below[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


if __name__ == "__main__":
    save(picture(), __file__)
