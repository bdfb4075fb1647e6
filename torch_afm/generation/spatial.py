"""Generation by maps: render, find all atoms that stand out, append them, until nothing is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from torch_afm.config import Tip
from torch_afm.config.graph_generator import MAX_ATOMS
from torch_afm.data import AFMData, pack_atoms
from torch_afm.elements import AtomClasses, symbol
from torch_afm.generation.atoms import apart, find_atoms, joined, no_atoms, parted, revise, take, with_bonds
from torch_afm.generation.greedy import check_job
from torch_afm.generation.views import look
from torch_afm.models import SpatialGenerator
from torch_afm.nn import SpatialPrediction
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import NormalizeSlices
from torch_afm.utils import InputError

#: Confidence from which an atom is taken: the best F1 of the weights ``spatial`` on validation molecules.
CONFIDENCE = 0.45

#: Passes that revise atoms after the last addition, and views of each pass.
REVISIONS, VIEWS = 2, 8


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
        steps: every pass through the network; the last one saw all atoms, whose graph it has with all bonds,
            and appended nothing.
        ended: ``"stop"`` (the network said so, or saw nothing more), ``"repeat"`` (all that it saw lies on
            atoms there are), ``"max_atoms"`` or, of a beam, ``"search"``.
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
    renderer: ProbeParticleModel,
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
    check_job(reference, renderer, model.config.scan, max_atoms, z_top, tip)
    renderer = renderer.quiet()
    if not 0 < confidence <= 1 or (atoms_per_step is not None and atoms_per_step < 1) or revisions < 0:
        raise InputError(
            "confidence, atoms_per_step, revisions: expected a share above 0, 1 or more, and 0 or more, "
            f"got {confidence}, {atoms_per_step} and {revisions}"
        )
    training = model.training
    model.eval()
    try:
        target = NormalizeSlices()(reference.float())
        graph = no_atoms(model.classes)
        steps: list[SpatialStep] = []
        ended, left, passes = None, revisions, 0
        while True:
            (simulated,), (out,) = observe(model, [graph], target, renderer, z_top, tip, views)
            stop, passes = float(out.stop.sigmoid()), passes + 1
            revised = revise(graph, out.graph, min_distance) if revisions else graph
            seen = find_atoms(out, model.grid, model.classes, confidence, min_distance)
            new = take(seen, apart(seen.pos, revised.pos, min_distance))
            full = revised.z.numel() >= max_atoms or passes >= 2 * MAX_ATOMS
            ended = _end(stop, seen, new, full)
            left = revisions if ended is None else left - 1
            last = left < 0 or (ended is not None and not graph.z.numel())
            room = min(max_atoms - revised.z.numel(), atoms_per_step or max_atoms)
            found = take(new, slice(0, 0 if ended else room))
            if last:
                graph = with_bonds(graph, out.graph)
            steps.append(SpatialStep(graph, simulated[None], out.heat[0].sigmoid(), stop, found))
            if last:
                return SpatialGeneration(*parted(graph, model.config.z_min), steps, str(ended), model.classes)
            graph = joined(revised, found)
    finally:
        model.train(training)


def observe(
    model: SpatialGenerator,
    graphs: Sequence[AFMData],
    target: Tensor,
    renderer: ProbeParticleModel,
    z_top: float,
    tip: Tip | None,
    views: int,
) -> tuple[Tensor, list[SpatialPrediction]]:
    """Image graphs, all in one launch, and look at them: their stacks in Hz ``[B, 1, Z, Y, X]``, and what the
    network says of each beside the normalised reference ``target`` ``[1, 1, Z, Y, X]``."""
    simulated = renderer(pack_atoms(graphs), tip=tip, z_top=z_top).cpu()
    shown = NormalizeSlices()(simulated)
    queries = [
        AFMData(z=graph.z, pos=graph.pos, reference=target, simulated=stack[None])
        for graph, stack in zip(graphs, shown, strict=True)
    ]
    return simulated, look(model, queries, views)


def _end(stop: float, seen: AFMData, new: AFMData, full: bool) -> str | None:
    if stop > 0.5 or not seen.z.numel():
        return "stop"
    if not new.z.numel():
        return "repeat"
    return "max_atoms" if full else None


def _listed(graph: AFMData, classes: AtomClasses) -> list[dict[str, Any]]:
    return [
        {
            "element": symbol(z),
            "class": classes.names[label],
            "pos": pos,
            "sigma": sigma,
            "confidence": confidence,
            "class_probabilities": dict(zip(classes.names[1:], probabilities, strict=True)),
        }
        for z, label, pos, sigma, confidence, probabilities in zip(
            graph.z.tolist(),
            classes.of(graph.z).tolist(),
            *(graph[key].tolist() for key in ("pos", "sigma", "confidence", "class_probabilities")),
            strict=True,
        )
    ]
