"""What charges and dipoles of the atoms change: ``python -m docs.figures.charges``."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure

from docs.figures.panels import draw, lay_flat, panels, render, save
from torch_afm.config import Tip
from torch_afm.datasets import MoleculeDataset

#: Naphthalimide, of the list "planar".
SMILES = "O=C1NC(=O)c2cccc3cccc1c23"

#: A tip with a charge on its probe, which feels more of the field of a molecule than the quadrupole of CO.
MONOPOLE = Tip(charges=(-0.3,), charge_heights=(0.0,))


def picture() -> Figure:
    """The nearest slice without charges, with those of RDKit and of GFN2-xTB, and with its dipoles too; below
    it what they add under a CO tip, and under a charged one."""
    (molecule,) = (lay_flat(m) for m in MoleculeDataset([SMILES], geometry="xtb"))
    bare, rdkit = molecule.clone(), molecule.clone()
    bare.charge = torch.zeros_like(molecule.charge)
    rdkit.charge = MoleculeDataset([SMILES])[0].charge
    cases = {
        "no charges": (bare, False),
        "charges by RDKit": (rdkit, False),
        "charges by GFN2-xTB": (molecule, False),
        "and its dipoles": (molecule, True),
    }
    figure, rows = panels(3, 4)
    for title, axes, (sample, dipoles) in zip(cases, rows.T, cases.values(), strict=True):
        under_co = render(sample, dipoles=dipoles)
        draw(axes[0], under_co.stack[0, -1], under_co.x, under_co.y, title)
        if sample is bare:
            draw(axes[1], under_co.stack[0, -1], under_co.x, under_co.y, "with its atoms", graph=molecule)
            axes[2].set_axis_off()
            continue
        for ax, name, tip in zip(axes[1:], ("CO", "−0.3 e"), (Tip(), MONOPOLE), strict=True):
            with_charges, without = render(sample, tip=tip, dipoles=dipoles), render(bare, tip=tip)
            added = with_charges.stack[0, -1] - without.stack[0, -1]
            end = float(np.abs(added).max())
            draw(ax, added, under_co.x, under_co.y, f"added, tip {name}", limits=(-end, end))
    return figure


if __name__ == "__main__":
    save(picture(), __file__)
