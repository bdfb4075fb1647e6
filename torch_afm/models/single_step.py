"""Maps of missing atoms as single-atom steps, for the tables of networks that propose one atom a step."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses, max_bond_length
from torch_afm.nn import MapGrid, ScanPrediction, SpatialPrediction, StepPrediction, class_planes


def strongest_atom(
    out: SpatialPrediction | ScanPrediction,
    data: AFMData | Batch,
    grid: MapGrid,
    classes: AtomClasses,
    z_min: float,
    stop: Tensor | None = None,
) -> StepPrediction:
    """The most certain missing visible atom of each graph in the form of a
    :class:`~torch_afm.models.SequentialGenerator`, so that both compare in tables of single-atom steps. Its
    bonds are those that distances make likely (:func:`~torch_afm.data.covalent_bonds`).

    Args:
        out: predictions of ``data``.
        data: the graphs.
        grid: the pixels of the maps.
        classes: the classes.
        z_min: depth in Å down to which atoms are visible.
        stop: probability that none is missing, ``[B]``; by default, that of no atom at the strongest pixel.
    """
    num_graphs, width = len(out.heatmap), grid.shape[1]
    shown = out.heatmap.masked_fill(out.position[:, :, 2] < z_min, -torch.inf).flatten(1)
    strength, best = shown.max(dim=1)
    size = out.heatmap[0, 0].numel()
    plane, pixel = best // size, best % size
    graph, row, column = torch.arange(num_graphs, device=plane.device), pixel // width, pixel % width
    x, y = grid.axes(out.heatmap)
    pos = out.position[graph, plane, :, row, column] + torch.stack([x[column], y[row], 0 * x[column]], dim=1)

    ended = (1 - strength.sigmoid() if stop is None else stop)[:, None]
    in_plane = class_planes(classes).to(plane.device) == plane[:, None]
    probability = out.class_logits[graph, :, row, column].exp() * in_plane
    shares = torch.cat([ended, (1 - ended) * probability], dim=1)
    batch = data.batch if "batch" in data else torch.zeros_like(data.z)
    new = classes.representative(probability.argmax(dim=1) + 1)[batch]
    reach = out.heatmap.new_tensor(max_bond_length(new.tolist(), data.z.tolist()))
    distance = (data.pos - pos[batch]).norm(dim=1)
    return StepPrediction(shares.clamp(min=1e-12).log(), pos, (reach - distance) / 0.1)
