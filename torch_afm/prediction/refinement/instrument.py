"""Fit what the instrument of a measurement has: scale and shear of the scanner, springs and depth of the
probe, tilt and height of the tip."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import torch
from torch import Tensor

from torch_afm.ppm import ProbeParticleModel, TipParameters
from torch_afm.prediction.chemistry import GeometryPrior
from torch_afm.prediction.refinement.groups import surroundings, take_atoms
from torch_afm.prediction.refinement.images import SliceImages
from torch_afm.prediction.refinement.job import RefinementJob, State
from torch_afm.prediction.refinement.levenberg import Expansion, minimize
from torch_afm.prediction.refinement.scanner import ScannedModel, Scanner
from torch_afm.prediction.refinement.settings import RefinementSettings

#: Distances of predicted atoms are off by a few tenths of an Å: what of them tells the scale.
_DISTANCES = GeometryPrior(bond_width=(0.2, 0.2, 0.2), angle_width=(0.3, 0.3, 0.3), gap=None)

#: Å around the atoms within which pixels are compared.
_MARGIN = 2.5

#: Finite difference, in standard deviations of the prior, and the longest step.
_DIFFERENCE, _MAX_STEP = 0.05, 1.0

#: Steps at most, and the gain below which they end.
_ITERATIONS, _TOLERANCE = 6, 0.05


class Instrument(NamedTuple):
    """What a stack was taken with.

    Args:
        scanner: scale and shear.
        tip: the tip.
        z_top: first anchor height in Å.
    """

    scanner: Scanner
    tip: TipParameters
    z_top: float


class InstrumentObjective:
    r"""The negative logarithm of a posterior density of the instrument, all atoms held: the first term and
    the prior of :class:`RefinementObjective`, and the distances across bonds and angles in the sample, which
    tell the scale. The unknowns are, in units of the standard deviations of the settings: logarithms of both
    scales, shear, logarithms of the lateral springs and of the depth of the probe, tilt, height.

    Args:
        start: atoms, tip and height before the fit.
        renderer: simulator with the scan of the reference.
        images: pixels that are compared.
        reference: the stack, ``[Z, Y, X]``.
        settings: the standard deviations; 0 holds a value.
        scanner: the scanner before the fit.
    """

    def __init__(
        self,
        start: State,
        renderer: ProbeParticleModel,
        images: SliceImages,
        reference: Tensor,
        settings: RefinementSettings,
        scanner: Scanner,
    ) -> None:
        self.start, self.renderer, self.images, self.settings = start, renderer, images, settings
        self.scanner = scanner
        self.reference = images.normalize(images.pick(reference))
        s = settings
        widths = (s.scale_sigma, s.scale_sigma, s.shear_sigma, s.stiffness_sigma, s.depth_sigma)
        self.scale = torch.tensor([*widths, s.tilt_sigma, s.tilt_sigma, s.distance_sigma]).double()
        self.free = self.scale > 0
        _, self.depth = renderer.forcefield.probe_parameters(start.tip.probe)

    def instrument(self, x: Tensor) -> Instrument:
        """The instrument of a vector ``[8]``."""
        by = (x * self.scale).tolist()
        scale_x, scale_y, stiffness, depth = (math.exp(v) for v in (*by[:2], *by[3:5]))
        tip = self.start.tip
        springs = tip.stiffness * tip.stiffness.new_tensor([stiffness, stiffness, 1.0])
        aside = tip.tilt + tip.tilt.new_tensor(by[5:7])
        probes = tuple(
            dataclasses.replace(probe, depth=depth * value) if self.free[4] else probe
            for probe, value in zip(tip.probe, self.depth, strict=True)
        )
        limit = 0.5 * tip.bond_length.unsqueeze(1)
        aside = aside * (limit / aside.norm(dim=1, keepdim=True).clamp(min=1e-12)).clamp(max=1)
        fitted = dataclasses.replace(tip, probe=probes, stiffness=springs, tilt=aside)
        (before_x, before_y), shear = self.scanner.scale, self.scanner.shear + by[2]
        scanner = Scanner((before_x * scale_x, before_y * scale_y), shear)
        return Instrument(scanner, fitted, self.start.z_top + by[7])

    def value(self, x: Tensor) -> float:
        """The objective at ``x``."""
        return self._value(self._image(x), self._distances(x), x)

    def expand(self, x: Tensor) -> Expansion:
        """Its value, gradient and Gauss-Newton curvature, by finite differences of the images."""
        image, distances = self._image(x), self._distances(x)
        slopes, lengths = [], []
        for k in range(len(x)):
            ahead = x.clone()
            ahead[k] += _DIFFERENCE * bool(self.free[k])
            held = not self.free[k]
            slopes.append(torch.zeros_like(image) if held else (self._image(ahead) - image) / _DIFFERENCE)
            lengths.append((self._distances(ahead) - distances) / _DIFFERENCE)
        slope, length = (torch.stack(part, dim=-1).double() for part in (slopes, lengths))
        residual = (image - self.reference).double()
        _, weight = self._misfit(residual)
        weighted = (slope * weight.unsqueeze(-1)).flatten(0, 1).T
        gradient = weighted @ residual.flatten() + length.T @ distances + x
        curvature = weighted @ slope.flatten(0, 1) + length.T @ length
        curvature += torch.eye(len(x), dtype=x.dtype)
        return Expansion(self._value(image, distances, x), gradient * self.free, curvature)

    def shorten(self, step: Tensor) -> Tensor:
        """``step``, so short that nothing moves by more than its standard deviation."""
        return step * min(1.0, _MAX_STEP / max(float(step.abs().max()), 1e-12))

    def _image(self, x: Tensor) -> Tensor:
        scanner, tip, z_top = self.instrument(x)
        top = torch.tensor([z_top], dtype=torch.float64)
        model = ScannedModel(self.renderer, scanner)
        stack = model(self.start.data, tip=tip, z_top=top, pixels=self.images.pixels)[0, 0]
        return self.images.normalize(stack)

    def _distances(self, x: Tensor) -> Tensor:
        data = self.start.data
        pos = self.instrument(x).scanner.to_sample(data.pos.double(), self.renderer.scan.center)
        return _DISTANCES.residuals(data.z, pos, data.edge_index)

    def _value(self, image: Tensor, distances: Tensor, x: Tensor) -> float:
        misfit, _ = self._misfit((image - self.reference).double())
        return float(misfit) + 0.5 * float(distances.square().sum()) + 0.5 * float(x.square().sum())

    def _misfit(self, residual: Tensor) -> tuple[Tensor, Tensor]:
        per_slice = self.settings.observations / len(residual)
        mean = residual.square().mean(1) + self.settings.floor**2
        weight = per_slice / mean.unsqueeze(1) / residual.shape[1]
        return 0.5 * per_slice * mean.log().sum(), weight.expand_as(residual)


def fit_instrument(
    job: RefinementJob,
    group: Tensor,
    renderer: ProbeParticleModel,
    settings: RefinementSettings,
    scanner: Scanner,
) -> Instrument:
    """The instrument that explains the image of a group of atoms best, with all atoms where they are.

    Args:
        job: all atoms, tip and height, and the stack.
        group: indices of the group.
        renderer: simulator with the scan of the stack.
        settings: what is fitted, and how far it is believed to be off.
        scanner: a guess of the scanner.
    """
    data, tip, z_top = job.given
    near = surroundings(data.pos, group)
    near[group] = True
    start = State(take_atoms(data, near), tip, z_top)
    low, high = (data.pos[group].amin(0) - _MARGIN).tolist(), (data.pos[group].amax(0) + _MARGIN).tolist()
    box = (low[0], high[0]), (low[1], high[1])
    images = SliceImages(renderer.scan, settings.stride, box, plane=settings.plane)
    objective = InstrumentObjective(start, renderer, images, job.reference, settings, scanner)
    origin = torch.zeros(len(objective.scale), dtype=torch.float64)
    x = minimize(objective, origin, _ITERATIONS, _TOLERANCE, lambda *_: None)
    return objective.instrument(x)
