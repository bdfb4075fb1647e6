"""Revise a graph by relational message passing: bonds, positions and existence of its atoms."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Linear, Module
from torch_geometric.nn import MLP

from torch_afm.nn.conv import RecurrentRelationalConv
from torch_afm.nn.graph_head import GraphOutput, gaussian_centers, near_pairs, read_out

#: Rounds of messages, with shared weights.
_PROPAGATIONS = 3


class RelationalHead(Module):
    r"""Bonds among the atoms of a graph, and a revision of each of them, from the features of an image there.

    .. math::
        \mathbf{h}_v &= \mathrm{ReLU}(\mathbf{W} \mathbf{x}_v + \mathbf{b}), \qquad
        \mathbf{h}_v \leftarrow \mathrm{RRC}(\mathbf{h}_v, \mathbf{g}(r_{uv}))

        \ell_{uv} &= \mathrm{MLP}([\mathbf{h}_u + \mathbf{h}_v \,\Vert\, \mathbf{h}_u \odot \mathbf{h}_v
        \,\Vert\, \mathbf{g}(r_{uv})]), \qquad
        [\Delta\mathbf{r}_v \,\Vert\, \mathbf{s}_v \,\Vert\, \ell_v] = \mathrm{MLP}([\mathbf{h}_v \,\Vert\,
        \mathbf{x}_v])

    with three rounds of :class:`~torch_afm.nn.RecurrentRelationalConv` between atoms closer than the cutoff,
    whose edges have Gaussians :math:`\mathbf{g}` of the distance, every 0.15 Å from 0.6 Å on ("SchNet",
    Schütt et al., arXiv:1706.08566, section 3). The logit is the same for :math:`uv` and :math:`vu`.

    Args:
        in_channels (int): Size of the atoms' features.
        channels (int, optional): Size of the node states. (default: :obj:`48`)
        cutoff (float, optional): Distance in Å beyond which there is no bond. (default: :obj:`2.8`)

    Shapes:
        - **input:** features :math:`(|\mathcal{V}|, F_{in})`, positions :math:`(|\mathcal{V}|, 3)` in Å, the
          graph of each atom :math:`(|\mathcal{V}|)`
        - **output:** :class:`GraphOutput`
    """

    centers: Tensor

    def __init__(self, in_channels: int, channels: int = 48, cutoff: float = 2.8) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.register_buffer("centers", gaussian_centers(cutoff), persistent=False)
        width = len(self.centers)
        self.encoder = Linear(in_channels, channels)
        self.conv = RecurrentRelationalConv(channels, (channels,), edge_channels=width)
        self.bond_mlp = MLP([2 * channels + width, channels, 1], norm=None)
        self.atom_mlp = MLP([channels + in_channels, 2 * channels, 7], norm=None)

        self.reset_parameters()

    def reset_parameters(self) -> None:
        for layer in (self.encoder, self.conv, self.bond_mlp, self.atom_mlp):
            layer.reset_parameters()
        # Nothing is moved at first.
        self.atom_mlp.lins[-1].weight.data.mul_(0.1)

    def forward(self, x: Tensor, pos: Tensor, batch: Tensor) -> GraphOutput:
        pairs, gaussians = near_pairs(pos, batch, self.cutoff, self.centers)
        h = self.encoder(x).relu()
        edges, edge_attr = torch.cat([pairs, pairs.flip(0)], dim=1), torch.cat([gaussians, gaussians])
        for _ in range(_PROPAGATIONS):
            h = self.conv(h, edges, edge_attr)
        return read_out(h, x, pairs, gaussians, self.bond_mlp, self.atom_mlp)

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({self.encoder.in_features}, channels={self.encoder.out_features}, "
            f"cutoff={self.cutoff})"
        )
