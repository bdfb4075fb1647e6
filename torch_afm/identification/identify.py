"""Which of some molecules a scan shows, and how it lies."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.config.generators import PRESETS
from torch_afm.config.identification import IdentifyOptions
from torch_afm.data import AFMData
from torch_afm.identification.candidates import Candidate, orientations, read_candidates
from torch_afm.metrics.evidence import (
    OBSERVATIONS,
    noise_floor,
    other_evidence,
    probabilities,
)
from torch_afm.identification.pose import FIRST, PoseObjective
from torch_afm.identification.result import Answer, Identification
from torch_afm.identification.search import PoseSearch, Start
from torch_afm.io import AFMStack
from torch_afm.io.journal import append_record, keep_settings, read_records
from torch_afm.io.scans import ScanStack, prepare_scan, read_scan
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.refinement.images import SliceImages
from torch_afm.prediction.refinement.levenberg import minimize
from torch_afm.prediction.slices import trained_height
from torch_afm.utils import InputError

#: Å a pixel of the fits, and steps and gain at which the first and the last one end.
_PIXEL, _FIRST_STEPS, _LAST_STEPS, _TOLERANCE = 0.5, 5, 12, 0.1

#: Å: longest side of a scan that is searched.
_WIDEST = 40.0

#: Places of each orientation that the search gives.
_PLACES = 4


def identify(
    scan: str | Path | Sequence[str | Path] | AFMStack | ScanStack,
    candidates: Iterable[Candidate | str | Path],
    options: IdentifyOptions | None = None,
    progress: Callable[[str], None] | None = None,
    folder: str | Path | None = None,
) -> Identification:
    """Which of some molecules a scan shows, and how it lies.

    Of each candidate, in all of its orientations, the image is correlated with the scan over turns, places
    and heights (:class:`PoseSearch`), and the best poses are fitted (:class:`PoseObjective`); of the best
    candidates the fit is repeated with everything that is not known of the instrument: scale and shear of the
    scanner, stiffness, depth and tilt of the probe, strength of the charges, radii of elements, and torsions.
    They are ranked by their evidence in Laplace's approximation, the posterior density at its maximum times
    the volume of what is as good (MacKay, Neural Comput. 4, 415 (1992)): fitted parameters count against a
    candidate. A molecule that is not among the candidates has an evidence of its own.

    Args:
        scan: as :func:`torch_afm.predict` takes it.
        candidates: the molecules, as :func:`read_candidates` takes them: SMILES, files, lists.
        options: everything that can be chosen.
        progress: called with each step, in words, before it begins.
        folder: where candidates that were compared are kept, so that the same call goes on after an
            interruption; nowhere by default.

    Raises:
        InputError: for anything wrong with the scan, no candidates, and scans that are too wide.
    """
    options = options or IdentifyOptions()
    report = progress or (lambda _: None)
    report("reading the scan")
    stack = scan if isinstance(scan, ScanStack) else read_scan(scan, **vars(options.reading))
    model = PRESETS["scan"].scan
    prepared = prepare_scan(stack, model, options.preparation, whole=True)
    sides = [high - low for low, high in prepared.scan.window]
    if max(sides) > _WIDEST:
        raise InputError(
            f"window: expected a scan of at most {_WIDEST:.0f} x {_WIDEST:.0f} Å around the molecule, got "
            f"{sides[0]:.0f} x {sides[1]:.0f} Å; cut out a window of it"
        )
    report("reading the candidates")
    molecules = list(read_candidates(candidates, options.conformers, options.seed, options.xtb))
    if not molecules:
        raise InputError("candidates: expected one or more, got none")
    lower = (model.n_slices - prepared.scan.n_slices) * model.dz
    z_top = trained_height(prepared.scan, model) - lower
    fitter = Fitter(prepared.stack.tensor()[0, 0], prepared.scan, z_top, options)
    journal = None
    if folder is not None:
        journal = Path(folder) / "compared.jsonl"
        Path(folder).mkdir(parents=True, exist_ok=True)
        settings = {
            "candidates": [c.name for c in molecules],
            "options": repr(options),
            "scan": repr(prepared.scan),
        }
        keep_settings(Path(folder) / "compared.json", settings, description="a comparison")
    done = [] if journal is None else read_records(journal)
    found = [
        [Place.from_record(molecules[i], place) for place in record["places"]]
        for i, record in enumerate(done)
    ]
    for i, candidate in enumerate(molecules[len(done) :], start=len(done)):
        report(f"searching for {len(molecules)} candidates, {i + 1}: {candidate.name}")
        found.append(fitter.places(candidate))
        if journal is not None:
            append_record(
                journal, {"name": candidate.name, "places": [place.record() for place in found[-1]]}
            )
    likely = np.argsort([-max(place.start.pearson for place in places) for places in found], kind="stable")
    fits: dict[int, list[Fit]] = {}
    for n, i in enumerate(likely[: options.compared].tolist()):
        report(f"comparing {min(options.compared, len(molecules))} candidates, {n + 1}: {molecules[i].name}")
        fits[i] = fitter.compare(found[i])
    order = sorted(fits, key=lambda i: -fits[i][0].evidence)
    answers = []
    for n, i in enumerate(order[: options.fits]):
        report(f"fitting {min(options.fits, len(order))} candidates, {n + 1}: {molecules[i].name}")
        answers.append(fitter.answer(molecules[i], fits[i]))
    answers.sort(key=lambda answer: -answer.evidence)
    other = other_evidence(fitter.floor.numpy())
    chances, none = probabilities([answer.evidence for answer in answers], other)
    answers = [dataclasses.replace(a, probability=float(p)) for a, p in zip(answers, chances, strict=True)]
    rest = [*order[options.fits :], *likely[options.compared :].tolist()]
    return Identification(
        answers=tuple(answers),
        none=none,
        others=tuple(molecules[i].name for i in rest),
        prepared=prepared,
        noise=fitter.floor.numpy(),
        options=options,
    )


class Place(NamedTuple):
    """Where a candidate may lie.

    Args:
        molecule: the candidate in one of its orientations.
        start: its place.
        conformer: number of its conformer.
        orientation: number of its orientation.
    """

    molecule: AFMData
    start: Start
    conformer: int
    orientation: int

    def record(self) -> list[Any]:
        """Plain numbers for JSON."""
        return [list(self.start), self.conformer, self.orientation]

    @classmethod
    def from_record(cls, candidate: Candidate, record: Sequence[Any], seed: int = 0) -> Place:
        """What :meth:`record` kept."""
        (pearson, angle, place, height), conformer, orientation = record
        molecule = orientations(candidate.conformers[conformer], seed)[orientation]
        return cls(molecule, Start(pearson, angle, tuple(place), height), conformer, orientation)


class Fit(NamedTuple):
    """A fit of a candidate.

    Args:
        evidence: logarithm of how well it explains the scan.
        objective: what was fitted.
        x: where its maximum is.
    """

    evidence: float
    objective: PoseObjective
    x: Tensor


class Fitter:
    """Fits candidates to a scan.

    Args:
        stack: the prepared scan, far to near.
        scan: its pixels, heights and oscillation.
        z_top: usual first anchor height in Å.
        options: what was asked for.

    Shapes:
        stack ``[Z, Y, X]``.
    """

    def __init__(self, stack: Tensor, scan: Scan, z_top: float, options: IdentifyOptions) -> None:
        self.stack, self.scan, self.z_top, self.options = stack, scan, z_top, options
        self.renderer = ProbeParticleModel(scan, backend=options.backend, on_unconverged="ignore")
        self.search = PoseSearch(stack, scan, z_top, self.renderer)
        self.images = SliceImages(scan, max(1, round(_PIXEL / scan.pixel_size[0])))
        self.floor = torch.from_numpy(noise_floor(stack.double().numpy()))

    def places(self, candidate: Candidate) -> list[Place]:
        """Where a candidate may lie, the best first."""
        found = [
            Place(molecule, start, c, o)
            for c, conformer in enumerate(candidate.conformers)
            for o, molecule in enumerate(orientations(conformer, self.options.seed))
            for start in self.search.find(molecule, _PLACES)
        ]
        return sorted(found, key=lambda place: -place.start.pearson)[: self.options.starts]

    def compare(self, places: Sequence[Place]) -> list[Fit]:
        """First fits of a candidate, of its pose alone, best first."""
        fits = []
        for place in places:
            objective = self._objective(place.molecule, place.start)
            objective.free[FIRST:] = False
            x = self._minimum(objective, torch.zeros(len(objective.scale)).double(), _FIRST_STEPS)
            fits.append(Fit(-objective.value(x), objective, x))
        return sorted(fits, key=lambda fit: -fit.evidence)

    def answer(self, candidate: Candidate, fits: Sequence[Fit]) -> Answer:
        """The best pose of a candidate, fitted together with the instrument.

        Args:
            candidate: the molecule.
            fits: first ones, the best first.
        """
        found = []
        for _, objective, x in fits[:2]:
            objective.free[:] = True
            x = self._minimum(objective, x, _LAST_STEPS)
            expansion = objective.expand(x)
            volume = 0.5 * float(torch.linalg.slogdet(expansion.curvature)[1])
            found.append(Fit(-expansion.value - volume, objective, x))
        evidence, objective, x = max(found, key=lambda fit: fit.evidence)
        pose = objective.pose(x)
        simulated = objective.simulate(pose, objective.all_places()).reshape(self.scan.shape)
        return Answer(
            candidate=candidate,
            atoms=pose.in_scan(self.scan),
            pose=pose,
            pearson=1 - objective.residual(x).numpy() / 2,
            simulated=simulated.numpy(),
            evidence=evidence,
        )

    def _objective(self, molecule: AFMData, start: Start) -> PoseObjective:
        return PoseObjective(
            molecule, start, self.z_top, self.renderer, self.images, self.stack, OBSERVATIONS, self.floor
        )

    def _minimum(self, objective: PoseObjective, x: Tensor, steps: int) -> Tensor:
        return minimize(objective, x, steps, _TOLERANCE, lambda *_: None)
