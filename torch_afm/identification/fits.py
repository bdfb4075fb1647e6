"""Fits of the poses of molecules to a scan."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.config.identification import IdentifyOptions
from torch_afm.data import AFMData
from torch_afm.datasets.enumerate import is_planar
from torch_afm.identification.candidates import Candidate, orientations
from torch_afm.identification.objective import PoseObjective, all_places
from torch_afm.identification.pose import PoseModel
from torch_afm.identification.result import Answer
from torch_afm.identification.search import PoseSearch, Start
from torch_afm.metrics.evidence import noise_floor
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.refinement.images import SliceImages
from torch_afm.prediction.refinement.levenberg import minimize

#: Å a pixel of first and last fits.
_FIRST_PIXEL, _LAST_PIXEL = 0.75, 0.5

#: Steps of the fits of all starts, of those of the best, and of those with the instrument; each ends before
#: where a step gains less than the tolerance.
_TRIAL_STEPS, _FIRST_STEPS, _LAST_STEPS, _TOLERANCE = 2, 4, 12, 0.1

#: Å: standard deviation of the Gaussian that scan and images are blurred with: most of the noise is gone then.
_BLUR = 0.3

#: Places of each orientation that the search gives; starts of each candidate whose fit goes on, and fits that
#: are repeated with the instrument.
_PLACES, _BEST, _LAST = 3, 4, 3


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
    def from_record(cls, candidate: Candidate, record: Sequence[Any], seed: int) -> Place:
        """What :meth:`record` kept."""
        (pearson, angle, place, height), conformer, orientation = record
        molecule = orientations(candidate.conformers[conformer], seed)[orientation]
        return cls(molecule, Start(pearson, angle, tuple(place), height), conformer, orientation)


class Fit(NamedTuple):
    """A fit of a candidate.

    Args:
        evidence: logarithm of how well it explains the scan.
        model: what was fitted.
        x: where its maximum is.
    """

    evidence: float
    model: PoseModel
    x: Tensor


class Fitter:
    """Fits candidates to a scan.

    Args:
        stack: the prepared scan, far to near.
        scan: its pixels, heights and oscillation.
        z_top: usual first anchor height in Å.
        options: what was asked for.

    Attributes:
        floor: share of the variance of each slice that is noise.

    Shapes:
        stack ``[Z, Y, X]``.
    """

    def __init__(self, stack: Tensor, scan: Scan, z_top: float, options: IdentifyOptions) -> None:
        self.scan, self.z_top, self.options = scan, z_top, options
        self.renderer = ProbeParticleModel(scan, backend=options.backend, on_unconverged="ignore")
        self.search = PoseSearch(stack, scan, z_top, self.renderer)
        px, py = scan.pixel_size
        wide = (_BLUR / py, _BLUR / px)
        scanned = stack.double().numpy()
        self.floor = noise_floor(scanned, wide)
        inside = ndimage.gaussian_filter(np.ones(scan.shape[1:]), wide, mode="constant")
        self._blurred = torch.from_numpy(
            ndimage.gaussian_filter(scanned, (0, *wide), mode="constant") / inside
        )

    def places(self, candidate: Candidate) -> list[Place]:
        """Where a candidate may lie, the best first."""
        ways = [
            (molecule, c, o)
            for c, conformer in enumerate(candidate.conformers)
            for o, molecule in enumerate(orientations(conformer, self.options.seed))
        ]
        found = self.search.find([molecule for molecule, *_ in ways], _PLACES)
        return [Place(ways[i][0], start, *ways[i][1:]) for i, start in found[: self.options.starts]]

    def compare(self, places: Sequence[Place]) -> list[Fit]:
        """Short fits of a candidate, of its pose and the scanner alone, best first."""
        fits = []
        for place in places:
            upright = not is_planar(place.molecule)
            model = PoseModel(place.molecule, place.start, self.z_top, self.renderer, upright)
            fits.append(self._go_on(Fit(0.0, model, torch.zeros_like(model.widths)), _TRIAL_STEPS))
        return sorted(fits, key=lambda fit: -fit.evidence)

    def _go_on(self, fit: Fit, steps: int) -> Fit:
        """A fit of the pose after some more steps."""
        objective = self._objective(fit.model, _FIRST_PIXEL, instrument=False)
        x = minimize(objective, fit.x, steps, _TOLERANCE, lambda *_: None)
        return Fit(-objective.value(x), fit.model, x)

    def answer(self, candidate: Candidate, fits: Sequence[Fit]) -> Answer:
        """The best pose of a candidate, fitted together with the instrument.

        Args:
            candidate: the molecule.
            fits: short ones, the best first.
        """
        best = sorted((self._go_on(fit, _FIRST_STEPS) for fit in fits[:_BEST]), key=lambda fit: -fit.evidence)
        found = []
        for _, model, x in best[:_LAST]:
            objective = self._objective(model, _LAST_PIXEL, instrument=True)
            x = minimize(objective, x, _LAST_STEPS, _TOLERANCE, lambda *_: None)
            expansion = objective.expand(x)
            volume = 0.5 * float(torch.linalg.slogdet(expansion.curvature)[1])
            found.append((Fit(-expansion.value - volume, model, x), objective))
        (evidence, model, x), objective = max(found, key=lambda pair: pair[0].evidence)
        pose = model.pose(x)
        simulated = model.stacks(x[None], all_places(model).flatten(0, 1))[0]
        return Answer(
            candidate=candidate,
            atoms=pose.in_scan(self.scan.center),
            pose=pose,
            pearson=1 - objective.residual(x).numpy() / 2,
            simulated=simulated.reshape(self.scan.shape).float().numpy(),
            evidence=evidence,
        )

    def _objective(self, model: PoseModel, pixel: float, instrument: bool) -> PoseObjective:
        stride = max(1, round(pixel / self.scan.pixel_size[0]))
        images = SliceImages(self.scan, stride, blur=_BLUR, plane=True)
        plain = SliceImages(self.scan, stride, plane=True)
        reference = plain.normalize(plain.pick(self._blurred))
        return PoseObjective(model, images, reference, torch.from_numpy(self.floor), instrument)
