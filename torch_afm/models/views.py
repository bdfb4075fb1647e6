"""Predictions of maps as means over symmetric images of a graph."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import Batch

from torch_afm.data import AFMData
from torch_afm.nn import GraphOutput, ScanPrediction, SpatialPrediction
from torch_afm.symmetry import Symmetry
from torch_afm.utils import check_finite

#: Stacks of a graph that turn with it.
_IMAGES = ("reference", "simulated", "valid")

#: Maps of logarithms, of which what they are the logarithms of is averaged.
_LOGARITHMS = ("class_logits", "log_var", "parent_logits")

Maps = TypeVar("Maps", SpatialPrediction, ScanPrediction)


def predict_views(model: Module, graphs: Sequence[AFMData], views: int = 1) -> list[Any]:
    r"""The network's predictions for ``graphs``, all passed through it at once, view by view: the mean over
    ``views`` mirror images and quarter turns of each (:meth:`torch_afm.symmetry.Symmetry.group`).

    The physics knows no handedness and no compass, and a mirrored scan is a scan of the mirrored molecule
    with a mirrored tip; a network that was not made so knows this only by and large, so what differs between
    the views is its error. Logits, positions and variances are averaged, and the probabilities of the
    classes.

    Args:
        model: the network, in evaluation mode; it gives a :class:`~torch_afm.nn.SpatialPrediction` or a
            :class:`~torch_afm.nn.ScanPrediction`.
        graphs: graphs with normalized stacks.
        views: 1, 4 (mirror images along x and y, and both) or 8 (those turned by a quarter, too, which a
            network of a fixed window can only be asked on a square).

    Raises:
        InputError: for a network that predicts no finite numbers.
    """
    device = next(model.parameters()).device
    seen: list[list[Any]] = []
    for symmetry in Symmetry.group(views):
        batch = Batch.from_data_list([_turned(graph, symmetry) for graph in graphs])
        out = model(batch.to(device))
        for name, part in _parts(out):
            check_finite(f"model: {name}", part)
        seen.append([_restored(part, symmetry.inverse) for part in _split(out, batch.ptr.tolist())])
    return [_mean(outs) for outs in zip(*seen, strict=True)]


def _turned(graph: AFMData, symmetry: Symmetry) -> AFMData:
    turned = AFMData(z=graph.z, pos=symmetry.vectors(graph.pos))
    for key in _IMAGES:
        if key in graph:
            turned[key] = symmetry.image(graph[key])
    if "amplitude" in graph:
        turned.amplitude = graph.amplitude
    return turned


def _restored(out: Maps, inverse: Symmetry) -> Maps:
    """A prediction for a turned graph as one for the graph itself."""
    maps = {name: inverse.image(part) for name, part in _parts(out) if part.dim() > 1}
    graph = out.graph._replace(
        move=inverse.vectors(out.graph.move), move_log_var=inverse.variances(out.graph.move_log_var)
    )
    maps["position"] = _map_vectors(inverse.vectors, maps["position"])
    maps["log_var"] = _map_vectors(inverse.variances, maps["log_var"])
    return out._replace(graph=graph, **maps)


def _map_vectors(change: Callable[[Tensor], Tensor], maps: Tensor) -> Tensor:
    """``change`` of the vectors in maps ``[1, P, 3, Y, X]``."""
    return change(maps.movedim(2, -1)).movedim(-1, 2)


def _parts(out: Maps) -> list[tuple[str, Tensor]]:
    """What a prediction has of each graph, by name: all but the atoms that are there."""
    return [(name, getattr(out, name)) for name in out._fields if name != "graph"]


def _split(out: Maps, ptr: list[int]) -> list[Maps]:
    """The predictions of a batch, one by one, on the CPU."""
    maps = [(name, part.cpu()) for name, part in _parts(out)]
    graph = GraphOutput(*(part.cpu() for part in out.graph))
    parts = []
    for i, (begin, end) in enumerate(itertools.pairwise(ptr)):
        inside = (graph.pairs[0] >= begin) & (graph.pairs[0] < end)
        atoms = slice(begin, end)
        part = GraphOutput(
            graph.pairs[:, inside] - begin,
            graph.bond[inside],
            graph.move[atoms],
            graph.move_log_var[atoms],
            graph.real[atoms],
        )
        parts.append(out._replace(graph=part, **{name: m[i : i + 1] for name, m in maps}))
    return parts


def _mean(outs: Sequence[Maps]) -> Maps:
    if len(outs) == 1:
        return outs[0]

    def share(parts: Sequence[Tensor]) -> Tensor:
        """Logarithm of the mean of what these are the logarithms of."""
        return torch.stack(list(parts)).logsumexp(dim=0) - torch.tensor(float(len(parts))).log()

    graphs = [out.graph for out in outs]
    # A pair at the cutoff itself may be one in some views only.
    n, pairs = len(graphs[0].real), graphs[0].pairs
    total, count = torch.zeros(2, n, n)
    for graph in graphs:
        total[tuple(graph.pairs)] += graph.bond
        count[tuple(graph.pairs)] += 1
    graph = GraphOutput(
        pairs,
        total[tuple(pairs)] / count[tuple(pairs)],
        torch.stack([graph.move for graph in graphs]).mean(dim=0),
        share([graph.move_log_var for graph in graphs]),
        torch.stack([graph.real for graph in graphs]).mean(dim=0),
    )
    means = {}
    for name, first in _parts(outs[0]):
        parts = [getattr(out, name) for out in outs]
        if name in _LOGARITHMS:
            means[name] = share(parts)
        elif first.is_floating_point():
            means[name] = torch.stack(parts).mean(dim=0)
    return outs[0]._replace(graph=graph, **means)
