"""Graphs on a line."""

import torch

from torch_afm.data import AFMData


def on_a_line(*x, z=None, bonds=()):
    pos = torch.tensor([[v, 0.0, 0.0] for v in x]).reshape(-1, 3)
    edges = torch.tensor([*bonds, *((j, i) for i, j in bonds)], dtype=torch.long).reshape(-1, 2).T
    return AFMData(z=torch.tensor(z or [6] * len(x), dtype=torch.long), pos=pos, edge_index=edges)
