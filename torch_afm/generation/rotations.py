"""Predict a scan turned by quarter turns, too, and compare the structures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from torch_afm.config.prediction import PredictOptions
from torch_afm.generation.confidence import mean_pearson
from torch_afm.generation.consistency import Consistency, consistency
from torch_afm.generation.preparation import ChosenScan
from torch_afm.generation.refinement import RefinementSettings
from torch_afm.generation.result import Prediction
from torch_afm.generation.windows import predict_scan
from torch_afm.models import Generator
from torch_afm.symmetry import Symmetry

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
        found = {
            "degrees": [90 * turns for turns in self.turns],
            "pearson": list(self.pearson),
            "taken": 90 * self.turns[self.best],
            "atoms": [len(p.graph.z) for p in self.predictions],
        }
        if self.consistency is not None:
            found |= {"support": self.consistency.support[self.best].tolist(), **self.consistency.to_dict()}
        return found

    def describe(self) -> str:
        """The same in a line."""
        parts = ", ".join(
            f"{90 * turns}°: {len(p.graph.z)} atoms, r {r:.2f}"
            for turns, p, r in zip(self.turns, self.predictions, self.pearson, strict=True)
        )
        if self.consistency is None:
            return parts
        f1, cutoff = self.consistency.mean_f1, self.consistency.cutoff
        return f"{parts}; F1 between them {f1:.2f} at {cutoff} Å; taken: {90 * self.turns[self.best]}°"


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
    refinement = None
    if search.refine:
        refinement = RefinementSettings(distance_sigma=_FREE) if chosen.guessed else RefinementSettings()
    turns = tuple(range(0, 4, 4 // options.rotations))
    predictions, pearson = [], []
    for n in turns:
        way = Symmetry(n)
        found = predict_scan(
            model,
            stack.turned(way).tensor(),
            way.scan(scan),
            chosen.z_top,
            way.tip(chosen.tip),
            backend=options.backend,
            cover=chosen.cover,
            max_atoms=search.max_atoms,
            search=search.search,
            physics=search.physics,
            refinement=refinement,
            views=1 if several and search.views is None else search.views,
            seed=search.seed,
            progress=_with_turn(progress, n) if several else progress,
        )
        found = turn_prediction(found, way.inverse)
        predictions.append(found)
        pearson.append(mean_pearson(found.simulated, stack.tensor()))
    agreement = consistency([found.graph for found in predictions]) if several else None
    return Rotations(turns, tuple(predictions), tuple(pearson), agreement)


def turn_prediction(prediction: Prediction, way: Symmetry) -> Prediction:
    """A prediction of a scan as one of the scan turned about its center; of its steps the last alone. Its
    windows stay as they are."""
    if way == Symmetry():
        return prediction
    center, step = prediction.scan.center, prediction.steps[-1]
    revised = step.proposal.revised
    if revised is not None:
        revised = dataclasses.replace(revised, pos=way.points(revised.pos, center))
    step = dataclasses.replace(
        step,
        graph=way.graph(step.graph, center),
        simulated=way.image(step.simulated).contiguous(),
        proposal=dataclasses.replace(
            step.proposal, atoms=way.graph(step.proposal.atoms, center), revised=revised, maps=None
        ),
        added=way.graph(step.added, center),
    )
    return dataclasses.replace(
        prediction,
        graph=way.graph(prediction.graph, center),
        context=way.graph(prediction.context, center),
        steps=[step],
        scan=way.scan(prediction.scan),
        tip=way.tip(prediction.tip),
    )


def _with_turn(progress: Callable[[str], None] | None, turns: int) -> Callable[[str], None] | None:
    """Progress that names the turn, too."""
    return None if progress is None else lambda step: progress(f"turned by {90 * turns}°, {step}")
