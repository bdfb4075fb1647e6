"""The frequency shift over height at four places of a molecule: ``python -m docs.figures.curves``."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure

from docs.figures.panels import PTCDA, SCAN, flat, render, save
from torch_afm.ppm import ProbeParticleModel, anchor_height, frequency_curves
from torch_afm.viz import plot_frequency_curves


def picture() -> Figure:
    """Over a carbon atom, the middle of a ring, an oxygen atom of a carbonyl group, and the bare surface."""
    molecule = flat(PTCDA)
    ppm = ProbeParticleModel(SCAN)
    z_top = float(anchor_height(molecule, SCAN, ppm.tip))
    pos = molecule.pos[:, :2]
    oxygen = molecule.z == 8
    carbon = pos[molecule.z == 6]
    near_middle = carbon[carbon.norm(dim=1).argsort()]
    places = [
        near_middle[0],
        torch.zeros(2),
        pos[oxygen][pos[oxygen][:, 1].argmax()],
        torch.tensor([7.0, 6.5]),
    ]
    curves = frequency_curves(ppm, molecule, torch.stack(places), length=5.0, z_top=z_top)
    points = [(float(x), float(y)) for x, y in places]
    stack = render(molecule)
    figure = plot_frequency_curves([curves.z], [curves.frequency_shift.numpy()], points, stack, molecule)
    figure.axes[1].legend(["1: carbon", "2: ring", "3: oxygen", "4: bare surface"], frameon=False)
    return figure


if __name__ == "__main__":
    save(picture(), __file__)
