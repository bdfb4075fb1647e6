"""Heads of the networks: the next atom (class, position, bonds), and maps of all missing atoms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.nn import MLP

from torch_afm.elements import AtomClasses
from torch_afm.nn.graph_head import GraphOutput


class StepPrediction(NamedTuple):
    """One decision a graph.

    Shapes:
        class_logits ``[B, K]``, class 0 is *stop*; pos ``[B, 3]`` in Å, in the graph's frame; edge_logits
        ``[N]``, for each atom there is, of a bond to the new one.
    """

    class_logits: Tensor
    pos: Tensor
    edge_logits: Tensor


class ClassHead(Module):
    r"""Class of the next atom, or *stop* (graph-AFM thesis, Aalto University (see CITATION.cff), section
    4.2.2): an MLP that gives logits.

    Args:
        in_channels (int): Size of the encoding.
        num_classes (int): Classes, stop included.
        hidden_channels (sequence of int, optional): Hidden sizes. (default: :obj:`(32,)`)

    Shapes:
        - **input:** encodings :math:`(B, F_{in})`
        - **output:** logits :math:`(B, K)`
    """

    def __init__(self, in_channels: int, num_classes: int, hidden_channels: Sequence[int] = (32,)) -> None:
        super().__init__()
        self.mlp = MLP([in_channels, *hidden_channels, num_classes], norm=None)

    def reset_parameters(self) -> None:
        self.mlp.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x)


class PositionHead(Module):
    r"""Position of the next atom in Å (the thesis, section 4.2.2): an MLP whose outputs are scaled, so that
    :math:`[-1, 1]` spans what there is to predict.

    .. math::
        \mathbf{r} = \mathbf{s} \odot \mathrm{MLP}(\mathbf{x})

    Args:
        in_channels (int): Size of the encoding.
        scale (tuple of float): :math:`\mathbf{s}` in Å: half the scan window along x and y, the depth of the
            surface cut along z.
        hidden_channels (sequence of int, optional): Hidden sizes. (default: :obj:`(64, 64)`)

    Shapes:
        - **input:** encodings :math:`(B, F_{in})`
        - **output:** positions :math:`(B, 3)`
    """

    scale: Tensor

    def __init__(
        self, in_channels: int, scale: tuple[float, float, float], hidden_channels: Sequence[int] = (64, 64)
    ) -> None:
        super().__init__()
        self.mlp = MLP([in_channels, *hidden_channels, 3], norm=None)
        self.register_buffer("scale", torch.tensor(scale), persistent=False)

    def reset_parameters(self) -> None:
        self.mlp.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.mlp(x)


class BondHead(Module):
    r"""Bonds of the next atom (the thesis, section 4.2.2, Eq. 4.8): an MLP of the states of an old atom and
    of the new one gives the logit of a bond between them.

    .. math::
        e_v = \mathrm{MLP}\left([\mathbf{h}_v \,\Vert\, \mathbf{h}_\mathrm{new}]\right)

    Args:
        channels (int): Size of the node states.
        hidden_channels (sequence of int, optional): Hidden sizes. (default: :obj:`(32,)`)

    Shapes:
        - **input:** states of the old atoms :math:`(|\mathcal{V}|, F)`, of the new atoms :math:`(B, F)`,
          graph of each old atom :math:`(|\mathcal{V}|)`
        - **output:** logits :math:`(|\mathcal{V}|)`
    """

    def __init__(self, channels: int, hidden_channels: Sequence[int] = (32,)) -> None:
        super().__init__()
        self.mlp = MLP([2 * channels, *hidden_channels, 1], norm=None)

    def reset_parameters(self) -> None:
        self.mlp.reset_parameters()

    def forward(self, x: Tensor, new: Tensor, batch: Tensor) -> Tensor:
        return self.mlp(torch.cat([x, new[batch]], dim=-1)).squeeze(-1)


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


class ScanPrediction(NamedTuple):
    """Maps of the atoms that are missing in a scan of any size, and a revision of those that are there. K
    classes share P planes, see :func:`class_planes`; nothing is missing where nothing was measured.

    Shapes:
        heatmap, class_logits, position, log_var and graph: as in :class:`SpatialPrediction`; parent_logits
        ``[B, 3, Y, X]``: log-probability that a hydrogen there is bonded to each of
        :data:`HYDROGEN_PARENTS`; measured ``[B, 1, Y, X]``: whether the scan shows the pixel.
    """

    heatmap: Tensor
    class_logits: Tensor
    position: Tensor
    log_var: Tensor
    parent_logits: Tensor
    measured: Tensor
    graph: GraphOutput


#: Atomic numbers of the neighbors that hydrogens are told by: C-H, N-H, O-H.
HYDROGEN_PARENTS = (6, 7, 8)


def class_log_probabilities(logits: Tensor, planes: Tensor) -> Tensor:
    """Logarithm of the softmax over the classes of each plane.

    Shapes:
        logits and result ``[B, K, Y, X]``, planes ``[K]``.
    """
    result = torch.empty_like(logits)
    for plane in planes.unique():
        members = planes == plane
        result[:, members] = logits[:, members].log_softmax(dim=1)
    return result


def class_planes(classes: AtomClasses) -> Tensor:
    """The plane, ``[K]``, that each class is mapped on: hydrogen's is 0, if it has a class of its own, and
    all others share the next one.

    Where atoms are is the same question for all elements, and rare ones teach it too little; the element is a
    second one. Hydrogen has its own plane, for a C-H bond that points up puts it over another atom.
    """
    hydrogen = torch.tensor([group == ("H",) for group in classes.groups])
    return torch.where(hydrogen, 0, int(hydrogen.any()))
