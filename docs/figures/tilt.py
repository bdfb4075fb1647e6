"""A CO that hangs aside: ``python -m docs.figures.tilt``."""

from __future__ import annotations

from matplotlib.figure import Figure

from docs.figures.panels import PTCDA, draw, flat, panels, render, save
from torch_afm.config import Tip

#: Where the free probe hangs, off the axis of the tip, in Å.
TILTS = {
    "upright": (0.0, 0.0),
    "0.2 Å along x": (0.2, 0.0),
    "0.4 Å along x": (0.4, 0.0),
    "0.4 Å along y": (0.0, 0.4),
}


def picture() -> Figure:
    """The nearest slice with the free probe upright and hanging aside in three ways."""
    molecule = flat(PTCDA)
    figure, (axes,) = panels(1, 4)
    for ax, (title, tilt) in zip(axes, TILTS.items(), strict=True):
        stack = render(molecule, tip=Tip(tilt=tilt), nearer=-0.1)
        draw(ax, stack.stack[0, -1], stack.x, stack.y, title)
    return figure


if __name__ == "__main__":
    save(picture(), __file__)
