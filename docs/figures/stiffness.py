"""The softer the tip, the sharper the bonds: ``python -m docs.figures.stiffness``."""

from __future__ import annotations

from matplotlib.figure import Figure

from docs.figures.panels import PTCDA, draw, flat, panels, render, save
from torch_afm.config import Tip


def picture() -> Figure:
    """The nearest slice under tips of four lateral stiffnesses, on a color scale each."""
    molecule = flat(PTCDA)
    figure, (axes,) = panels(1, 4)
    for ax, k in zip(axes, (0.15, 0.25, 0.5, 2.0), strict=True):
        stack = render(molecule, tip=Tip(stiffness=(k, k, 0.0)), nearer=-0.2)
        draw(ax, stack.stack[0, -1], stack.x, stack.y, f"{k:g} N/m")
    return figure


if __name__ == "__main__":
    save(picture(), __file__)
