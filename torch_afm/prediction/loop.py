"""Generation with the simulator in the loop: render, propose, accept, append, revise, until nothing is
missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from torch_afm.config.generators import MAX_ATOMS
from torch_afm.data import AFMData, pack_atoms
from torch_afm.functional import normalize_slices
from torch_afm.models import Generator, Proposal, SearchNode, Step
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.atoms import (
    append_atoms,
    far_from,
    no_atoms,
    revise,
    select_proposed,
    split_context,
    with_bonds,
)
from torch_afm.prediction.result import Prediction
from torch_afm.utils import InputError, check_finite, check_shape


@dataclass(frozen=True)
class Job:
    """A stack, what it is to be explained by, and the network that is asked.

    Args:
        model: the generator.
        reference: measured or simulated Δf stack in Hz, not normalized.
        renderer: simulator with the scan of the reference, and with the tip that graphs are imaged with.
        z_top: first anchor height of the reference in Å, with the top atom at z = 0.
        views: as in :meth:`torch_afm.models.Generator.propose`; default the network's.

    Shapes:
        reference ``[1, 1, Z, Y, X]``.

    Raises:
        InputError: for a reference that is not finite or not on the renderer's scan, a scan that the model
            was not made for, a tip below the atoms, and for views that the network cannot do.
    """

    model: Generator
    reference: Tensor
    renderer: ProbeParticleModel
    z_top: float
    views: int | None = None

    def __post_init__(self) -> None:
        shape = self.model.config.scan.shape
        check_shape("reference", self.reference, (1, 1, *self.renderer.scan.shape))
        check_finite("reference", self.reference)
        if self.renderer.scan.shape != shape:
            raise InputError(
                f"renderer: expected stacks of shape {shape} (slices, y, x), as the model was made for, got "
                f"{self.renderer.scan.shape}"
            )
        below = -self.renderer.tip.equilibrium[2]
        if not below < self.z_top < math.inf:
            raise InputError(
                f"z_top: expected more than {below:.2f} Å, where the probe is at the height of the top atom, "
                f"got {self.z_top}"
            )
        self.model.check_views(self.views)

    def propose(self, graphs: Sequence[AFMData]) -> tuple[Tensor, list[Proposal]]:
        """Image graphs, all in one launch: their stacks in Hz ``[B, 1, Z, Y, X]``, and what the network
        proposes for each. The network is in evaluation mode."""
        renderer = self.renderer.quiet()
        simulated = renderer(pack_atoms(graphs), z_top=self.z_top).cpu()
        reference = normalize_slices(self.reference.float())
        amplitude = reference.new_tensor([renderer.scan.amplitude])
        queries = [
            AFMData(
                z=graph.z,
                pos=graph.pos,
                edge_index=graph.edge_index,
                reference=reference,
                simulated=stack[None],
                amplitude=amplitude,
            )
            for graph, stack in zip(graphs, normalize_slices(simulated), strict=True)
        ]
        proposals = self.model.propose(queries, self.model.check_views(self.views))
        for proposal in proposals:
            check_finite("model: proposed positions", proposal.atoms.pos)
            check_finite("model: probability to stop", proposal.stop)
        return simulated, proposals

    def prediction(self, steps: list[Step], ended: str, search: tuple[SearchNode, ...] = ()) -> Prediction:
        """The graph of the last step as a prediction."""
        graph, context = split_context(steps[-1].graph, self.model)
        return Prediction(
            graph,
            context,
            steps,
            ended,
            self.model.classes,
            self.renderer.scan,
            self.renderer.tip,
            self.z_top,
            search=search,
        )


def run_greedy(
    job: Job, max_atoms: int, confidence: float, revisions: int, atoms_per_step: int | None
) -> Prediction:
    """The loop of :func:`torch_afm.prediction.generate` with ``search="greedy"``; the network is in
    evaluation mode."""
    graph = no_atoms(job.model.classes)
    steps: list[Step] = []
    left = revisions
    while True:
        (simulated,), (proposal,) = job.propose([graph])
        revised = revise(graph, proposal.revised if revisions else None)
        seen = proposal.atoms.confidence >= confidence
        new = seen & far_from(proposal.atoms.pos, revised.pos)
        # A network that revises may add and remove for ever.
        full = len(revised.z) >= max_atoms or len(steps) + 1 >= 2 * max(max_atoms, MAX_ATOMS)
        ended = _end(proposal, seen, new, full)
        left = revisions if ended is None else left - 1
        last = left < 0 or (ended is not None and (proposal.revised is None or not len(graph.z)))
        room = 0 if ended else min(max_atoms - len(revised.z), atoms_per_step or max_atoms)
        accepted = select_proposed(proposal, new.nonzero().flatten()[:room])
        if last:
            graph = with_bonds(graph, proposal)
        steps.append(Step(graph, simulated[None], proposal, accepted.atoms))
        if last:
            return job.prediction(steps, str(ended))
        graph = append_atoms(revised, accepted.atoms, accepted.bonds if proposal.revised is None else None)


def _end(proposal: Proposal, seen: Tensor, new: Tensor, full: bool) -> str | None:
    if proposal.done or not seen.any():
        return "stop"
    if not new.any():
        return "repeat"
    return "max_atoms" if full else None
