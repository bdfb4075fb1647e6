"""Graphs as spatial generation builds them: atoms found, revised, taken and joined."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.utils import subgraph as pyg_subgraph

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.generation.greedy import BOND_THRESHOLD
from torch_afm.nn import GraphOutput, MapGrid, SpatialPrediction, class_planes

#: Probability below which an atom there is is removed again.
REAL = 0.3

#: What is known of each atom.
ATOM_KEYS = ("z", "pos", "charge", "class_probabilities", "confidence", "sigma")


def no_atoms(classes: AtomClasses) -> AFMData:
    """The graph where a generation starts."""
    graph = AFMData.empty()
    graph.class_probabilities = torch.empty(0, len(classes) - 1)
    graph.confidence, graph.sigma = torch.empty(0), torch.empty(0, 3)
    return graph


def find_atoms(
    out: SpatialPrediction, grid: MapGrid, classes: AtomClasses, confidence: float, min_distance: float
) -> AFMData:
    r"""The atoms of one prediction that stand out, most confident first.

    A pixel whose heat is the highest of its plane in the 3 x 3 around it is a candidate (the non-maximum
    suppression of Zhou et al., arXiv:1904.07850). If the atom of the other plane at this pixel would be
    closer than ``min_distance`` to it, both are the same atom: their probabilities add up to its
    ``confidence`` (1 at most). What each class has of that is its ``class_probabilities``. Candidates closer
    than ``min_distance`` to a more confident one are dropped.

    Args:
        out: a prediction of one graph.
        grid: the pixels of its maps.
        classes: its classes.
        confidence: least confidence.
        min_distance: in Å.

    Returns:
        graph with ``z``, ``pos`` [Å], ``charge`` (0 e), no bonds, ``class_probabilities``
        ``[N, K]``, ``confidence`` ``[N]``, ``sigma`` ``[N, 3]``: standard deviations of x, y, z in Å.
    """
    heat, log_var = out.heat[0].sigmoid(), out.log_var[0].permute(0, 2, 3, 1)
    x, y = grid.axes(heat)
    place = out.position[0].permute(0, 2, 3, 1) + F.pad(
        torch.stack(torch.meshgrid(x, y, indexing="xy"), -1), (0, 1)
    )
    peak = (heat == F.max_pool2d(heat, 3, stride=1, padding=1)) & (heat >= confidence / len(heat))
    plane, row, column = peak.nonzero(as_tuple=True)
    pos, sigma = place[plane, row, column], (log_var[plane, row, column] / 2).exp()
    same = (place[:, row, column] - pos).norm(dim=-1) < min_distance
    share = (heat[:, row, column] * same).T
    total = share.sum(dim=1)
    best = heat[plane, row, column] >= share.amax(dim=1)
    order = [
        i for i in total.argsort(descending=True, stable=True).tolist() if best[i] and total[i] >= confidence
    ]
    kept: list[int] = []
    for i in order:
        if not kept or float((pos[kept] - pos[i]).norm(dim=1).min()) >= min_distance:
            kept.append(i)
    kinds = share[:, class_planes(classes)] * out.kind[0, :, row, column].T.exp() / total[:, None]
    atoms = no_atoms(classes)
    atoms.z, atoms.pos, atoms.charge = (
        classes.representative(kinds[kept].argmax(dim=1) + 1),
        pos[kept],
        pos.new_zeros(len(kept)),
    )
    atoms.class_probabilities = kinds[kept]
    atoms.confidence, atoms.sigma = total[kept].clamp(max=1), sigma[kept]
    return atoms


def revise(graph: AFMData, said: GraphOutput, min_distance: float) -> AFMData:
    """``graph`` with its atoms where the network sees them now, without those that it believes in no longer,
    and without the less certain of two that meet."""
    real = said.real.sigmoid()
    revised = take(graph, slice(None))
    revised.pos = graph.pos + said.move
    kept: list[int] = []
    for i in real.argsort(descending=True, stable=True).tolist():
        alone = not kept or float((revised.pos[kept] - revised.pos[i]).norm(dim=1).min()) >= min_distance
        if alone and real[i] >= REAL:
            kept.append(i)
    return take(revised, torch.tensor(sorted(kept), dtype=torch.long))


def with_bonds(graph: AFMData, said: GraphOutput) -> AFMData:
    """``graph`` with its bonds as the network sees them, and how probable each is."""
    bonded = take(graph, slice(None))
    probability = said.bond.sigmoid()
    chosen = probability > BOND_THRESHOLD
    pairs = said.pairs[:, chosen]
    bonded.edge_index = torch.cat([pairs, pairs.flip(0)], dim=1)
    bonded.bond_probability = probability[chosen].repeat(2)
    return bonded


def parted(graph: AFMData, z_min: float) -> tuple[AFMData, AFMData]:
    """The atoms above the surface cut and those below, each with the bonds among them."""
    deep = graph.pos[:, 2] < z_min
    return subgraph(graph, ~deep), subgraph(graph, deep)


def subgraph(graph: AFMData, keep: Tensor) -> AFMData:
    """The atoms ``keep`` (booleans), and the bonds among them with their probabilities."""
    part = take(graph, keep)
    part.edge_index, part.bond_probability = pyg_subgraph(
        keep, graph.edge_index, graph.bond_probability, relabel_nodes=True, num_nodes=len(keep)
    )
    return part


def take(graph: AFMData, index: Tensor | slice) -> AFMData:
    """Some of the atoms, without bonds."""
    taken = AFMData(**{key: graph[key][index] for key in ATOM_KEYS})
    taken.edge_index = graph.z.new_empty(2, 0)
    return taken


def joined(a: AFMData, b: AFMData) -> AFMData:
    """The atoms of both, without bonds."""
    joined = AFMData(**{key: torch.cat([a[key], b[key]]) for key in ATOM_KEYS})
    joined.edge_index = a.z.new_empty(2, 0)
    return joined


def apart(a: Tensor, b: Tensor, distance: float) -> Tensor:
    """Which of the points ``a`` are at least ``distance`` from all of ``b``."""
    return (torch.linalg.vector_norm(a[:, None] - b, dim=-1) >= distance).all(dim=1)
