"""Generation with the simulator in the loop: render, propose, accept, append, revise, until nothing is
missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from torch_afm.config import Scan, Tip
from torch_afm.config.generators import MAX_ATOMS
from torch_afm.data import AFMData, pack_atoms
from torch_afm.functional import normalize_scan, normalize_slices
from torch_afm.models import Generator, Proposal, SearchNode, Step
from torch_afm.ppm import ProbeParticleModel, nominal_height
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

#: Pixels of all views of a scan, of which there are fewer by default where it is large.
_VIEWED = 2**17

#: Passes after which nothing is added to a whole scan any more.
_PASSES = 8

#: Share by which pixels and steps of height may differ from those of a network.
_SAME = 1e-3


@dataclass(frozen=True)
class Job:
    """A stack, what it is to be explained by, and the network that is asked.

    Args:
        model: the generator.
        reference: measured or simulated Δf stack in Hz, not normalized.
        renderer: simulator with the scan of the reference, and with the tip that graphs are imaged with.
        z_top: first anchor height of the reference in Å, with the top atom at z = 0.
        views: as in :meth:`torch_afm.models.Generator.propose`; default the network's, fewer of a scan of
            more than 32 x 32 Å.
        amplitude: of the oscillation, peak to peak in Å, as the network is shown it, 0 where nobody knows;
            default the renderer's.

    Shapes:
        reference ``[1, 1, Z, Y, X]``.

    Raises:
        InputError: for a reference that is not finite or not on the renderer's scan, a scan that the model
            was not made for (of a network of whole scans: more slices, other steps of height or pixels than
            its own), a tip below the atoms, and for views that the network cannot do.
    """

    model: Generator
    reference: Tensor
    renderer: ProbeParticleModel
    z_top: float
    views: int | None = None
    amplitude: float | None = None

    def __post_init__(self) -> None:
        check_shape("reference", self.reference, (1, 1, *self.renderer.scan.shape))
        check_finite("reference", self.reference)
        self._check_scan(self.renderer.scan, self.model.config.scan)
        below = -self.renderer.tip.equilibrium[2]
        if not below < self.z_top < math.inf:
            raise InputError(
                f"z_top: expected more than {below:.2f} Å, where the probe is at the height of the top atom, "
                f"got {self.z_top}"
            )
        self.model.check_views(self.views)

    def _check_scan(self, scan: Scan, made_for: Scan) -> None:
        if not self.model.whole_scan:
            if scan.shape != made_for.shape:
                raise InputError(
                    f"renderer: expected stacks of shape {made_for.shape} (slices, y, x), as the model was "
                    f"made for, got {scan.shape}"
                )
            return
        if any(n % 2 for n in scan.pixels):
            raise InputError(f"renderer: expected even numbers of pixels, got {scan.pixels}")
        steps, wanted = (np.array([*s.pixel_size, s.dz]) for s in (scan, made_for))
        if scan.n_slices > made_for.n_slices or (np.abs(steps - wanted) > _SAME * wanted).any():
            raise InputError(
                f"renderer: expected at most {made_for.n_slices} slices in steps of {made_for.dz:g} Å, and "
                f"pixels of {wanted[0]:.4g} x {wanted[1]:.4g} Å, got {scan.n_slices} in steps of {scan.dz:g} "
                f"Å and pixels of {steps[0]:.4g} x {steps[1]:.4g} Å"
            )

    @cached_property
    def query(self) -> tuple[ProbeParticleModel, float]:
        """The simulator of the images that the network compares the reference with, and its first anchor
        height: those of the reference or, of a network of whole scans, those of its training, whatever the
        oscillation, tip and height were."""
        if not self.model.whole_scan:
            return self.renderer.quiet(), self.z_top
        made_for, found = self.model.config.scan, self.renderer.scan
        scan = replace(made_for, window=found.window, pixels=found.pixels, n_slices=found.n_slices)
        lower = (made_for.n_slices - found.n_slices) * made_for.dz
        simulator = ProbeParticleModel(scan, Tip(), backend=self.renderer.backend).quiet()
        return simulator, nominal_height(made_for, Tip()) - lower

    @cached_property
    def _shown(self) -> dict[str, Tensor]:
        """What every query has: the reference, and where the network is to believe it."""
        reference = self.reference.float()
        amplitude = self.renderer.scan.amplitude if self.amplitude is None else self.amplitude
        shown = {"reference": self._normalized(reference), "amplitude": reference.new_tensor([amplitude])}
        if self.model.whole_scan:
            shown["valid"] = self._all_slices(torch.ones_like(reference, dtype=torch.bool))
        return shown

    def _normalized(self, stack: Tensor) -> Tensor:
        if not self.model.whole_scan:
            return normalize_slices(stack)
        return self._all_slices(normalize_scan(stack, max(self.model.config.scan.pixels)))

    def _all_slices(self, stack: Tensor) -> Tensor:
        """As many slices as the network has, zeros before those that there are."""
        return F.pad(stack, (0, 0, 0, 0, self.model.config.scan.n_slices - stack.size(-3), 0))

    @property
    def _views(self) -> int:
        """Views of each proposal: those asked for, else the most that the network can do; of a large scan the
        most that have no more pixels together than :data:`_VIEWED`."""
        if self.views is not None or not self.model.whole_scan:
            return self.model.check_views(self.views)
        fitting = [n for n in self.model.views if n * math.prod(self.renderer.scan.pixels) <= _VIEWED]
        return fitting[-1] if fitting else self.model.views[0]

    def propose(self, graphs: Sequence[AFMData]) -> tuple[Tensor, list[Proposal]]:
        """Image graphs, all in one launch: their stacks in Hz ``[B, 1, Z, Y, X]``, and what the network
        proposes for each. The network is in evaluation mode."""
        simulator, z_top = self.query
        simulated = simulator(pack_atoms(graphs), z_top=z_top).cpu()
        queries = [
            AFMData(
                z=graph.z, pos=graph.pos, edge_index=graph.edge_index, simulated=stack[None], **self._shown
            )
            for graph, stack in zip(graphs, self._normalized(simulated), strict=True)
        ]
        proposals = self.model.propose(queries, self._views)
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
        # A network that revises may add and remove for ever; somewhere in a large scan one always would.
        few = job.model.whole_scan and atoms_per_step is None
        most = _PASSES if few else 2 * max(max_atoms, MAX_ATOMS)
        ended = _end(proposal, seen, new, len(revised.z) >= max_atoms, len(steps) + 1 >= most)
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


def _end(proposal: Proposal, seen: Tensor, new: Tensor, full: bool, long: bool) -> str | None:
    if proposal.done or not seen.any():
        return "stop"
    if not new.any():
        return "repeat"
    if full:
        return "max_atoms"
    return "passes" if long else None
