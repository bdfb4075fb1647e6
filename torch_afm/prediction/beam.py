"""Beam search: several graphs at once, scored by the network and by the simulator."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.functional import pearson
from torch_afm.models import Proposal, SearchNode, Step
from torch_afm.prediction.atoms import (
    append_atoms,
    far_from,
    no_atoms,
    revise,
    select_atoms,
    select_proposed,
    with_bonds,
)
from torch_afm.prediction.loop import Job
from torch_afm.prediction.result import Prediction
from torch_afm.utils import InputError

#: Passes without a better graph after which a search ends.
PATIENCE = 2

#: Å by which an atom of a new graph must lie elsewhere.
_NEW = 0.05

#: Probability from which an atom is not removed for a try.
_CERTAIN = 0.9

#: Which atoms of its first graph, ``[N]`` booleans, may join its second.
Filter = Callable[[AFMData, AFMData], Tensor]


class _Move(NamedTuple):
    parent: int
    name: str
    graph: AFMData


def run_beam(
    job: Job,
    max_atoms: int,
    confidence: float,
    width: int,
    image_weight: float,
    allowed: Filter | None,
) -> Prediction:
    """The search of :func:`torch_afm.prediction.generate` with ``search="beam"``; the network is in
    evaluation mode."""
    if width < 1 or image_weight < 0:
        raise InputError(
            f"width, image_weight: expected 1 or more and 0 or more, got {width} and {image_weight}"
        )
    search = _Search(job, confidence, image_weight, allowed)
    search.add([_Move(-1, "start", no_atoms(job.model.classes))])
    beam, best, waited = [0], 0, 0
    while waited < PATIENCE:
        moves = (move for parent in beam for move in search.moves(parent))
        fresh = search.unseen([move for move in moves if len(move.graph.z) <= max_atoms])
        if not fresh:
            break
        added = search.add(fresh[: 2 * width])
        beam = sorted(added, key=lambda i: -search.tree[i].score)[:width]
        waited += 1
        if search.tree[beam[0]].score > search.tree[best].score + 1e-6 or best == 0:
            best, waited = beam[0], 0
    return search.prediction(best)


def image_distance(simulated: Tensor, reference: Tensor) -> Tensor:
    r"""How far images are from a reference, the mean over slices of :math:`1 - r` with Pearson's correlation
    :math:`r` of the slice: 0 for equal images, whatever their units; 1 for an unrelated or an empty one.

    Shapes:
        simulated ``[B, 1, Z, Y, X]``, reference ``[1, 1, Z, Y, X]``, result ``[B]``.
    """
    return 1 - pearson(simulated, reference).mean(dim=(1, 2))


class _Search:
    """All graphs tried, with their images, proposals and scores."""

    def __init__(self, job: Job, confidence: float, image_weight: float, allowed: Filter | None) -> None:
        self.job, self.confidence = job, confidence
        self.image_weight, self.allowed = image_weight, allowed
        self.graphs: list[AFMData] = []
        self.stacks: list[Tensor] = []
        self.proposals: list[Proposal] = []
        self.tree: list[SearchNode] = []

    def add(self, moves: list[_Move]) -> list[int]:
        """Image and score the graphs that moves led to; returns their numbers."""
        stacks, proposals = self.job.propose([move.graph for move in moves])
        distances = image_distance(stacks, self.job.reference).tolist()
        first = len(self.tree)
        for move, stack, proposal, distance in zip(moves, stacks, proposals, distances, strict=True):
            likelihood = self.likelihood(move.graph, proposal)
            score = likelihood - self.image_weight * distance
            node = SearchNode(move.parent, move.name, len(move.graph.z), likelihood, distance, score)
            self.tree.append(node)
            self.graphs.append(move.graph)
            self.stacks.append(stack)
            self.proposals.append(proposal)
        return list(range(first, len(self.tree)))

    def likelihood(self, graph: AFMData, proposal: Proposal) -> float:
        """Log-probability that the atoms of a graph are real, and no visible one is missing."""
        visible = proposal.atoms.pos[:, 2] >= self.job.model.config.z_min
        missing = proposal.atoms.confidence[visible].clamp(max=0.99)
        real = _real(graph, proposal).clamp(min=1e-12).log().sum()
        return float(real + (1 - missing).log().sum() + torch.tensor(max(proposal.stop, 1e-12)).log())

    def unseen(self, moves: list[_Move]) -> list[_Move]:
        """Those whose graphs differ from all that were tried, and from each other."""
        known, fresh = list(self.graphs), []
        for move in moves:
            if not any(_alike(move.graph, graph) for graph in known):
                known.append(move.graph)
                fresh.append(move)
        return fresh

    def moves(self, parent: int) -> Iterator[_Move]:
        """Graphs made of one that was tried: all confident atoms added; one more and all others; one less;
        the least certain atom there removed."""
        graph, proposal = self.graphs[parent], self.proposals[parent]
        revised = revise(graph, proposal.revised)
        keep = far_from(proposal.atoms.pos, revised.pos)
        if self.allowed is not None:
            keep &= self.allowed(proposal.atoms, revised)
        proposal = select_proposed(proposal, keep)
        bonded = proposal.revised is None and proposal.bonds is not None
        n, sure = len(proposal.atoms.z), int((proposal.atoms.confidence >= self.confidence).sum())
        counts = [sure]
        counts += [sure + 1] if sure < n else []
        counts += [n] if sure + 1 < n else []
        counts += [sure - 1] if sure > 1 else []
        for count in counts:
            part = select_proposed(proposal, torch.arange(count))
            child = append_atoms(revised, part.atoms, part.bonds if bonded else None)
            yield _Move(parent, f"add {count}" if count else "move", child)
        if len(graph.z) and len(revised.z) == len(graph.z):
            real = _real(graph, proposal)
            weakest = int(real.argmin())
            if float(real[weakest]) < _CERTAIN:
                others = torch.arange(len(graph.z)) != weakest
                yield _Move(parent, "remove 1", select_atoms(revised, others))

    def prediction(self, best: int) -> Prediction:
        """The graph of a node, and the steps that led to it."""
        path = [best]
        while self.tree[path[-1]].parent >= 0:
            path.append(self.tree[path[-1]].parent)
        path.reverse()
        steps = []
        for now, then in zip(path, [*path[1:], None], strict=True):
            graph, proposal = self.graphs[now], self.proposals[now]
            added = no_atoms(self.job.model.classes)
            if then is None:
                graph = with_bonds(graph, proposal)
            else:
                added = select_atoms(self.graphs[then], far_from(self.graphs[then].pos, graph.pos))
            steps.append(Step(graph, self.stacks[now][None], proposal, added))
        nodes = (dataclasses.replace(node, taken=i in path) for i, node in enumerate(self.tree))
        return self.job.prediction(steps, "search", tuple(nodes))


def _real(graph: AFMData, proposal: Proposal) -> Tensor:
    """Probability of each atom of the graph to be real: as the network sees it now, or saw it then."""
    return graph.confidence if proposal.revised is None else proposal.revised.real


def _alike(a: AFMData, b: AFMData) -> bool:
    if len(a.z) != len(b.z) or not bool((a.z == b.z).all()):
        return False
    return not len(a.z) or float((a.pos - b.pos).norm(dim=1).max()) < _NEW
