"""Lennard-Jones beside the full-density-based model: ``python -m docs.figures.densities`` (a minute; with
``pip install -e ".[dft]"``)."""

from __future__ import annotations

from matplotlib.figure import Figure

from docs.figures.panels import draw, flat, panels, render, save
from torch_afm.config import Scan
from torch_afm.ppm import FDBM
from torch_afm.ppm.atomic_densities import with_atomic_densities
from torch_afm.ppm.dft import with_densities

SCAN = Scan(window=((-5, 5), (-5, 5)), pixels=(96, 96))


def picture() -> Figure:
    """Pyridine from Lennard-Jones and point charges, from densities of free atoms and from that of PySCF."""
    molecule = flat("c1ccncc1")
    cases = {
        "Lennard-Jones": (molecule, None),
        "densities of free atoms": (with_atomic_densities(molecule), FDBM()),
        "density by PySCF": (with_densities(molecule), FDBM()),
    }
    figure, columns = panels(3, 3)
    for axes, (title, (sample, forcefield)) in zip(columns.T, cases.items(), strict=True):
        stack = render(sample, SCAN, forcefield=forcefield)
        for ax, s in zip(axes, (0, 5, 9), strict=True):
            draw(ax, stack.stack[0, s], stack.x, stack.y, title if s == 0 else f"z = {stack.z[s]:.1f} Å")
    return figure


if __name__ == "__main__":
    save(picture(), __file__)
