"""Whole predictions put to the test: stacks of known molecules, and what generators make of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Tip
from torch_afm.data import AFMData, append_atom, covalent_bonds, remove_atoms
from torch_afm.elements import AtomClasses
from torch_afm.generation.confidence import mean_pearson
from torch_afm.generation.result import Prediction
from torch_afm.io.journal import append_record, read_records
from torch_afm.metrics import MoleculeMetrics, agreement
from torch_afm.metrics.molecules import MoleculeRecord, score_molecule
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.progress import ProgressBar
from torch_afm.transforms import Orient, RandomTip, best_rotations
from torch_afm.utils import InputError

#: Turns a stack, its simulator and its first anchor height in Å into a prediction.
Pipeline = Callable[[Tensor, ProbeParticleModel, float], Prediction]

#: Most atoms of a random graph.
MAX_RANDOM = 10

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
        z_top: first anchor height in Å that the generator gets.
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
    tips, heights = zip(*(RandomTip.apply(renderer.tip, z_top, **move) for move in moves), strict=True)
    stacks = [renderer(truth, tip=t, z_top=h).cpu() for t, h in zip(tips, heights, strict=True)]
    return Trial(number, truth, stacks[0], stacks[1], tips[0], z_top, heights[0])


def score_trial(
    trial: Trial,
    prediction: Prediction,
    renderer: ProbeParticleModel,
    classes: AtomClasses,
    z_min: float,
    z_context: float | None = None,
    seconds: float | None = None,
) -> MoleculeRecord:
    """Everything that is known of a prediction (:func:`torch_afm.metrics.molecules.score_molecule`), with its
    image by the tip of the reference.

    Args:
        trial: what was to be predicted.
        prediction: what was.
        renderer: simulator.
        classes: the atom classes.
        z_min: depth of the surface cut in Å.
        z_context: depth in Å down to which atoms are predicted as context, for a network that does.
        seconds: that the prediction took.
    """
    height = trial.truth.pos[:, 2]
    visible = remove_atoms(trial.truth, height < z_min)
    context = None
    if z_context is not None:
        deep = remove_atoms(trial.truth, (height >= z_min) | (height < z_context))
        context = prediction.context, deep
    placed = prediction.graph.pos
    if prediction.steps:
        last = prediction.steps[-1]
        placed = torch.cat([last.graph.pos, last.refused])
    image = renderer.quiet()(_whole(prediction), tip=trial.tip, z_top=trial.height).cpu()
    reference = trial.reference[0, 0].numpy()
    stacks = {"prediction": image, "empty": torch.zeros_like(image), "another draw": trial.again}
    return score_molecule(
        prediction.graph,
        visible,
        prediction.ended,
        classes,
        sequence=placed,
        steps=len(prediction.steps),
        context=context,
        images={name: agreement(stack[0, 0].numpy(), reference) for name, stack in stacks.items()},
        pearson=mean_pearson(prediction.simulated, trial.reference) if prediction.steps else None,
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
        classes: the atom classes.
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
                    prediction = predict(trial.reference, renderer, trial.z_top)
                seconds = time.perf_counter() - start
                scores = score_trial(trial, prediction, renderer, classes, z_min, z_context, seconds)
                records[name] = scores.to_dict()
            if file is not None:
                append_record(Path(file), {"molecule": number, "records": records})
        elif not pipelines.keys() <= records.keys():
            raise InputError(f"file: expected records of {', '.join(pipelines)}, got others in {file}")
        for name in pipelines:
            metrics[name].add(MoleculeRecord.from_dict(records[name]))
    return metrics


def baselines(classes: AtomClasses, z_min: float = -0.7) -> dict[str, Pipeline]:
    """Three of them, by name: ``stop at once`` finds nothing; ``brightest pixel`` one hydrogen, at the height
    of the top atom, under the brightest pixel of the nearest slice; ``random atoms`` 1 to 10 of any class,
    anywhere in the window and the depths visible, bonded by distance, drawn by torch's own generator.

    Args:
        classes: the atom classes.
        z_min: depth of the surface cut in Å.
    """

    def predicted(graph: AFMData, renderer: ProbeParticleModel, z_top: float) -> Prediction:
        scan, tip = renderer.scan, renderer.tip
        return Prediction(graph, AFMData.empty(), [], "stop", classes, scan, tip, z_top)

    def nothing(reference: Tensor, renderer: ProbeParticleModel, z_top: float) -> Prediction:
        return predicted(AFMData.empty(), renderer, z_top)

    def brightest(reference: Tensor, renderer: ProbeParticleModel, z_top: float) -> Prediction:
        scan = renderer.scan
        row, column = divmod(int(reference[0, 0, -1].argmax()), len(scan.x))
        pos = torch.tensor([float(scan.x[column]), float(scan.y[row]), 0.0])
        return predicted(append_atom(AFMData.empty(), 1, pos, []), renderer, z_top)

    def random(reference: Tensor, renderer: ProbeParticleModel, z_top: float) -> Prediction:
        n = int(torch.randint(1, MAX_RANDOM + 1, ()))
        low, high = torch.tensor([*renderer.scan.window, (z_min, 0.0)]).T
        pos = low + (high - low) * torch.rand(n, 3)
        z = classes.representative(torch.randint(1, len(classes), (n,)))
        graph = AFMData(z=z, pos=pos, charge=torch.zeros(n), edge_index=covalent_bonds(z, pos))
        return predicted(graph, renderer, z_top)

    return {"stop at once": nothing, "brightest pixel": brightest, "random atoms": random}


def _whole(prediction: Prediction) -> AFMData:
    """All atoms found, as they are imaged."""
    parts = prediction.graph, prediction.context
    z, pos = (torch.cat([part[key] for part in parts]) for key in ("z", "pos"))
    return AFMData(z=z, pos=pos, charge=torch.zeros(len(z)))
