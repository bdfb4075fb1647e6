"""Whole predictions put to the test: stacks of known molecules, and what generators make of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Tip
from torch_afm.data import AFMData, remove_atoms
from torch_afm.elements import AtomClasses
from torch_afm.generation.confidence import mean_pearson, with_confidence
from torch_afm.generation.greedy import Generation
from torch_afm.generation.spatial import SpatialGeneration
from torch_afm.io.journal import append_record, read_records
from torch_afm.metrics import MoleculeMetrics, agreement
from torch_afm.metrics.record import score_molecule
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.progress import ProgressBar
from torch_afm.transforms import MoveTip, Orient, RandomTip, best_rotations
from torch_afm.utils import InputError

#: What turns a stack, its simulator and its first anchor height in Å into a prediction.
Pipeline = Callable[[Tensor, ProbeParticleModel, float], Generation | SpatialGeneration]

#: Orientations that ``any`` draws from: as many as each molecule has in training.
ROTATIONS = 30


@dataclass(frozen=True)
class Trial:
    """A molecule as a generator meets it: imaged by a moved tip that the generator does not know of.

    Args:
        molecule: its number.
        truth: all its atoms, the top one at z = 0.
        reference: its stack in Hz.
        again: another stack of it, by a tip moved otherwise: as alike as two images of one molecule are.
        tip: the tip of ``reference``.
        z_top: first anchor height in Å as the generator is told.
        height: the one of ``reference``.

    Shapes:
        reference, again ``[1, 1, Z, Y, X]``.
    """

    molecule: int
    truth: AFMData
    reference: Tensor
    again: Tensor
    tip: Tip
    z_top: float
    height: float


def draw_trial(
    molecule: AFMData, number: int, renderer: ProbeParticleModel, orientation: str = "best", seed: int = 0
) -> Trial:
    """A trial of a molecule, always the same for the same seed and number.

    Args:
        molecule: with its charges.
        number: of the molecule.
        renderer: simulator.
        orientation: ``"best"``, the one that shows the most atoms, or ``"any"`` of the 30 best.
        seed: of the draws.

    Raises:
        InputError: for another orientation.
    """
    if orientation not in ("best", "any"):
        raise InputError(f"orientation: expected 'best' or 'any', got {orientation!r}")
    rng = np.random.default_rng((seed, number))
    turns = best_rotations(molecule.pos, n=1 if orientation == "best" else ROTATIONS)
    truth = Orient(turns[int(rng.integers(len(turns)))])(molecule)
    z_top = float(anchor_height(truth, renderer.scan, renderer.tip))
    moves = [RandomTip().draw(rng) for _ in range(2)]
    tips = [MoveTip(**move)(renderer.tip) for move in moves]
    heights = [z_top + move["distance"] for move in moves]
    stacks = [renderer(truth, tip=t, z_top=h).cpu() for t, h in zip(tips, heights, strict=True)]
    return Trial(number, truth, stacks[0], stacks[1], tips[0], z_top, heights[0])


def score_trial(
    trial: Trial,
    generation: Generation | SpatialGeneration,
    renderer: ProbeParticleModel,
    classes: AtomClasses,
    z_min: float,
    z_context: float | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Everything that is known of a prediction (:func:`torch_afm.metrics.score_molecule`), with its image by
    the tip of the reference.

    Args:
        trial: what was to be predicted.
        generation: what was.
        renderer: simulator.
        classes: classes that are told apart.
        z_min: depth of the surface cut in Å.
        z_context: depth in Å down to which atoms are predicted as context, for a network that does.
        seconds: that the prediction took.
    """
    height = trial.truth.pos[:, 2]
    visible = remove_atoms(trial.truth, height < z_min)
    context = None
    if z_context is not None:
        deep = remove_atoms(trial.truth, (height >= z_min) | (height < z_context))
        context = generation.context, deep
    placed = generation.steps[-1].graph.pos if generation.steps else generation.graph.pos
    if generation.refused is not None:
        placed = torch.cat([placed, generation.refused[None]])
    image = renderer.quiet()(_whole(generation), tip=trial.tip, z_top=trial.height).cpu()
    reference = trial.reference[0, 0].numpy()
    stacks = {"prediction": image, "empty": torch.zeros_like(image), "another draw": trial.again}
    return score_molecule(
        with_confidence(generation) if generation.steps else generation.graph,
        visible,
        generation.ended,
        classes,
        sequence=placed,
        steps=len(generation.steps),
        context=context,
        images={name: agreement(stack[0, 0].numpy(), reference) for name, stack in stacks.items()},
        pearson=mean_pearson(generation.simulated, trial.reference) if generation.steps else None,
        seconds=seconds,
        molecule=trial.molecule,
    )


def evaluate_predictions(
    pipelines: Mapping[str, Pipeline],
    molecules: Sequence[tuple[int, AFMData]],
    renderer: ProbeParticleModel,
    classes: AtomClasses,
    z_min: float,
    z_context: float | None = None,
    orientation: str = "best",
    seed: int = 0,
    file: str | Path | None = None,
) -> dict[str, MoleculeMetrics]:
    """Score generators on the same stacks, one a molecule. What is drawn for a molecule depends on the seed
    and its number alone, also what generators draw by torch's own generator.

    Args:
        pipelines: generators by name.
        molecules: numbers and molecules.
        renderer: simulator with the scan of the generators.
        classes: classes that are told apart.
        z_min: depth of the surface cut in Å.
        z_context: as in :func:`score_trial`.
        orientation: as in :func:`draw_trial`.
        seed: of the draws; the scores depend on nothing else.
        file: where to keep the records, a line of JSON a molecule; of molecules that are there they are taken
            from it, so that an evaluation that was interrupted goes on.

    Raises:
        InputError: for a file with records of other generators.
    """
    known = {} if file is None else {line["molecule"]: line["records"] for line in read_records(Path(file))}
    metrics = {name: MoleculeMetrics(classes) for name in pipelines}
    for number, molecule in ProgressBar(molecules, desc="predictions", unit="molecule", leave=False):
        records = known.get(number)
        if records is None:
            trial, records = draw_trial(molecule, number, renderer, orientation, seed), {}
            for name, predict in pipelines.items():
                start = time.perf_counter()
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(int(np.random.SeedSequence((seed, number)).generate_state(1)[0]))
                    generation = predict(trial.reference, renderer, trial.z_top)
                seconds = time.perf_counter() - start
                scores = score_trial(trial, generation, renderer, classes, z_min, z_context, seconds)
                records[name] = json.loads(json.dumps(scores))
            if file is not None:
                append_record(Path(file), {"molecule": number, "records": records})
        elif not pipelines.keys() <= records.keys():
            raise InputError(f"file: expected records of {', '.join(pipelines)}, got others in {file}")
        for name in pipelines:
            metrics[name].add(records[name])
    return metrics


def _whole(generation: Generation | SpatialGeneration) -> AFMData:
    """All atoms found, as the generator images them."""
    parts = generation.graph, generation.context
    z, pos = (torch.cat([part[key] for part in parts]) for key in ("z", "pos"))
    return AFMData(z=z, pos=pos, charge=torch.zeros(len(z)))
