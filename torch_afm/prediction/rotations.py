"""Predict a scan turned by quarter turns, too, and compare the structures."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_afm.config.prediction import PredictOptions
from torch_afm.data import AFMData
from torch_afm.functional import remove_slope
from torch_afm.metrics import match_atoms
from torch_afm.models import Generator
from torch_afm.prediction.preparation import ChosenScan
from torch_afm.prediction.refinement import RefinementSettings
from torch_afm.prediction.result import Prediction, mean_pearson
from torch_afm.prediction.whole import predict_whole_scan
from torch_afm.prediction.windows import predict_scan
from torch_afm.symmetry import Symmetry
from torch_afm.utils import InputError

#: Å within which atoms of two predictions match.
CUTOFF = 0.5


@dataclass(frozen=True)
class Consistency:
    """Agreement of several predictions of the same structure.

    Args:
        f1: F1 of each two, one taken for the truth of the other.
        distance: root mean square distance of their matched atoms in Å; NaN where none match.
        support: share of the other predictions that have each atom, one tensor a prediction.

    Shapes:
        f1 and distance ``[R, R]``, support R times ``[N]``.
    """

    f1: Tensor
    distance: Tensor
    support: list[Tensor]

    @property
    def mean_f1(self) -> float:
        """Mean F1 of all pairs."""
        n = len(self.f1)
        return float((self.f1.sum() - n) / (n * (n - 1)))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, ``None`` for what is not defined."""
        distance = [[None if math.isnan(d) else d for d in row] for row in self.distance.tolist()]
        return {"cutoff": CUTOFF, "f1": self.f1.tolist(), "distance": distance, "mean_f1": self.mean_f1}


def compare_predictions(graphs: Sequence[AFMData]) -> Consistency:
    """Compare predictions, all in one frame, each with each (:func:`torch_afm.metrics.match_atoms`): atoms
    within 0.5 Å of each other match.

    How high the tip was is unknown, and shifts all atoms of a prediction alike: of two, the median difference
    in height of the atoms that match laterally counts for nothing.

    Args:
        graphs: two or more.

    Raises:
        InputError: for fewer than two graphs.
    """
    n = len(graphs)
    if n < 2:
        raise InputError(f"graphs: expected two or more, got {n}")
    f1, distance = torch.eye(n), torch.zeros(n, n)
    support = [torch.zeros(len(g.z)) for g in graphs]
    for i, j in itertools.combinations(range(n), 2):
        a, b = graphs[i].pos, graphs[j].pos
        matched = match_atoms(a, b + _lift(a, b), CUTOFF)
        f1[i, j] = f1[j, i] = matched.f1
        d = matched.distance
        distance[i, j] = distance[j, i] = d.square().mean().sqrt() if len(d) else math.nan
        support[i][matched.pred] += 1 / (n - 1)
        support[j][matched.true] += 1 / (n - 1)
    return Consistency(f1, distance, support)


def _lift(a: Tensor, b: Tensor) -> Tensor:
    """What brings ``b`` to the height of ``a``, ``[3]``."""
    flat = a.new_tensor([1.0, 1.0, 0.0])
    matched = match_atoms(a * flat, b * flat, CUTOFF)
    lift = torch.zeros_like(flat)
    if len(matched.pred):
        lift[2] = (a[matched.pred, 2] - b[matched.true, 2]).median()
    return lift


#: Å that a refinement may move a tip whose height is a guess.
_FREE = 0.3


@dataclass(frozen=True)
class Rotations:
    """Predictions of a scan and of the same scan turned, all in the frame of the scan.

    Args:
        turns: quarter turns of each.
        predictions: what was found.
        pearson: Pearson's r of the image of each with the scan, mean of the slices.
        consistency: how far they agree; ``None`` for a single one.
    """

    turns: tuple[int, ...]
    predictions: tuple[Prediction, ...]
    pearson: tuple[float, ...]
    consistency: Consistency | None

    @property
    def best(self) -> int:
        """Index of the one whose image agrees best with the scan."""
        return int(np.argmax(self.pearson))

    @property
    def support(self) -> Tensor | None:
        """Share of the others that have each atom of the best, ``[N]``; ``None`` where there is no other."""
        return None if self.consistency is None else self.consistency.support[self.best]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, without the structures."""
        record = {
            "degrees": [90 * turns for turns in self.turns],
            "pearson": list(self.pearson),
            "taken": 90 * self.turns[self.best],
            "atoms": [len(p.graph.z) for p in self.predictions],
        }
        if self.consistency is not None:
            record |= {"support": self.consistency.support[self.best].tolist(), **self.consistency.to_dict()}
        return record

    def describe(self) -> str:
        """The same in a line."""
        parts = ", ".join(
            f"{90 * turns}°: {len(p.graph.z)} atoms, r {r:.2f}"
            for turns, p, r in zip(self.turns, self.predictions, self.pearson, strict=True)
        )
        if self.consistency is None:
            return parts
        f1 = self.consistency.mean_f1
        return f"{parts}; F1 between them {f1:.2f} at {CUTOFF} Å; taken: {90 * self.turns[self.best]}°"


def predict_rotations(
    model: Generator,
    chosen: ChosenScan,
    options: PredictOptions,
    progress: Callable[[str], None] | None = None,
) -> Rotations:
    """Predict a prepared scan as it is and, with ``options.rotations``, turned by quarter or half turns about
    its center (:func:`predict_scan`); each structure is turned back.

    Args:
        model: the network.
        chosen: the scan.
        options: how it is predicted; with several rotations each is one view by default.
        progress: called with each step before it begins.
    """
    stack, scan, search = chosen.prepared.stack, chosen.prepared.scan, options.search
    several = options.rotations > 1
    refinement = choose_refinement(model, chosen) if search.refine else None
    turns = tuple(range(0, 4, 4 // options.rotations))
    predictions, pearson = [], []
    for n in turns:
        symmetry = Symmetry(n)
        settings: dict[str, Any] = {
            "backend": options.backend,
            "max_atoms": search.max_atoms,
            "search": search.search,
            "physics": search.physics,
            "refinement": refinement,
            "views": 1 if several and search.views is None else search.views,
            "seed": search.seed,
            "progress": _with_turn(progress, n) if several else progress,
        }
        turned = stack.turned(symmetry).tensor(), symmetry.scan(scan), chosen.z_top, symmetry.tip(chosen.tip)
        if model.whole_scan:
            prediction = predict_whole_scan(model, *turned, **settings, amplitude=chosen.prepared.amplitude)
        else:
            prediction = predict_scan(model, *turned, **settings, cover=chosen.cover)
        prediction = turn_prediction(prediction, symmetry.inverse)
        if stack.leveled:
            prediction = _leveled(prediction)
        predictions.append(prediction)
        pearson.append(mean_pearson(prediction.simulated, stack.tensor()))
    agreement = compare_predictions([p.graph for p in predictions]) if several else None
    return Rotations(turns, tuple(predictions), tuple(pearson), agreement)


def choose_refinement(model: Generator, chosen: ChosenScan) -> RefinementSettings:
    """The settings that suit a prepared scan: where nobody knows how high the tip was, that is free, and, for
    a network of whole scans, the instrument."""
    settings = RefinementSettings()
    if chosen.guessed:
        settings = (
            RefinementSettings.measured() if model.whole_scan else RefinementSettings(distance_sigma=_FREE)
        )
    return dataclasses.replace(settings, plane=chosen.prepared.stack.leveled)


def _leveled(prediction: Prediction) -> Prediction:
    """The prediction whose image lacks its planes, as the scan does."""
    last = prediction.steps[-1]
    last = dataclasses.replace(last, simulated=remove_slope(last.simulated))
    return dataclasses.replace(prediction, steps=[*prediction.steps[:-1], last])


def turn_prediction(prediction: Prediction, symmetry: Symmetry) -> Prediction:
    """A prediction of a scan as one of the scan turned about its center; of its steps the last alone. Its
    windows stay as they are."""
    if symmetry == Symmetry():
        return prediction
    center, step = prediction.scan.center, prediction.steps[-1]
    revised = step.proposal.revised
    if revised is not None:
        revised = dataclasses.replace(revised, pos=symmetry.points(revised.pos, center))
    step = dataclasses.replace(
        step,
        graph=symmetry.graph(step.graph, center),
        simulated=symmetry.image(step.simulated).contiguous(),
        proposal=dataclasses.replace(
            step.proposal, atoms=symmetry.graph(step.proposal.atoms, center), revised=revised, maps=None
        ),
        added=symmetry.graph(step.added, center),
    )
    return dataclasses.replace(
        prediction,
        graph=symmetry.graph(prediction.graph, center),
        context=symmetry.graph(prediction.context, center),
        steps=[step],
        scan=symmetry.scan(prediction.scan),
        tip=symmetry.tip(prediction.tip),
    )


def _with_turn(progress: Callable[[str], None] | None, turns: int) -> Callable[[str], None] | None:
    """Progress that names the turn, too."""
    return None if progress is None else lambda step: progress(f"turned by {90 * turns}°, {step}")
