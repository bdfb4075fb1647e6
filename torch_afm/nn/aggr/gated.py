"""Gated sum of node features."""

from __future__ import annotations

from torch import Tensor
from torch_geometric.nn import MLP
from torch_geometric.nn.aggr import Aggregation


class GatedAggregation(Aggregation):
    r"""The graph readout of "Learning Deep Generative Models of Graphs" (Li et al., arXiv:1803.03324), Eqs.
    4.3 to 4.5 of the graph-AFM thesis, Aalto University (see CITATION.cff): node features, raised to more
    dimensions and gated, are summed.

    .. math::
        \mathbf{h}_G = \sum_{v \in \mathcal{V}} \sigma\left(g_m(\mathbf{h}_v)\right) \odot f_m(\mathbf{h}_v)

    :math:`f_m` and :math:`g_m` are MLPs with one hidden layer. The gate is a sigmoid a node and a feature, so
    that :math:`\mathbf{h}_G` grows with the graph; :class:`torch_geometric.nn.AttentionalAggregation`
    takes a softmax over the nodes instead. A graph without nodes gives zeros (pass :obj:`dim_size`, without
    which trailing empty graphs would be dropped).

    Args:
        in_channels (int): Size of the node features.
        hidden_channels (int): Hidden size of both MLPs.
        out_channels (int): Size of the graph features.

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F_{in})`, graph of each node :math:`(|\mathcal{V}|)`
        - **output:** graph features :math:`(|\mathcal{G}|, F_{out})`
    """

    def __init__(self, in_channels: int, hidden_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.out_channels = out_channels

        self.mlp = MLP([in_channels, hidden_channels, out_channels], norm=None)
        self.gate_mlp = MLP([in_channels, hidden_channels, out_channels], norm=None)

        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.mlp.reset_parameters()
        self.gate_mlp.reset_parameters()

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
    ) -> Tensor:
        return self.reduce(self.gate_mlp(x).sigmoid() * self.mlp(x), index, ptr, dim_size, dim, reduce="sum")

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({self.in_channels}, {self.out_channels}, "
            f"hidden_channels={self.hidden_channels})"
        )
