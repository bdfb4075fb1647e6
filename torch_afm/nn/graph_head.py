"""Revise a graph from the network's features: bonds, positions and existence of its atoms."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import GRUCell, Linear, Module
from torch_geometric.nn import MLP, MessagePassing

#: Rounds of messages, with shared weights.
_PROPAGATIONS = 2

#: Distance in Å of the centers, and width, of the Gaussians of distances.
_SPACING = 0.15


class GraphOutput(NamedTuple):
    """Bonds of a graph, and a revision of its atoms.

    Shapes:
        pairs ``[2, E]``: atoms within the cutoff, lower index first; bond ``[E]``: logit of their bond;
        move ``[N, 3]``: from where each atom is to where it should be, in Å; move_log_var ``[N, 3]``: log of
        the variance of that in Å²; real ``[N]``: logit that there is such an atom.
    """

    pairs: Tensor
    bond: Tensor
    move: Tensor
    move_log_var: Tensor
    real: Tensor


def gaussian_centers(cutoff: float) -> Tensor:
    """Centers in Å of the Gaussians of distances up to ``cutoff``."""
    return torch.arange(0.6, cutoff + _SPACING, _SPACING)


def near_pairs(pos: Tensor, batch: Tensor, cutoff: float, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of atoms of one graph that are closer than ``cutoff`` Å, lower index first, ``[2, E]``, and the
    Gaussians of their distances ``[E, C]``."""
    near = (torch.cdist(pos, pos) < cutoff) & (batch[:, None] == batch)
    pairs = near.triu(diagonal=1).nonzero().T
    distance = (pos[pairs[0]] - pos[pairs[1]]).norm(dim=-1, keepdim=True)
    return pairs, ((distance - centers) / _SPACING).square().mul(-0.5).exp()


def read_out(
    h: Tensor, x: Tensor, pairs: Tensor, gaussians: Tensor, bond_mlp: Module, atom_mlp: Module
) -> GraphOutput:
    """Bonds and revision from the states ``h`` and features ``x`` of the atoms."""
    first, second = pairs
    both = torch.cat([h[first] + h[second], h[first] * h[second], gaussians], dim=-1)
    move, log_var, real = atom_mlp(torch.cat([h, x], dim=-1)).split([3, 3, 1], dim=-1)
    return GraphOutput(pairs, bond_mlp(both).squeeze(-1), move, log_var, real.squeeze(-1))


class GraphHead(MessagePassing):
    r"""Bonds among the atoms of a graph, and a revision of each of them, from the features of an image there.

    .. math::
        \mathbf{h}_v &= \mathrm{ReLU}(\mathbf{W} \mathbf{x}_v + \mathbf{b}), \qquad
        \mathbf{h}_v \leftarrow \mathrm{GRU}\Big(\sum_{u} \mathrm{MLP}([\mathbf{h}_u \,\Vert\, \mathbf{h}_v
        \,\Vert\, \mathbf{g}(r_{uv})]),\ \mathbf{h}_v\Big)

        \ell_{uv} &= \mathrm{MLP}([\mathbf{h}_u + \mathbf{h}_v \,\Vert\, \mathbf{h}_u \odot \mathbf{h}_v
        \,\Vert\, \mathbf{g}(r_{uv})]), \qquad
        [\Delta\mathbf{r}_v \,\Vert\, \mathbf{s}_v \,\Vert\, \ell_v] = \mathrm{MLP}([\mathbf{h}_v \,\Vert\,
        \mathbf{x}_v])

    with Gaussians :math:`\mathbf{g}` of the distance, every 0.15 Å from 0.6 Å on ("SchNet", Schütt et al.,
    arXiv:1706.08566, section 3). The logit is the same for :math:`uv` and :math:`vu`.

    Args:
        in_channels (int): Size of the atoms' features.
        channels (int, optional): Size of the node states. (default: :obj:`32`)
        cutoff (float, optional): Distance in Å beyond which there is no bond. (default: :obj:`2.8`)

    Shapes:
        - **input:** features :math:`(|\mathcal{V}|, F_{in})`, positions :math:`(|\mathcal{V}|, 3)` in Å, the
          graph of each atom :math:`(|\mathcal{V}|)`
        - **output:** :class:`GraphOutput`
    """

    centers: Tensor

    def __init__(self, in_channels: int, channels: int = 32, cutoff: float = 2.8) -> None:
        super().__init__(aggr="add")
        self.cutoff = cutoff
        self.register_buffer("centers", gaussian_centers(cutoff), persistent=False)
        width = len(self.centers)
        self.encoder = Linear(in_channels, channels)
        self.message_mlp = MLP([2 * channels + width, channels, channels], norm=None)
        self.rnn = GRUCell(channels, channels)
        self.bond_mlp = MLP([2 * channels + width, channels, 1], norm=None)
        self.atom_mlp = MLP([channels + in_channels, 2 * channels, 7], norm=None)

        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        for layer in (self.encoder, self.message_mlp, self.rnn, self.bond_mlp, self.atom_mlp):
            layer.reset_parameters()
        # Nothing is moved at first.
        self.atom_mlp.lins[-1].weight.data.mul_(0.1)

    def forward(self, x: Tensor, pos: Tensor, batch: Tensor) -> GraphOutput:
        pairs, gaussians = near_pairs(pos, batch, self.cutoff, self.centers)
        h = self.encoder(x).relu()
        edges, edge_attr = torch.cat([pairs, pairs.flip(0)], dim=1), torch.cat([gaussians, gaussians])
        for _ in range(_PROPAGATIONS):
            h = self.rnn(self.propagate(edges, h=h, edge_attr=edge_attr, size=(len(h), len(h))), h)
        return read_out(h, x, pairs, gaussians, self.bond_mlp, self.atom_mlp)

    def message(self, h_i: Tensor, h_j: Tensor, edge_attr: Tensor) -> Tensor:
        return self.message_mlp(torch.cat([h_j, h_i, edge_attr], dim=-1))

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({self.encoder.in_features}, channels={self.encoder.out_features}, "
            f"cutoff={self.cutoff})"
        )
