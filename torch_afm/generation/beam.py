"""Search: several graphs at once, scored by what the network and the simulator say of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from torch_afm.config import Tip
from torch_afm.config.graph_generator import MAX_ATOMS
from torch_afm.data import AFMData
from torch_afm.generation.atoms import (
    apart,
    find_atoms,
    joined,
    no_atoms,
    parted,
    revise,
    take,
    with_bonds,
)
from torch_afm.generation.greedy import check_job
from torch_afm.generation.spatial import CONFIDENCE, VIEWS, SpatialGeneration, SpatialStep, observe
from torch_afm.models import SpatialGenerator
from torch_afm.nn import SpatialPrediction
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import NormalizeSlices
from torch_afm.utils import InputError

#: Confidence from which an atom is worth a try.
WORTH_A_TRY = 0.15

#: Weight of the image in the score.
IMAGE_WEIGHT = 4.0

#: Passes without a better graph after which a search ends.
PATIENCE = 2

#: Says which atoms of its first graph may join its second, ``[N]`` booleans.
Filter = Callable[[AFMData, AFMData], Tensor]


@dataclass(frozen=True)
class SearchNode:
    """A graph that a search looked at.

    Args:
        parent: number of the node that it was made of; -1 for the empty graph.
        move: what was done to that one.
        atoms: its atoms, context included.
        likelihood: what the network says of it, a log-probability.
        distance: how far its image is from the reference (:func:`image_distance`).
        score: both together.
    """

    parent: int
    move: str
    atoms: int
    likelihood: float
    distance: float
    score: float


@dataclass(frozen=True)
class BeamGeneration(SpatialGeneration):
    """The best graph of a search; ``steps`` are those that led to it.

    Args:
        tree: all graphs that were looked at, in order.
        best: number of the one that was taken.
    """

    tree: tuple[SearchNode, ...] = ()
    best: int = 0


@torch.no_grad()
def generate_beam(
    model: SpatialGenerator,
    reference: Tensor,
    renderer: ProbeParticleModel,
    z_top: float,
    tip: Tip | None = None,
    max_atoms: int = MAX_ATOMS,
    min_distance: float = 0.5,
    confidence: float = CONFIDENCE,
    width: int = 4,
    image_weight: float = IMAGE_WEIGHT,
    sample: bool = False,
    seed: int = 0,
    views: int = VIEWS,
    allowed: Filter | None = None,
) -> BeamGeneration:
    r"""Generate a molecule graph by beam search with the simulator in the loop.

    In each pass the graphs of the beam are imaged in one launch and looked at. A graph's score is

    .. math::
        S = \sum_v \log p_v + \sum_u \log(1 - q_u) + \log p_\mathrm{stop} - w D

    with the network's probabilities :math:`p_v` of its atoms to be real, :math:`q_u` of visible atoms that it
    still sees missing, :math:`p_\mathrm{stop}` that none is, and the distance :math:`D` of its image from the
    reference (:func:`image_distance`). Its children are: all confident atoms added at once; that without the
    least certain of them; that with the best of those below the threshold, and with all of these; with
    ``sample``, each candidate added with its own probability; the least certain atom there removed. In each
    child the atoms move to where the network sees them now, so early mistakes are undone: removed, moved, or
    replaced. The ``width`` most likely of the children that were not met before make the next beam. The
    search ends when no graph has become better for two passes, and gives the best that it met.

    Args:
        model: the generator; runs in evaluation mode, its mode is restored.
        reference: measured or simulated Δf stack in Hz, not normalised.
        renderer: simulator with the model's scan.
        z_top: first anchor height of the reference in Å, with the top atom at z = 0.
        tip: tip that graphs are imaged with; default the renderer's.
        max_atoms: most atoms in a graph, context included.
        min_distance: least distance of two atoms in Å.
        confidence: share from which an atom is added at once.
        width: graphs of a beam.
        image_weight: :math:`w`; 0 leaves the decision to the network.
        sample: draw which atoms are added.
        seed: seed of the drawing.
        views: as in :func:`torch_afm.generation.generate_spatial`.
        allowed: says which atoms of a graph may join another, such as
            :func:`torch_afm.generation.pipeline.may_join`; all by default.

    Shapes:
        reference ``[1, 1, Z, Y, X]``.

    Raises:
        InputError: as :func:`torch_afm.generation.generate_spatial`, and for a width or weight out of range.
    """
    check_job(reference, renderer, model.config.scan, max_atoms, z_top, tip)
    renderer = renderer.quiet()
    if width < 1 or image_weight < 0 or not 0 < confidence <= 1:
        raise InputError(
            "width, image_weight, confidence: expected 1 or more, 0 or more, and a share above 0, "
            f"got {width}, {image_weight} and {confidence}"
        )
    rng = np.random.default_rng(seed) if sample else None
    training = model.training
    model.eval()
    try:
        search = _Search(model, reference, renderer, z_top, tip, views, image_weight)
        search.look([(-1, "start", no_atoms(model.classes))])
        beam, best, waited = [0], 0, 0
        while waited < PATIENCE:
            children = [
                (parent, move, child)
                for parent in beam
                for move, child in _children(search, parent, confidence, min_distance, rng, allowed)
                if len(child.z) <= max_atoms
            ]
            fresh = search.unmet(children)
            if not fresh:
                break
            met = search.look(fresh[: 2 * width])
            beam = sorted(met, key=lambda i: -search.tree[i].score)[:width]
            waited = waited + 1
            if search.tree[beam[0]].score > search.tree[best].score + 1e-6 or best == 0:
                best, waited = beam[0], 0
        return search.result(best)
    finally:
        model.train(training)


def image_distance(simulated: Tensor, reference: Tensor) -> Tensor:
    r"""How far images are from a reference, the mean over slices of :math:`1 - r` with Pearson's correlation
    :math:`r` of the slice: 0 for equal images, whatever their units; 1 for an unrelated or an empty one.

    Shapes:
        simulated ``[B, 1, Z, Y, X]``, reference ``[1, 1, Z, Y, X]``, result ``[B]``.
    """
    a, b = (NormalizeSlices()(stack.double()).flatten(3) for stack in (simulated, reference))
    return 1 - (a * b).mean(dim=(1, 2, 3))


class _Search:
    """All graphs met, and what was said of them."""

    def __init__(
        self,
        model: SpatialGenerator,
        reference: Tensor,
        renderer: ProbeParticleModel,
        z_top: float,
        tip: Tip | None,
        views: int,
        image_weight: float,
    ) -> None:
        self.model, self.reference = model, reference
        self.target = NormalizeSlices()(reference.float())
        self.renderer, self.z_top, self.tip, self.views = renderer, z_top, tip, views
        self.image_weight = image_weight
        self.graphs: list[AFMData] = []
        self.stacks: list[Tensor] = []
        self.outs: list[SpatialPrediction] = []
        self.tree: list[SearchNode] = []

    def look(self, children: list[tuple[int, str, AFMData]]) -> list[int]:
        """Image and score graphs, made of numbered ones by moves; returns their numbers."""
        graphs = [child for _, _, child in children]
        stacks, outs = observe(
            self.model, graphs, self.target, self.renderer, self.z_top, self.tip, self.views
        )
        distances = image_distance(stacks, self.reference).tolist()
        first = len(self.tree)
        for (parent, move, graph), stack, out, far in zip(children, stacks, outs, distances, strict=True):
            likely = self.likelihood(out)
            score = likely - self.image_weight * far
            self.tree.append(SearchNode(parent, move, len(graph.z), likely, far, score))
            self.graphs.append(graph)
            self.stacks.append(stack)
            self.outs.append(out)
        return list(range(first, len(self.tree)))

    def likelihood(self, out: SpatialPrediction) -> float:
        """What the network says of a graph: its atoms are real, and no visible one is missing."""
        seen = find_atoms(out, self.model.grid, self.model.classes, WORTH_A_TRY, 0.5)
        missing = seen.confidence[seen.pos[:, 2] >= self.model.config.z_min].clamp(max=0.99)
        parts = F.logsigmoid(out.graph.real).sum() + (1 - missing).log().sum() + F.logsigmoid(out.stop).sum()
        return float(parts)

    def unmet(self, children: list[tuple[int, str, AFMData]]) -> list[tuple[int, str, AFMData]]:
        """Those that differ from all graphs met, and from each other, by an atom or 0.05 Å."""
        known, fresh = list(self.graphs), []
        for child in children:
            if not any(_alike(child[2], graph) for graph in known):
                known.append(child[2])
                fresh.append(child)
        return fresh

    def result(self, best: int) -> BeamGeneration:
        path = [best]
        while self.tree[path[-1]].parent >= 0:
            path.append(self.tree[path[-1]].parent)
        path.reverse()
        steps = []
        for now, then in zip(path, [*path[1:], None], strict=True):
            graph, out = self.graphs[now], self.outs[now]
            added = no_atoms(self.model.classes)
            if then is not None:
                added = take(self.graphs[then], apart(self.graphs[then].pos, graph.pos, 0.5))
            stop = float(out.stop.sigmoid())
            steps.append(SpatialStep(graph, self.stacks[now][None], out.heat[0].sigmoid(), stop, added))
        whole = with_bonds(self.graphs[best], self.outs[best].graph)
        steps[-1] = dataclasses.replace(steps[-1], graph=whole)
        parts = parted(whole, self.model.config.z_min)
        return BeamGeneration(*parts, steps, "search", self.model.classes, tuple(self.tree), best)


def _children(
    search: _Search,
    parent: int,
    confidence: float,
    min_distance: float,
    rng: np.random.Generator | None,
    allowed: Filter | None,
) -> list[tuple[str, AFMData]]:
    graph, out = search.graphs[parent], search.outs[parent]
    revised = revise(graph, out.graph, min_distance)
    seen = find_atoms(out, search.model.grid, search.model.classes, WORTH_A_TRY, min_distance)
    keep = apart(seen.pos, revised.pos, min_distance)
    if allowed is not None:
        keep &= allowed(seen, revised)
    seen = take(seen, keep)
    sure = int((seen.confidence >= confidence).sum())
    moves = [(f"add {sure}" if sure else "move", joined(revised, take(seen, slice(0, sure))))]
    if rng is not None:
        drawn = torch.from_numpy(rng.uniform(size=len(seen.z))) < seen.confidence
        moves.append((f"draw {int(drawn.sum())}", joined(revised, take(seen, drawn))))
    if sure < len(seen.z):
        moves.append((f"add {sure + 1}", joined(revised, take(seen, slice(0, sure + 1)))))
    if sure + 1 < len(seen.z):
        moves.append((f"add {len(seen.z)}", joined(revised, seen)))
    if sure > 1:
        moves.append((f"add {sure - 1}", joined(revised, take(seen, slice(0, sure - 1)))))
    if len(graph.z) and len(revised.z) == len(graph.z):
        least = int(out.graph.real.argmin())
        if float(out.graph.real[least]) < math.log(0.9 / 0.1):
            others = torch.arange(len(graph.z)) != least
            moves.append(("remove 1", take(revised, others)))
    return moves


def _alike(a: AFMData, b: AFMData) -> bool:
    return len(a.z) == len(b.z) and bool(
        (a.z == b.z).all() and (a.pos - b.pos).norm(dim=1).max() < 0.05 if len(a.z) else True
    )
