"""Generators that have learned nothing: what a trained one has to beat."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_afm.data import AFMData, append_atom, covalent_bonds
from torch_afm.elements import AtomClasses
from torch_afm.generation.greedy import Generation
from torch_afm.generation.trials import Pipeline
from torch_afm.ppm import ProbeParticleModel

#: Most atoms of the random ones.
MOST_ATOMS = 10


def baselines(classes: AtomClasses, z_min: float = -0.7) -> dict[str, Pipeline]:
    """Three of them, by name: ``stop at once`` finds nothing; ``brightest pixel`` one hydrogen, at the height
    of the top atom, under the brightest pixel of the nearest slice; ``random atoms`` 1 to 10 of any class,
    anywhere in the window and the depths visible, bonded by distance, drawn by torch's own generator.

    Args:
        classes: the classes that are predicted.
        z_min: depth of the surface cut in Å.
    """

    def nothing(reference: Tensor, renderer: ProbeParticleModel, z_top: float) -> Generation:
        return Generation(AFMData.empty(), [], "stop", classes)

    def brightest(reference: Tensor, renderer: ProbeParticleModel, z_top: float) -> Generation:
        scan = renderer.scan
        row, column = divmod(int(reference[0, 0, -1].argmax()), len(scan.x))
        pos = torch.tensor([float(scan.x[column]), float(scan.y[row]), 0.0])
        return Generation(append_atom(AFMData.empty(), 1, pos, []), [], "stop", classes)

    def random(reference: Tensor, renderer: ProbeParticleModel, z_top: float) -> Generation:
        n = int(torch.randint(1, MOST_ATOMS + 1, ()))
        low, high = torch.tensor([*renderer.scan.window, (z_min, 0.0)]).T
        pos = low + (high - low) * torch.rand(n, 3)
        z = classes.representative(torch.randint(1, len(classes), (n,)))
        graph = AFMData(z=z, pos=pos, charge=torch.zeros(n), edge_index=covalent_bonds(z, pos))
        return Generation(graph, [], "stop", classes)

    return {"stop at once": nothing, "brightest pixel": brightest, "random atoms": random}
