"""Find several answers to what a scan shows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.io import AFMStack
from torch_afm.metrics import Calibration
from torch_afm.metrics.evidence import probabilities
from torch_afm.models import Proposal, Step
from torch_afm.prediction.answers.answer import Answer, same_structure
from torch_afm.prediction.answers.completion import complete
from torch_afm.prediction.answers.confidence import combine
from torch_afm.prediction.answers.edits import (
    TEMPERATURE,
    Judge,
    apply_edits,
    describe,
    draw_edits,
    judge_edits,
    log_posterior,
    with_open_bonds,
)
from torch_afm.prediction.answers.likelihood import ScanLikelihood
from torch_afm.prediction.answers.sites import NONE, Sites
from torch_afm.prediction.atoms import concat_graphs, no_atoms, select_atoms
from torch_afm.prediction.chemistry import sanitize
from torch_afm.prediction.frames import inside_scan
from torch_afm.prediction.refinement import RefinementResult, RefinementSettings, Scanner, Stage, refine
from torch_afm.prediction.result import Prediction
from torch_afm.prediction.stored import Imaging

#: Rounds of edits and refinement, fewer where there are more atoms than these: they cost more.
_ROUNDS = ((30, 3), (60, 2), (math.inf, 1))

#: Structures drawn for each answer.
_DRAWS = 3

#: Evidence for one unit of log-probability, as :func:`torch_afm.metrics.evidence.probabilities` has it.
_UNIT = 4.0

#: The descent of samples, of which the instrument is known.
_SHORT = (Stage(None, 0.25, 4),)


class _State(NamedTuple):
    sites: Sites
    labels: Tensor
    imaging: Imaging
    refinement: RefinementResult
    edits: tuple[str, ...]

    @property
    def structure(self) -> AFMData:
        return self.sites.structure(self.labels)


def find_answers(
    prediction: Prediction,
    reference: AFMStack,
    count: int,
    settings: RefinementSettings,
    calibration: Calibration,
    cut: float,
    seed: int = 0,
    backend: str = "auto",
    progress: Callable[[str], None] | None = None,
) -> tuple[Prediction, tuple[Answer, ...]]:
    r"""Several structures that a scan may show, the most probable first.

    It begins with a prediction, refined. In each of up to three rounds every change of one atom is imaged: a
    doubtful one removed, one added that the network thought possible or that would complete an open bond, a
    class changed between those that the network thinks possible; the changes that make the structure more
    probable (:func:`torch_afm.prediction.answers.edits.log_posterior`) are made, and the structure and the
    instrument are refined again. Around the best structure of these others are drawn, each of its doubtful
    atoms and hidden ones by its probability given the scan, and refined. Of structures with equal visible
    graphs the most probable is kept. Their weights are those of
    :func:`torch_afm.metrics.evidence.probabilities`, and each is completed by chemistry
    (:func:`complete`).

    Args:
        prediction: in the frame of the scan, by any network.
        reference: the scan.
        count: most answers.
        settings: how structures are refined.
        calibration: of the network.
        cut: height in Å below which atoms belong to the context.
        seed: of the draws.
        backend: of the renderer.
        progress: called with each step before it begins.

    Returns:
        the first answer as a prediction, and all answers, their confidences combined (:func:`combine`); the
        prediction as it was and none where that has no atoms.
    """
    sites = Sites.from_prediction(prediction, cut)
    if bool((sites.given == NONE).all()):
        return prediction, ()
    search = _Search(ScanLikelihood(reference, prediction.scan, backend), settings, cut, progress)
    scanner = Scanner() if prediction.refinement is None else prediction.refinement.scanner
    start = search.refined(
        sites, sites.given, Imaging(prediction.scan, prediction.tip, prediction.z_top, scanner), ()
    )
    climbed = search.climb(start)
    drawn = search.draw(climbed[-1], count, torch.Generator().manual_seed(seed))
    distinct = _weighted([search.answer(state) for state in (*climbed, *drawn)], count)
    answers = combine(distinct, calibration, prediction.classes)
    return search.prediction(prediction, answers[0]), answers


class _Search:
    def __init__(
        self,
        likelihood: ScanLikelihood,
        settings: RefinementSettings,
        cut: float,
        progress: Callable[[str], None] | None,
    ) -> None:
        self.likelihood, self.cut, self.progress = likelihood, cut, progress
        self.settings = dataclasses.replace(
            settings, plane=likelihood.plane, completions=0, min_gain=-math.inf, max_shift=math.inf
        )
        self.short = dataclasses.replace(
            self.settings,
            stages=_SHORT,
            scale_sigma=0.0,
            shear_sigma=0.0,
            stiffness_sigma=0.0,
            depth_sigma=0.0,
        )

    def climb(self, state: _State) -> list[_State]:
        """The state, and those that edits and refinement make of it, each more probable than the last."""
        found, value = [state], self.value(state)
        rounds = next(n for most, n in _ROUNDS if int((state.labels != NONE).sum()) <= most)
        for i in range(rounds):
            self.say(f"editing the structure, round {i + 1}")
            state = found[-1]
            sites, labels = with_open_bonds(state.sites, state.labels, self.cut)
            edits = judge_edits(sites, labels, self.judge(state.imaging))
            edited, done = apply_edits(sites, labels, edits)
            if bool((edited == NONE).all()):
                break
            words = tuple(describe(sites, labels, edit) for edit in done)
            keep = (edited != NONE) | (torch.arange(len(labels)) < len(state.labels))
            state = self.refined(sites.selected(keep), edited[keep], state.imaging, (*state.edits, *words))
            if self.value(state) <= value:
                break
            found.append(state)
            value = self.value(state)
        return found

    def draw(self, state: _State, count: int, generator: torch.Generator) -> list[_State]:
        """The most probable of structures drawn around a state, refined."""
        sites, labels = with_open_bonds(state.sites, state.labels, self.cut)
        judge = self.judge(state.imaging)
        edits = judge_edits(sites, labels, judge)
        drawn = [draw_edits(sites, labels, edits, generator) for _ in range(_DRAWS * (count - 1))]
        several = list({tuple(d.tolist()): d for d in drawn if bool((d != NONE).any())}.values())
        several = [d for d in several if not torch.equal(d, labels)]
        values = log_posterior(sites, several, judge) if several else []
        order = sorted(range(len(several)), key=lambda i: -values[i])[: count - 1]
        states = []
        for n, i in enumerate(order, start=1):
            self.say(f"refining sample {n} of {len(order)}")
            words = tuple(
                describe(sites, labels, edit)
                for edit in edits
                if edit.label == several[i][edit.site] != labels[edit.site]
            )
            states.append(self.refined(sites, several[i], state.imaging, (*state.edits, *words), self.short))
        return states

    def refined(
        self,
        sites: Sites,
        labels: Tensor,
        imaging: Imaging,
        edits: tuple[str, ...],
        settings: RefinementSettings | None = None,
    ) -> _State:
        """A structure after its refinement, where that makes its image more likely, else as it was."""
        structure = sites.structure(labels)
        result = refine(
            structure,
            self.likelihood.stack,
            self.likelihood.renderer,
            imaging.z_top,
            imaging.tip,
            settings=settings or self.settings,
            scanner=imaging.scanner,
        )
        before = _State(sites, labels, imaging, dataclasses.replace(result, accepted=False), edits)
        after = _State(
            sites.moved(structure.site, result.data.pos, result.data.charge),
            labels,
            Imaging(imaging.scan, result.tip, result.z_top, result.scanner),
            dataclasses.replace(result, accepted=True),
            edits,
        )
        return max(before, after, key=self.value)

    def value(self, state: _State) -> float:
        """Log-probability of a state, up to a constant."""
        return log_posterior(state.sites, [state.labels], self.judge(state.imaging))[0]

    def judge(self, imaging: Imaging) -> Judge:
        return lambda structures: self.likelihood(structures, imaging)

    def say(self, text: str) -> None:
        if self.progress is not None:
            self.progress(text)

    def answer(self, state: _State) -> Answer:
        """A state as an answer without a weight."""
        whole = state.structure
        (likelihood,), prior = self.likelihood([whole], state.imaging), state.sites.log_prior(state.labels)
        if state.refinement.accepted:
            whole.sigma = state.refinement.sigma
        deep, inside = state.sites.deep[whole.site], inside_scan(whole.pos, state.imaging.scan)
        graph, context = (sanitize(select_atoms(whole, part & inside)) for part in (~deep, deep))
        return Answer(
            graph,
            context,
            complete(graph, context),
            state.imaging,
            state.refinement,
            likelihood,
            prior,
            _UNIT * (likelihood / TEMPERATURE + prior),
            0.0,
            state.edits,
        )

    def prediction(self, start: Prediction, answer: Answer) -> Prediction:
        """An answer as what became of a prediction, with a last step that shows it."""
        whole = concat_graphs([answer.graph, answer.context])
        none = no_atoms(start.classes)
        step = Step(whole, self.likelihood.image(whole, answer.imaging), Proposal(none, 1.0, True), none)
        return dataclasses.replace(
            start,
            graph=answer.graph,
            context=answer.context,
            steps=[*start.steps, step],
            tip=answer.imaging.tip,
            z_top=answer.imaging.z_top,
            refinement=answer.refinement,
        )


def _weighted(answers: Sequence[Answer], count: int) -> tuple[Answer, ...]:
    """Distinct answers with their weights, the most probable first."""
    distinct: list[Answer] = []
    for answer in sorted(answers, key=lambda answer: -answer.evidence):
        if len(distinct) < count and not any(same_structure(answer.graph, d.graph) for d in distinct):
            distinct.append(answer)
    weights, _ = probabilities([answer.evidence for answer in distinct], -math.inf)
    return tuple(
        dataclasses.replace(answer, weight=float(weight))
        for answer, weight in zip(distinct, weights, strict=True)
    )
