"""The layers stand alone: message passing and a gated readout over a batch of molecule graphs."""

import torch
from torch_geometric.data import Batch

from torch_afm.data import from_smiles
from torch_afm.nn import GatedAggregation, RecurrentRelationalConv

batch = Batch.from_data_list([from_smiles(s) for s in ("CCO", "c1ccccc1")])
x = torch.nn.functional.one_hot(batch.z, 20).float()

conv, readout = RecurrentRelationalConv(20), GatedAggregation(20, 32, 128)
for _ in range(3):  # the weights are shared between propagations
    x = conv(x, batch.edge_index)
graph = readout(x, batch.batch, dim_size=batch.num_graphs)

print(conv, readout, sep="\n")
print(f"atoms {tuple(x.shape)}, molecules {tuple(graph.shape)}")
