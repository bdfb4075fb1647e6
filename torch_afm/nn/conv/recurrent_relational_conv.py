"""Recurrent relational message passing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn import MLP
from torch_geometric.nn.conv import MessagePassing


class RecurrentRelationalConv(MessagePassing):
    r"""One propagation of a recurrent relational network ("Recurrent Relational Networks", Palm et al.,
    arXiv:1711.08028) with a gated recurrent unit as its update, as in Eqs. 3.22 to 3.27 of the
    graph-AFM thesis, Aalto University (see CITATION.cff).

    .. math::
        \mathbf{m}_{ij} &= \mathrm{MLP}\left([\mathbf{h}_i \,\Vert\, \mathbf{h}_j \,\Vert\,
        \mathbf{e}_{ij}]\right), \qquad
        \mathbf{m}_j = \sum_{i \in \mathcal{N}(j)} \mathbf{m}_{ij}

        \mathbf{h}^{\prime}_j &= \mathrm{GRU}(\mathbf{m}_j, \mathbf{h}_j)

    The message is a function of both ends, sender :math:`i` first; :class:`torch_geometric.nn.GatedGraphConv`
    has messages that are linear in the sender alone. Several propagations are several calls: the weights are
    then shared, as the thesis' Eq. 4.2 has it.

    Args:
        channels (int): Size of the node states.
        message_channels (sequence of int, optional): Hidden sizes of the message MLP.
            (default: :obj:`(64,)`)
        edge_channels (int, optional): Size of the features :math:`\mathbf{e}_{ij}` of the edges.
            (default: :obj:`0`)
        **kwargs (optional): Additional arguments of :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:** node states :math:`(|\mathcal{V}|, F)`, edge indices :math:`(2, |\mathcal{E}|)`,
          edge features :math:`(|\mathcal{E}|, D)`, where there are any
        - **output:** node states :math:`(|\mathcal{V}|, F)`
    """

    def __init__(
        self, channels: int, message_channels: Sequence[int] = (64,), edge_channels: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(aggr="add", **kwargs)
        self.channels = channels
        self.message_channels = tuple(message_channels)
        self.edge_channels = edge_channels

        self.mlp = MLP([2 * channels + edge_channels, *message_channels, channels], norm=None)
        self.rnn = torch.nn.GRUCell(channels, channels)

        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        self.mlp.reset_parameters()
        self.rnn.reset_parameters()

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None = None) -> Tensor:
        if edge_attr is None:
            edge_attr = x.new_zeros(edge_index.size(1), 0)
        # propagate_type: (x: Tensor, edge_attr: Tensor)
        m = self.propagate(edge_index, x=x, edge_attr=edge_attr, size=(x.size(0), x.size(0)))
        return self.rnn(m, x)

    def message(self, x_i: Tensor, x_j: Tensor, edge_attr: Tensor) -> Tensor:
        # In PyG the sender is j and the receiver i.
        return self.mlp(torch.cat([x_j, x_i, edge_attr], dim=-1))

    def __repr__(self) -> str:
        edges = f", edge_channels={self.edge_channels}" if self.edge_channels else ""
        return f"{self.__class__.__name__}({self.channels}, message_channels={self.message_channels}{edges})"
