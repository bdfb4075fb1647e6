"""The output of a spatial generator."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from torch_afm.elements import AtomClasses
from torch_afm.nn.graph_head import GraphOutput


class SpatialPrediction(NamedTuple):
    """Maps of the atoms that are missing, on the pixels of a :class:`~torch_afm.nn.MapGrid`, and a revision
    of those that are there. K classes (without *stop*) share P planes, see :func:`class_planes`.

    Shapes:
        heatmap ``[B, P, Y, X]``: logit that an atom of the plane is missing at the pixel; class_logits ``[B,
        K, Y, X]``: log-probability of its class, 1 in all over the classes of a plane; position ``[B, P, 3,
        Y, X]``: where it is in Å, x and y from the pixel's center, z in the graph's frame; log_var ``[B, P,
        3, Y, X]``: log of the variance of these in Å²; stop ``[B]``: logit that no visible atom is missing;
        graph: the atoms that are there.
    """

    heatmap: Tensor
    class_logits: Tensor
    position: Tensor
    log_var: Tensor
    stop: Tensor
    graph: GraphOutput


def class_planes(classes: AtomClasses) -> Tensor:
    """The plane, ``[K]``, that each class is mapped on: hydrogen's is 0, if it has a class of its own, and
    all others share the next one.

    Where atoms are is the same question for all elements, and rare ones teach it too little; the element is a
    second one. Hydrogen has its own plane, for a C-H bond that points up puts it over another atom.
    """
    alone = torch.tensor([group == ("H",) for group in classes.groups])
    return torch.where(alone, 0, int(alone.any()))
