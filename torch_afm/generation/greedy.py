"""Greedy generation: render, encode, decide, append, until the network says stop."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.config.graph_generator import MAX_ATOMS
from torch_afm.data import AFMData, append_atom
from torch_afm.elements import AtomClasses, symbol
from torch_afm.models import GraphGenerator
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import NormalizeSlices
from torch_afm.utils import InputError, check_finite, check_shape

#: A bond is drawn where its predicted probability exceeds this (thesis, section 4.2).
BOND_THRESHOLD = 0.5


@dataclass(frozen=True)
class GenerationStep:
    r"""One pass through the network: what it saw and what it said.

    Args:
        graph: the graph so far, before this step's atom.
        simulated: its simulated stack in Hz.
        class_probabilities: softmax of the class logits; class 0 is *stop*.
        pos: predicted position of the next atom in Å (also given where the class is *stop*).
        edge_probabilities: probability of a bond from the next atom to each atom of ``graph``.

    Shapes:
        simulated ``[1, 1, Z, Y, X]``, class_probabilities ``[K]``, pos ``[3]``, edge_probabilities ``[N]``.
    """

    graph: AFMData
    simulated: Tensor
    class_probabilities: Tensor
    pos: Tensor
    edge_probabilities: Tensor

    @property
    def label(self) -> int:
        """The most probable class."""
        return int(self.class_probabilities.argmax())

    def decision(self, classes: AtomClasses) -> str:
        """What the step said, in a few letters."""
        return f"→ {classes.names[self.label]} {float(self.class_probabilities[self.label]):.2f}"

    @property
    def bonded(self) -> Tensor:
        """Which atoms of ``graph`` the next atom is bonded to, ``[N]`` booleans."""
        return self.edge_probabilities > BOND_THRESHOLD


@dataclass(frozen=True)
class Generation:
    r"""A generated graph and how it came about.

    Args:
        graph: the generated molecule: ``z``, ``pos`` (Å), ``charge`` (all 0 e), ``edge_index``.
        steps: every pass through the network; the last one saw ``graph`` itself and appended nothing.
        ended: ``"stop"`` (the network said so), ``"repeat"`` (it placed an atom on an old one) or
            ``"max_atoms"``.
        classes: what the class probabilities stand for.
    """

    graph: AFMData
    steps: list[GenerationStep]
    ended: str
    classes: AtomClasses

    @property
    def context(self) -> AFMData:
        """Atoms below the surface cut: this network finds none."""
        return AFMData.empty()

    @property
    def refused(self) -> Tensor | None:
        """Position ``[3]`` of the atom that ended the generation and was not appended, if one did."""
        return None if self.ended == "stop" else self.steps[-1].pos

    @property
    def simulated(self) -> Tensor:
        """Simulated stack of the generated graph in Hz, ``[1, 1, Z, Y, X]``."""
        return self.steps[-1].simulated

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, without the stacks; bonds are listed once, lower index first."""
        rows, cols = self.graph.edge_index.tolist()
        return {
            "classes": list(self.classes.names),
            "atoms": [
                {"element": symbol(z), "class": self.classes.names[label], "pos": pos}
                for z, label, pos in zip(
                    self.graph.z.tolist(),
                    self.classes.of(self.graph.z).tolist(),
                    self.graph.pos.tolist(),
                    strict=True,
                )
            ],
            "bonds": sorted([i, j] for i, j in zip(rows, cols, strict=True) if i < j),
            "ended": self.ended,
            "steps": [
                {
                    "atoms_before": step.graph.z.numel(),
                    "class": self.classes.names[step.label],
                    "class_probabilities": dict(
                        zip(self.classes.names, step.class_probabilities.tolist(), strict=True)
                    ),
                    "pos": step.pos.tolist(),
                    "edge_probabilities": step.edge_probabilities.tolist(),
                }
                for step in self.steps
            ],
        }


@torch.no_grad()
def generate_greedy(
    model: GraphGenerator,
    reference: Tensor,
    renderer: ProbeParticleModel,
    z_top: float,
    tip: Tip | None = None,
    max_atoms: int = MAX_ATOMS,
    min_distance: float = 0.5,
) -> Generation:
    r"""Generate a molecule graph atom by atom, the most probable choice each time (thesis, section 4.1).

    From an empty graph on: the graph so far is imaged by the simulator with the scan of the reference; the
    network compares the two stacks and says *stop*, or the class of one more atom, its position and its
    bonds. A class becomes the element that represents it; charges are 0. The thesis' generator could place
    the same atom forever: an atom predicted closer than ``min_distance`` to an old one ends the generation
    and is not appended, and so does the prediction of an atom after ``max_atoms``.

    Args:
        model: the generator; runs in evaluation mode, its mode is restored.
        reference: measured or simulated Δf stack in Hz, not normalised.
        renderer: simulator with the model's scan.
        z_top: first anchor height of the reference in Å, with the top atom at z = 0.
        tip: tip that the graph so far is imaged with; default the renderer's.
        max_atoms: most atoms in the graph.
        min_distance: in Å.

    Shapes:
        reference ``[1, 1, Z, Y, X]``.

    Raises:
        InputError: for a reference that is not finite or not on the renderer's scan, a scan that the model
            was not made for, or a network that predicts no finite numbers.
    """
    check_job(reference, renderer, model.config.scan, max_atoms, z_top, tip)
    renderer = renderer.quiet()
    device = next(model.parameters()).device
    normalize = NormalizeSlices()
    training = model.training
    model.eval()
    try:
        features = model.encode_reference(normalize(reference.float()).to(device))
        graph = AFMData.empty()
        steps: list[GenerationStep] = []
        while True:
            simulated = renderer(graph, tip=tip, z_top=z_top).cpu()
            query = graph.clone()
            query.simulated = normalize(simulated)
            out = model.step(features, Batch.from_data_list([query]).to(device))
            step = GenerationStep(
                graph=graph,
                simulated=simulated,
                class_probabilities=out.class_logits[0].softmax(-1).cpu(),
                pos=out.pos[0].cpu(),
                edge_probabilities=out.edge_logits.sigmoid().cpu(),
            )
            check_finite("model: prediction", torch.cat([step.class_probabilities, step.pos]))
            steps.append(step)
            if (ended := _end(step, max_atoms, min_distance)) is not None:
                return Generation(graph, steps, ended, model.classes)
            element = int(model.classes.representative(torch.tensor(step.label)))
            graph = append_atom(graph, element, step.pos, step.bonded)
    finally:
        model.train(training)


def check_job(
    reference: Tensor, renderer: ProbeParticleModel, scan: Scan, max_atoms: int, z_top: float, tip: Tip | None
) -> None:
    """Raise :class:`InputError` for what :func:`generate_greedy` says; ``scan`` is the model's."""
    check_shape("reference", reference, (1, 1, *renderer.scan.shape))
    check_finite("reference", reference)
    if renderer.scan.shape != scan.shape:
        raise InputError(
            f"renderer: expected stacks of shape {scan.shape} (slices, y, x), as the model was made for, "
            f"got {renderer.scan.shape}"
        )
    if max_atoms < 0:
        raise InputError(f"max_atoms: expected 0 or more, got {max_atoms}")
    below = -(tip or renderer.tip).equilibrium[2]
    if not below < z_top < math.inf:
        raise InputError(
            f"z_top: expected more than {below:.2f} Å, where the probe is at the height of the top atom, "
            f"got {z_top}"
        )


def _end(step: GenerationStep, max_atoms: int, min_distance: float) -> str | None:
    if step.label == 0:
        return "stop"
    if bool((torch.linalg.vector_norm(step.graph.pos - step.pos, dim=-1) < min_distance).any()):
        return "repeat"
    return "max_atoms" if step.graph.z.numel() >= max_atoms else None
