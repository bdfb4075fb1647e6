"""What a spatial generator says of several graphs, each looked at from several sides."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.data import AFMData
from torch_afm.models import SpatialGenerator
from torch_afm.nn import GraphOutput, SpatialPrediction
from torch_afm.utils import InputError, check_finite

#: Ways to lay a square upon itself: mirrored along x or not, then quarter turns from x towards y. The first
#: four need no square.
_WAYS = ((False, 0), (True, 0), (False, 2), (True, 2), (False, 1), (True, 1), (False, 3), (True, 3))


def look(model: SpatialGenerator, graphs: Sequence[AFMData], views: int = 1) -> list[SpatialPrediction]:
    r"""The network's predictions for ``graphs``, all passed through it at once: the mean over ``views``
    mirror images and quarter turns of each.

    The physics knows no handedness and no compass, and a mirrored scan is a scan of the mirrored molecule
    with a mirrored tip; a network that was not made so knows this only by and large, so what differs between
    the views is its error. Logits, positions and variances are averaged, and the probabilities of the
    classes.

    Args:
        model: the generator, in evaluation mode.
        graphs: graphs with normalised stacks.
        views: 1, 4 (mirror images along x and y, and both) or 8 (those turned by a quarter, too).

    Raises:
        InputError: for other numbers of views, for 8 with a scan that is no square, and for a network that
            predicts no finite numbers.
    """
    if views not in (1, 4, 8):
        raise InputError(f"views: expected 1, 4 or 8, got {views}")
    (height, width), pitch = model.grid.shape, model.grid.pitch
    if views == 8 and (height != width or abs(pitch[0] - pitch[1]) > 1e-6):
        raise InputError(f"views: expected 1 or 4 for a scan that is no square, got {views}")
    ways = _WAYS[:views]
    batch = Batch.from_data_list([_turned(graph, *way) for way in ways for graph in graphs])
    out = model(batch.to(next(model.parameters()).device))
    for name in ("heat", "kind", "position", "log_var", "stop"):
        check_finite(f"model: {name}", getattr(out, name))
    parts = _split(out, batch.ptr.tolist())
    seen = [
        [_back(parts[k * len(graphs) + i], *way) for k, way in enumerate(ways)] for i in range(len(graphs))
    ]
    return [_mean(of_one) for of_one in seen]


def _turned(graph: AFMData, mirror: bool, turns: int) -> AFMData:
    pos = graph.pos * graph.pos.new_tensor([-1.0 if mirror else 1.0, 1.0, 1.0])
    stacks = (_moved(graph[name], mirror, turns) for name in ("reference", "simulated"))
    reference, simulated = stacks
    return AFMData(z=graph.z, pos=_rotated(pos, turns), reference=reference, simulated=simulated)


def _moved(image: Tensor, mirror: bool, turns: int) -> Tensor:
    return torch.rot90(image.flip(-1) if mirror else image, turns, dims=(-1, -2))


def _moved_back(image: Tensor, mirror: bool, turns: int) -> Tensor:
    image = torch.rot90(image, -turns, dims=(-1, -2))
    return image.flip(-1) if mirror else image


def _rotated(vectors: Tensor, turns: int) -> Tensor:
    """Vectors ``[..., 3]`` turned about z."""
    x, y, z = vectors.unbind(-1)
    for _ in range(turns % 4):
        x, y = -y, x
    return torch.stack([x, y, z], dim=-1)


def _back(out: SpatialPrediction, mirror: bool, turns: int) -> SpatialPrediction:
    """A prediction for a graph turned so, as one for the graph itself."""
    flip = out.heat.new_tensor([-1.0 if mirror else 1.0, 1.0, 1.0])
    heat, kind, position, log_var = (
        _moved_back(m, mirror, turns) for m in (out.heat, out.kind, out.position, out.log_var)
    )
    position = (_rotated(position.movedim(2, -1), -turns) * flip).movedim(-1, 2)
    if turns % 2:
        log_var = log_var[:, :, [1, 0, 2]]
    graph = out.graph
    move_log_var = graph.move_log_var[:, [1, 0, 2]] if turns % 2 else graph.move_log_var
    graph = graph._replace(move=_rotated(graph.move, -turns) * flip, move_log_var=move_log_var)
    return SpatialPrediction(heat, kind, position, log_var, out.stop, graph)


def _split(out: SpatialPrediction, ptr: list[int]) -> list[SpatialPrediction]:
    """The predictions of a batch, one by one, on the CPU."""
    maps = [part.cpu() for part in out[:5]]
    graph = GraphOutput(*(part.cpu() for part in out.graph))
    parts = []
    for i, (begin, end) in enumerate(itertools.pairwise(ptr)):
        own = (graph.pairs[0] >= begin) & (graph.pairs[0] < end)
        atoms = slice(begin, end)
        said = GraphOutput(
            graph.pairs[:, own] - begin,
            graph.bond[own],
            graph.move[atoms],
            graph.move_log_var[atoms],
            graph.real[atoms],
        )
        heat, kind, position, log_var, stop = (m[i : i + 1] for m in maps)
        parts.append(SpatialPrediction(heat, kind, position, log_var, stop, said))
    return parts


def _mean(outs: Sequence[SpatialPrediction]) -> SpatialPrediction:
    if len(outs) == 1:
        return outs[0]

    def mean(name: str) -> Tensor:
        return torch.stack([getattr(out, name) for out in outs]).mean(dim=0)

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
    said = GraphOutput(
        pairs,
        total[tuple(pairs)] / count[tuple(pairs)],
        torch.stack([graph.move for graph in graphs]).mean(dim=0),
        share([graph.move_log_var for graph in graphs]),
        torch.stack([graph.real for graph in graphs]).mean(dim=0),
    )
    kind, log_var = (share([getattr(out, name) for out in outs]) for name in ("kind", "log_var"))
    return SpatialPrediction(mean("heat"), kind, mean("position"), log_var, mean("stop"), said)
