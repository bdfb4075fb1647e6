"""A molecule from far to near, and its structure over an image: ``python -m docs.figures.heights``."""

from __future__ import annotations

import dataclasses

from matplotlib.figure import Figure

from docs.figures.panels import PTCDA, SCAN, draw, flat, panels, render, save


def picture() -> Figure:
    """PTCDA from 1 Å farther than usual on."""
    molecule = flat(PTCDA)
    stack = render(molecule, dataclasses.replace(SCAN, n_slices=20), nearer=-1.0)
    figure, axes = panels(2, 3)
    *shown, last = axes.flat
    for ax, s in zip(shown, (0, 10, 13, 16, 18), strict=True):
        draw(ax, stack.stack[0, s], stack.x, stack.y, f"z = {stack.z[s]:.1f} Å")
    draw(
        last, stack.stack[0, 16], stack.x, stack.y, f"z = {stack.z[16]:.1f} Å, with its atoms", graph=molecule
    )
    return figure


if __name__ == "__main__":
    save(picture(), __file__)
