"""The same molecule under a CO and under a Xe tip: ``python -m docs.figures.tips``."""

from __future__ import annotations

from matplotlib.figure import Figure

from docs.figures.panels import CHLORONAPHTHOL, draw, flat, panels, render, save
from torch_afm.config import Tip


def picture() -> Figure:
    """Three heights under each tip, a row each."""
    molecule = flat(CHLORONAPHTHOL)
    figure, rows = panels(2, 4)
    for axes, name in zip(rows, ("CO", "Xe"), strict=True):
        stack = render(molecule, tip=Tip.preset(name))
        for ax, s, height in zip(axes, (0, 5, 9), ("far", "middle", "near"), strict=False):
            draw(ax, stack.stack[0, s], stack.x, stack.y, f"{name}, {height}")
        draw(axes[3], stack.stack[0, 9], stack.x, stack.y, "near, with its atoms", graph=molecule)
    return figure


if __name__ == "__main__":
    save(picture(), __file__)
