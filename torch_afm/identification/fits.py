"""Fits of the poses of molecules to a scan."""

from __future__ import annotations

from collections.abc import Sequence
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
from torch_afm.identification.short import FITTED, ShortFits, coarse_heights
from torch_afm.metrics.evidence import noise_floor
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.refinement.images import SliceImages
from torch_afm.prediction.refinement.levenberg import minimize

#: Å a pixel of the fits.
_PIXEL = 0.75

#: Steps of fits of pose and scanner, and of those with the instrument; each ends before where a step gains
#: less than the tolerance.
_FIRST_STEPS, _LAST_STEPS, _TOLERANCE = 4, 10, 0.3

#: Å: standard deviation of the Gaussian that scan and images are blurred with, which takes most noise away.
_BLUR = 0.3

#: Places of each orientation that the search gives; short fits that go on after their first step; of these
#: the best, each unlike the others, that are fitted on, and of these those with the instrument.
_PLACES, _GO_ON, _BEST, _LAST = 3, 10, 3, 2

#: Å: fits whose atoms are no farther than this from one of the same element in another, in the mean, are
#: alike.
_ALIKE = 0.4


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

    def record(self) -> list[Any]:
        """Plain numbers for JSON."""
        return [self.evidence, self.place.record(), self.x.tolist()]

    @classmethod
    def from_record(cls, candidate: Candidate, record: Sequence[Any], seed: int) -> Fit:
        """What :meth:`record` kept."""
        evidence, place, x = record
        return cls(evidence, Place.from_record(candidate, place, seed), torch.tensor(x, dtype=torch.float64))


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
        px, py = scan.pixel_size
        wide = (_BLUR / py, _BLUR / px)
        scanned = stack.double().numpy()
        self.floor = noise_floor(scanned, wide)
        inside = ndimage.gaussian_filter(np.ones(scan.shape[1:]), wide, mode="constant")
        blurred = ndimage.gaussian_filter(scanned, (0, *wide), mode="constant") / inside
        coarse = coarse_heights(torch.from_numpy(blurred), scan, z_top, torch.from_numpy(self.floor))
        self.search = PoseSearch(coarse.stack, coarse.scan, coarse.z_top, self.renderer)
        self.short = ShortFits(coarse, self.renderer)
        # Pixels that are compared, and the scan there.
        stride = max(1, round(_PIXEL / px))
        plain = SliceImages(scan, stride, plane=True)
        self._reference = plain.normalize(plain.pick(torch.from_numpy(blurred)))
        self._images = SliceImages(scan, stride, blur=_BLUR, plane=True)

    def find(self, candidate: Candidate) -> list[Fit]:
        """Short fits of a candidate, each unlike the others, best first."""
        ways = [
            (molecule, c, o)
            for c, conformer in enumerate(candidate.conformers)
            for o, molecule in enumerate(orientations(conformer, self.options.seed))
        ]
        starts = self.search.find([molecule for molecule, *_ in ways], _PLACES)[: self.options.starts]
        places = [Place(ways[i][0], start, *ways[i][1:]) for i, start in starts]
        upright = not is_planar(candidate.conformers[0])
        found: list[Fit] = []
        shapes: list[AFMData] = []
        for evidence, i, fitted in self.short.fit(
            [place.molecule for place in places], [place.start for place in places], upright, _GO_ON
        ):
            model = self._model(places[i], upright)
            x = torch.zeros_like(model.widths)
            x[FITTED] = fitted
            shape = model.pose(x).atoms
            if not any(_deviation(shape, other) < _ALIKE for other in shapes):
                found.append(Fit(evidence, places[i], x))
                shapes.append(shape)
            if len(found) == _BEST:
                break
        return found

    def compare(self, found: Sequence[Fit]) -> list[Fit]:
        """The fits of :meth:`find` after some more steps, best first."""
        fits = []
        for _, place, x in found:
            objective = self._objective(place, instrument=False)
            x = minimize(objective, x, _FIRST_STEPS, _TOLERANCE, lambda *_: None)
            fits.append(Fit(-objective.value(x), place, x))
        return sorted(fits, key=lambda fit: -fit.evidence)

    def _model(self, place: Place, upright: bool) -> PoseModel:
        return PoseModel(place.molecule, place.start, self.z_top, self.renderer, upright)

    def answer(self, candidate: Candidate, fits: Sequence[Fit]) -> Answer:
        """The best pose of a candidate, fitted together with the instrument.

        Args:
            candidate: the molecule.
            fits: those of :meth:`compare`.
        """
        found = []
        for _, place, x in fits[:_LAST]:
            objective = self._objective(place, instrument=True)
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

    def _objective(self, place: Place, instrument: bool) -> PoseObjective:
        model = self._model(place, upright=not is_planar(place.molecule))
        floor = torch.from_numpy(self.floor)
        return PoseObjective(model, self._images, self._reference, floor, instrument)


def _deviation(a: AFMData, b: AFMData) -> float:
    """Mean distance in Å of the heavy atoms of a molecule from the nearest one of the same element in another
    pose of it."""
    first, second = a.z > 1, b.z > 1
    distance = torch.cdist(a.pos[first], b.pos[second])
    distance[a.z[first][:, None] != b.z[second]] = torch.inf
    return float(distance.amin(1).mean()) if bool(first.any()) else 0.0
