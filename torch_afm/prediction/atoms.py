"""Graphs as a generation builds them: atoms revised, selected and appended."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.utils import subgraph

from torch_afm.data import AFMData, covalent_bonds
from torch_afm.elements import AtomClasses
from torch_afm.models import Generator, Proposal, Revision
from torch_afm.models.base import MIN_DISTANCE

#: A bond is drawn where its predicted probability exceeds this (graph-AFM thesis, Aalto University (see
#: CITATION.cff), section 4.2).
BOND_THRESHOLD = 0.5

#: Probability below which an atom of the graph is removed again.
MIN_REAL = 0.3

#: What is known of each atom; ``sigma`` where the network gives it.
ATOM_KEYS = ("z", "pos", "charge", "class_probabilities", "confidence", "sigma")


def no_atoms(classes: AtomClasses) -> AFMData:
    """The graph where a generation starts."""
    graph = AFMData.empty()
    graph.class_probabilities = torch.empty(0, len(classes) - 1)
    graph.confidence, graph.bond_probability = torch.empty(0), torch.empty(0)
    return graph


def select_atoms(graph: AFMData, index: Tensor) -> AFMData:
    """Some of the atoms, by indices or booleans, with the bonds among them."""
    n = len(graph.z)
    chosen = AFMData(**{key: graph[key][index] for key in ATOM_KEYS if key in graph})
    keep = torch.zeros(n, dtype=torch.bool)
    keep[index] = True
    probability = graph.get("bond_probability")
    chosen.edge_index, chosen.bond_probability = subgraph(
        keep,
        graph.get("edge_index", graph.z.new_empty(2, 0)),
        torch.empty(0) if probability is None else probability,
        relabel_nodes=True,
        num_nodes=n,
    )
    return chosen


def concat_graphs(graphs: Sequence[AFMData]) -> AFMData:
    """The atoms of all graphs, one after the other, with their bonds."""
    filled = [graph for graph in graphs if len(graph.z)] or graphs[-1:]
    keys = [key for key in ATOM_KEYS if all(key in graph for graph in filled)]
    whole = AFMData(**{key: torch.cat([graph[key] for graph in filled]) for key in keys})
    starts = torch.tensor([0] + [len(graph.z) for graph in filled]).cumsum(0).tolist()
    bonded = [(g, start) for g, start in zip(filled, starts, strict=False) if "bond_probability" in g]
    none = whole.z.new_empty(2, 0)
    whole.edge_index = torch.cat([none, *(graph.edge_index + start for graph, start in bonded)], dim=1)
    whole.bond_probability = torch.cat([torch.empty(0), *(graph.bond_probability for graph, _ in bonded)])
    return whole


def append_atoms(graph: AFMData, atoms: AFMData, bonds: Tensor | None = None) -> AFMData:
    """``graph`` with more atoms, bonded where the probability ``bonds`` ``[M, N]`` exceeds 0.5."""
    whole = concat_graphs([graph, atoms])
    if bonds is not None:
        new, old = (bonds > BOND_THRESHOLD).nonzero(as_tuple=True)
        pairs = torch.stack([old, new + len(graph.z)])
        whole.edge_index = torch.cat([whole.edge_index, pairs, pairs.flip(0)], dim=1)
        whole.bond_probability = torch.cat([whole.bond_probability, bonds[new, old].repeat(2)])
    return whole


def revise(graph: AFMData, revision: Revision | None) -> AFMData:
    """``graph`` with its atoms where the network sees them now, without those that are hardly real, and
    without the less certain of two that meet; as it is without a revision."""
    if revision is None:
        return graph
    moved = copy.copy(graph)
    moved.pos = revision.pos
    kept: list[int] = []
    for i in revision.real.argsort(descending=True, stable=True).tolist():
        gap = (moved.pos[kept] - moved.pos[i]).norm(dim=1)
        if revision.real[i] >= MIN_REAL and (not kept or float(gap.min()) >= MIN_DISTANCE):
            kept.append(i)
    return select_atoms(moved, torch.tensor(sorted(kept), dtype=torch.long))


def select_proposed(proposal: Proposal, keep: Tensor) -> Proposal:
    """The proposal with some of its atoms, by indices or booleans."""
    bonds = proposal.bonds if proposal.bonds is None else proposal.bonds[keep]
    return dataclasses.replace(proposal, atoms=select_atoms(proposal.atoms, keep), bonds=bonds)


def with_bonds(graph: AFMData, proposal: Proposal) -> AFMData:
    """``graph`` with its bonds as the network sees them: those of its revision, else those that came with the
    atoms, else by distance (:func:`torch_afm.data.covalent_bonds`), with the product of the confidences of
    both atoms as probability."""
    if proposal.revised is None and proposal.bonds is not None:
        return graph
    bonded = copy.copy(graph)
    if proposal.revised is not None:
        probability = proposal.revised.bonds
        chosen = probability > BOND_THRESHOLD
        pairs = proposal.revised.pairs[:, chosen]
        bonded.edge_index = torch.cat([pairs, pairs.flip(0)], dim=1)
        bonded.bond_probability = probability[chosen].repeat(2)
    else:
        bonded.edge_index = covalent_bonds(graph.z, graph.pos)
        bonded.bond_probability = graph.confidence[bonded.edge_index].prod(dim=0)
    return bonded


def is_context(graph: AFMData, model: Generator) -> Tensor:
    """Which atoms, ``[N]`` booleans, are context: below the surface cut of a network that predicts it."""
    cut = model.config.z_min if model.has_context else -torch.inf
    return graph.pos[:, 2] < cut


def split_context(graph: AFMData, model: Generator) -> tuple[AFMData, AFMData]:
    """The answer and its context, each with the bonds among its atoms."""
    deep = is_context(graph, model)
    return select_atoms(graph, ~deep), select_atoms(graph, deep)


def far_from(a: Tensor, b: Tensor) -> Tensor:
    """Which of the points ``a`` are at least 0.5 Å from all of ``b``."""
    return (torch.linalg.vector_norm(a[:, None] - b, dim=-1) >= MIN_DISTANCE).all(dim=1)
