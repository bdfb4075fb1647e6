"""Generators that have learned nothing: what a trained one has to beat."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_afm.data import AFMData, append_atom, covalent_bonds
from torch_afm.elements import AtomClasses
from torch_afm.generation.result import Prediction
from torch_afm.generation.trials import Pipeline
from torch_afm.ppm import Renderer

#: Most atoms of a random graph.
MAX_RANDOM = 10


def baselines(classes: AtomClasses, z_min: float = -0.7) -> dict[str, Pipeline]:
    """Three of them, by name: ``stop at once`` finds nothing; ``brightest pixel`` one hydrogen, at the height
    of the top atom, under the brightest pixel of the nearest slice; ``random atoms`` 1 to 10 of any class,
    anywhere in the window and the depths visible, bonded by distance, drawn by torch's own generator.

    Args:
        classes: the classes that are predicted.
        z_min: depth of the surface cut in Å.
    """

    def predicted(graph: AFMData, renderer: Renderer, z_top: float) -> Prediction:
        scan, tip = renderer.scan, renderer.tip
        return Prediction(graph, AFMData.empty(), [], "stop", classes, scan, tip, z_top)

    def nothing(reference: Tensor, renderer: Renderer, z_top: float) -> Prediction:
        return predicted(AFMData.empty(), renderer, z_top)

    def brightest(reference: Tensor, renderer: Renderer, z_top: float) -> Prediction:
        scan = renderer.scan
        row, column = divmod(int(reference[0, 0, -1].argmax()), len(scan.x))
        pos = torch.tensor([float(scan.x[column]), float(scan.y[row]), 0.0])
        return predicted(append_atom(AFMData.empty(), 1, pos, []), renderer, z_top)

    def random(reference: Tensor, renderer: Renderer, z_top: float) -> Prediction:
        n = int(torch.randint(1, MAX_RANDOM + 1, ()))
        low, high = torch.tensor([*renderer.scan.window, (z_min, 0.0)]).T
        pos = low + (high - low) * torch.rand(n, 3)
        z = classes.representative(torch.randint(1, len(classes), (n,)))
        graph = AFMData(z=z, pos=pos, charge=torch.zeros(n), edge_index=covalent_bonds(z, pos))
        return predicted(graph, renderer, z_top)

    return {"stop at once": nothing, "brightest pixel": brightest, "random atoms": random}
