"""Fits of the poses of molecules to a scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from torch_afm.config import Scan, Tip
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

#: Steps of short fits, of those of the best, and of those with the instrument; each ends before
#: where a step gains less than the tolerance.
_SHORT_STEPS, _FIRST_STEPS, _LAST_STEPS, _TOLERANCE = 2, 4, 12, 0.1

#: Å: standard deviation of the Gaussian that scan and images are blurred with, which takes most noise away.
_BLUR = 0.3

#: Places of each orientation that the search gives, and places of every candidate that are fitted; fits of
#: the best candidates that go on, and of these those with the instrument.
_PLACES, _FEW, _BEST, _LAST = 3, 4, 4, 3


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
        place: where it began.
        x: where it ended, see :class:`PoseModel`.
    """

    evidence: float
    place: Place
    x: Tensor


class Found(NamedTuple):
    """What a search found of a candidate.

    Args:
        places: where it may lie, the best first.
        fits: first ones, of the first few of these, the best first.
    """

    places: list[Place]
    fits: list[Fit]

    def record(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        fits = [[fit.evidence, self.places.index(fit.place), fit.x.tolist()] for fit in self.fits]
        return {"places": [place.record() for place in self.places], "fits": fits}

    @classmethod
    def from_record(cls, candidate: Candidate, record: Mapping[str, Any], seed: int) -> Found:
        """What :meth:`record` kept."""
        places = [Place.from_record(candidate, place, seed) for place in record["places"]]
        fits = [Fit(e, places[i], torch.tensor(x, dtype=torch.float64)) for e, i, x in record["fits"]]
        return cls(places, fits)


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
        self.renderer = ProbeParticleModel(
            scan, Tip.preset(options.tip), backend=options.backend, on_unconverged="ignore"
        )
        self.search = PoseSearch(stack, scan, z_top, self.renderer)
        px, py = scan.pixel_size
        wide = (_BLUR / py, _BLUR / px)
        scanned = stack.double().numpy()
        self.floor = noise_floor(scanned, wide)
        inside = ndimage.gaussian_filter(np.ones(scan.shape[1:]), wide, mode="constant")
        self._blurred = torch.from_numpy(
            ndimage.gaussian_filter(scanned, (0, *wide), mode="constant") / inside
        )

        #: Pixels that are compared, by their size, and the scan there.
        self._images: dict[float, tuple[SliceImages, Tensor]] = {}

    def find(self, candidate: Candidate) -> Found:
        """Where a candidate may lie, and first fits."""
        ways = [
            (molecule, c, o)
            for c, conformer in enumerate(candidate.conformers)
            for o, molecule in enumerate(orientations(conformer, self.options.seed))
        ]
        starts = self.search.find([molecule for molecule, *_ in ways], _PLACES)[: self.options.starts]
        places = [Place(ways[i][0], start, *ways[i][1:]) for i, start in starts]
        return Found(places, self._short_fits(places[:_FEW]))

    def compare(self, found: Found) -> list[Fit]:
        """Fits of pose and scanner from all places of a candidate, of which the best went on, best first."""
        fits = _best_first([*found.fits, *self._short_fits(found.places[_FEW:])])[:_BEST]
        return _best_first([self._go_on(fit, _FIRST_STEPS, self._model(fit.place)) for fit in fits])

    def _short_fits(self, places: Sequence[Place]) -> list[Fit]:
        fits = []
        for place in places:
            model = self._model(place)
            fits.append(self._go_on(Fit(0.0, place, torch.zeros_like(model.widths)), _SHORT_STEPS, model))
        return _best_first(fits)

    def _go_on(self, fit: Fit, steps: int, model: PoseModel) -> Fit:
        """A fit of pose and scanner after some more steps."""
        objective = self._objective(model, _FIRST_PIXEL, instrument=False)
        x = minimize(objective, fit.x, steps, _TOLERANCE, lambda *_: None)
        return Fit(-objective.value(x), fit.place, x)

    def _model(self, place: Place) -> PoseModel:
        upright = not is_planar(place.molecule)
        return PoseModel(place.molecule, place.start, self.z_top, self.renderer, upright)

    def answer(self, candidate: Candidate, fits: Sequence[Fit]) -> Answer:
        """The best pose of a candidate, fitted together with the instrument.

        Args:
            candidate: the molecule.
            fits: those of :meth:`compare`.
        """
        found = []
        for _, place, x in fits[:_LAST]:
            model = self._model(place)
            objective = self._objective(model, _LAST_PIXEL, instrument=True)
            x = minimize(objective, x, _LAST_STEPS, _TOLERANCE, lambda *_: None)
            expansion = objective.expand(x)
            volume = 0.5 * float(torch.linalg.slogdet(expansion.curvature)[1])
            found.append((-expansion.value - volume, x, objective))
        evidence, x, objective = max(found, key=lambda fit: fit[0])
        model = objective.model
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
        if pixel not in self._images:
            stride = max(1, round(pixel / self.scan.pixel_size[0]))
            plain = SliceImages(self.scan, stride, plane=True)
            reference = plain.normalize(plain.pick(self._blurred))
            self._images[pixel] = SliceImages(self.scan, stride, blur=_BLUR, plane=True), reference
        images, reference = self._images[pixel]
        return PoseObjective(model, images, reference, torch.from_numpy(self.floor), instrument)


def _best_first(fits: Sequence[Fit]) -> list[Fit]:
    return sorted(fits, key=lambda fit: -fit.evidence)
