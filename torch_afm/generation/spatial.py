"""Generation by maps: render, find all atoms that stand out, append them, until nothing is missing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.utils import subgraph as pyg_subgraph

from torch_afm.config import Tip
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses, symbol
from torch_afm.generation.greedy import BOND_THRESHOLD, MAX_ATOMS, check_job
from torch_afm.generation.views import look
from torch_afm.models import SpatialGenerator
from torch_afm.nn import GraphOutput, MapGrid, SpatialPrediction, class_planes
from torch_afm.ppm import Renderer
from torch_afm.transforms import NormalizeSlices
from torch_afm.utils import InputError

#: Confidence from which an atom is taken: the best F1 of the weights ``spatial`` on validation molecules.
CONFIDENCE = 0.45

#: Probability below which an atom there is is removed again.
REAL = 0.3

#: Passes that revise atoms after the last addition, and views of each pass.
REVISIONS, VIEWS = 2, 8

#: What is known of each atom.
_ATOM_KEYS = ("z", "pos", "charge", "class_probabilities", "confidence", "sigma")


@dataclass(frozen=True)
class SpatialStep:
    r"""One pass through the network: what it saw and what it said.

    Args:
        graph: the graph so far, context included, with the keys of :func:`find_atoms`.
        simulated: its simulated stack in Hz.
        heat: probability of a missing atom of each class at each pixel of the maps.
        stop: probability that no visible atom is missing.
        found: the atoms that were appended.

    Shapes:
        simulated ``[1, 1, Z, Y, X]``, heat ``[K, Y', X']``.
    """

    graph: AFMData
    simulated: Tensor
    heat: Tensor
    stop: float
    found: AFMData

    def decision(self, classes: AtomClasses) -> str:
        """What the step said, in a few letters."""
        if not self.found.z.numel():
            return f"stop {self.stop:.2f}"
        counts = Counter(symbol(z) for z in self.found.z.tolist())
        return "→ " + " ".join(f"{n} {element}" for element, n in sorted(counts.items()))


@dataclass(frozen=True)
class SpatialGeneration:
    r"""A generated graph and how it came about. Both graphs tell, of each atom, ``class_probabilities``,
    ``confidence`` and ``sigma``, see :func:`find_atoms`.

    Args:
        graph: the generated molecule, visible atoms alone: ``z``, ``pos`` (Å), ``charge`` (all 0 e),
            ``edge_index`` and the ``bond_probability`` of each, ``[E]``, as the network sees them.
        context: the atoms found below the surface cut, in the same form, without bonds to ``graph``.
        steps: every pass through the network; the last one saw all atoms and appended nothing.
        ended: ``"stop"`` (the network said so, or saw nothing more), ``"repeat"`` (all that it saw lies on
            atoms there are) or ``"max_atoms"``.
        classes: what the class probabilities stand for, *stop* apart.
    """

    graph: AFMData
    context: AFMData
    steps: list[SpatialStep]
    ended: str
    classes: AtomClasses

    @property
    def refused(self) -> Tensor | None:
        """Position of an atom that ended the generation: none does alone."""
        return None

    @property
    def simulated(self) -> Tensor:
        """Simulated stack of all atoms, context included, in Hz, ``[1, 1, Z, Y, X]``."""
        return self.steps[-1].simulated

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, without the stacks and maps; bonds are listed once, lower index first."""
        rows, cols = self.graph.edge_index.tolist()
        return {
            "classes": list(self.classes.names),
            "atoms": _listed(self.graph, self.classes),
            "context": _listed(self.context, self.classes),
            "bonds": sorted([i, j] for i, j in zip(rows, cols, strict=True) if i < j),
            "ended": self.ended,
            "steps": [
                {"atoms_before": s.graph.z.numel(), "found": s.found.z.numel(), "stop": s.stop}
                for s in self.steps
            ],
        }


@torch.no_grad()
def generate_spatial(
    model: SpatialGenerator,
    reference: Tensor,
    renderer: Renderer,
    z_top: float,
    tip: Tip | None = None,
    max_atoms: int = MAX_ATOMS,
    min_distance: float = 0.5,
    confidence: float = CONFIDENCE,
    atoms_per_step: int | None = None,
    revisions: int = REVISIONS,
    views: int = VIEWS,
) -> SpatialGeneration:
    r"""Generate a molecule graph by maps of missing atoms.

    From an empty graph on: the graph so far is imaged by the simulator with the scan of the reference; the
    network compares the two stacks and maps what is missing; all peaks of the maps that are confident enough
    become atoms (:func:`find_atoms`), and so on until it sees nothing more, or says that no visible atom is
    missing. In each pass the atoms there are move to where the network sees them now, and those that it no
    longer believes in are removed; after the last addition that goes on for ``revisions`` passes. A last one
    changes nothing, and tells the bonds. No two atoms are ever closer than ``min_distance``. A class becomes
    the element that represents it; charges are 0.

    Args:
        model: the generator; runs in evaluation mode, its mode is restored.
        reference: measured or simulated Δf stack in Hz, not normalised.
        renderer: simulator with the model's scan.
        z_top: first anchor height of the reference in Å, with the top atom at z = 0.
        tip: tip that the graph so far is imaged with; default the renderer's.
        max_atoms: most atoms in the graph, context included.
        min_distance: in Å.
        confidence: share from which an atom is taken.
        atoms_per_step: most atoms taken between two renderings, the most confident; all by default.
        revisions: passes that move and remove atoms after the last addition; with 0 no atom is ever revised.
        views: mirror images and turns that each prediction is the mean of, see :func:`look`.

    Shapes:
        reference ``[1, 1, Z, Y, X]``.

    Raises:
        InputError: for a reference that is not finite or not on the renderer's scan, a scan that the model
            was not made for, settings out of range, or a network that predicts no finite numbers.
    """
    check_job(reference, renderer, model.config.scan, max_atoms)
    if not 0 < confidence <= 1 or (atoms_per_step is not None and atoms_per_step < 1) or revisions < 0:
        raise InputError(
            "confidence, atoms_per_step, revisions: expected a share above 0, 1 or more, and 0 or more, "
            f"got {confidence}, {atoms_per_step} and {revisions}"
        )
    normalize = NormalizeSlices()
    training = model.training
    model.eval()
    try:
        target = normalize(reference.float())
        graph = _no_atoms(model.classes)
        steps: list[SpatialStep] = []
        ended, left, passes = None, revisions, 0
        while True:
            simulated = renderer.render(graph, tip=tip, z_top=z_top).cpu()
            query = AFMData(z=graph.z, pos=graph.pos, reference=target, simulated=normalize(simulated))
            (out,) = look(model, [query], views)
            stop, passes = float(out.stop.sigmoid()), passes + 1
            revised = revise(graph, out.graph, min_distance) if revisions else graph
            seen = find_atoms(out, model.grid, model.classes, confidence, min_distance)
            new = _take(seen, _apart(seen.pos, revised.pos, min_distance))
            full = revised.z.numel() >= max_atoms or passes >= max_atoms
            ended = _end(stop, seen, new, full)
            left = revisions if ended is None else left - 1
            last = left < 0 or (ended is not None and not graph.z.numel())
            room = min(max_atoms - revised.z.numel(), atoms_per_step or max_atoms)
            found = _take(new, slice(0, 0 if ended else room))
            steps.append(SpatialStep(graph, simulated, out.heat[0].sigmoid(), stop, found))
            if last:
                bonded = _bonded(graph, out.graph)
                context = graph.pos[:, 2] < model.config.z_min
                parts = subgraph(bonded, ~context), subgraph(bonded, context)
                return SpatialGeneration(*parts, steps, str(ended), model.classes)
            graph = _joined(revised, found)
    finally:
        model.train(training)


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
    atoms = _no_atoms(classes)
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
    revised = _take(graph, slice(None))
    revised.pos = graph.pos + said.move
    revised.sigma = (said.move_log_var / 2).exp()
    kept: list[int] = []
    for i in real.argsort(descending=True, stable=True).tolist():
        alone = not kept or float((revised.pos[kept] - revised.pos[i]).norm(dim=1).min()) >= min_distance
        if alone and real[i] >= REAL:
            kept.append(i)
    return _take(revised, torch.tensor(sorted(kept), dtype=torch.long))


def _bonded(graph: AFMData, said: GraphOutput) -> AFMData:
    """``graph`` with its bonds as the network sees them, and how probable each is."""
    bonded = _take(graph, slice(None))
    probability = said.bond.sigmoid()
    chosen = probability > BOND_THRESHOLD
    pairs = said.pairs[:, chosen]
    bonded.edge_index = torch.cat([pairs, pairs.flip(0)], dim=1)
    bonded.bond_probability = probability[chosen].repeat(2)
    return bonded


def _end(stop: float, seen: AFMData, new: AFMData, full: bool) -> str | None:
    if stop > 0.5 or not seen.z.numel():
        return "stop"
    if not new.z.numel():
        return "repeat"
    return "max_atoms" if full else None


def _no_atoms(classes: AtomClasses) -> AFMData:
    graph = AFMData.empty()
    graph.class_probabilities = torch.empty(0, len(classes) - 1)
    graph.confidence, graph.sigma = torch.empty(0), torch.empty(0, 3)
    return graph


def _apart(a: Tensor, b: Tensor, distance: float) -> Tensor:
    """Which of the points ``a`` are at least ``distance`` from all of ``b``."""
    return (torch.linalg.vector_norm(a[:, None] - b, dim=-1) >= distance).all(dim=1)


def subgraph(graph: AFMData, keep: Tensor) -> AFMData:
    """The atoms ``keep`` (booleans), and the bonds among them with their probabilities."""
    part = _take(graph, keep)
    part.edge_index, part.bond_probability = pyg_subgraph(
        keep, graph.edge_index, graph.bond_probability, relabel_nodes=True, num_nodes=len(keep)
    )
    return part


def _take(graph: AFMData, index: Tensor | slice) -> AFMData:
    """Some of the atoms, without bonds."""
    taken = AFMData(**{key: graph[key][index] for key in _ATOM_KEYS})
    taken.edge_index = graph.z.new_empty(2, 0)
    return taken


def _joined(a: AFMData, b: AFMData) -> AFMData:
    joined = AFMData(**{key: torch.cat([a[key], b[key]]) for key in _ATOM_KEYS})
    joined.edge_index = a.z.new_empty(2, 0)
    return joined


def _listed(graph: AFMData, classes: AtomClasses) -> list[dict[str, Any]]:
    return [
        {
            "element": symbol(z),
            "class": classes.names[label],
            "pos": pos,
            "sigma": sigma,
            "confidence": confidence,
            "class_probabilities": probabilities,
        }
        for z, label, pos, sigma, confidence, probabilities in zip(
            graph.z.tolist(),
            classes.of(graph.z).tolist(),
            *(graph[key].tolist() for key in ("pos", "sigma", "confidence", "class_probabilities")),
            strict=True,
        )
    ]
