"""Short fits of a candidate from many starts at once."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.functional import plane_basis
from torch_afm.identification.pose import (
    CHARGE,
    HEIGHT,
    PLACE,
    SCALE,
    SHEAR,
    TILT,
    TURN,
    pose_widths,
    rotations,
)
from torch_afm.identification.search import FELT, USUAL_CHARGE, Start
from torch_afm.metrics.evidence import OBSERVATIONS
from torch_afm.ppm import ProbeParticleModel
from torch_afm.ppm.inputs import prepare

#: Å a pixel, Å from force to force along the oscillation and from slice to slice, and most slices.
_PIXEL, _STEP, _SLICES = 1.25, 0.25, 4

#: Steps, finite difference and longest step in standard deviations; damping at the start, after a step down
#: and after one that failed, as factors.
_STEPS, _DIFFERENCE, _MAX_STEP = 3, 0.05, 1.0
_DAMPING, _EASE, _TIGHTEN = 1e-2, 0.2, 8.0

#: Unknowns that are fitted: those of the pose, scanner and charges; which of these are rendered (the images
#: of the others are made of theirs); and the place of the charges among them.
FITTED = torch.tensor([*range(9), CHARGE])
_RENDERED, _CHARGE = torch.tensor([1, 2, 3, 4, HEIGHT, 9]), 9
_N = len(FITTED)


class Coarse(NamedTuple):
    """A scan at few heights.

    Args:
        stack: far to near.
        scan: its pixels, heights and oscillation.
        z_top: usual first anchor height in Å above the top atom.
        floor: share of the variance of each slice that is noise.

    Shapes:
        stack ``[Z, Y, X]``, floor ``[Z]``.
    """

    stack: Tensor
    scan: Scan
    z_top: float
    floor: Tensor


def coarse_heights(stack: Tensor, scan: Scan, z_top: float, floor: Tensor) -> Coarse:
    """A scan at few heights, up from its nearest slice, the tip oscillating in few steps; arguments as those
    of :class:`Coarse`."""
    n = max(2, round(scan.amplitude / _STEP))
    dz, last = scan.amplitude / n, scan.n_slices - 1
    count = min(_SLICES, 1 + math.floor(last * scan.dz / dz + 1e-6))
    at = np.clip(last - dz / scan.dz * np.arange(count - 1, -1, -1), 0, last)
    below = np.minimum(np.floor(at).astype(int), max(last - 1, 0))
    above = np.minimum(below + 1, last)
    share = torch.from_numpy(at - below)
    chosen = dataclasses.replace(scan, n_slices=count, dz=dz, n_oscillation=n, substeps=1)
    return Coarse(
        stack=torch.lerp(stack[below], stack[above], share[:, None, None]),
        scan=chosen,
        z_top=float(scan.slice_heights(z_top)[-1] - chosen.slice_heights(0.0)[-1]),
        floor=torch.lerp(floor[below], floor[above], share),
    )


class ShortFits:
    r"""Fits of pose and scanner of one candidate from many starts at once.

    The images of all starts, and of all finite differences, are rendered in one batch: pixels are coarse, and
    the scanner stretches the molecule instead of the pixels, which are the same for all starts then; atoms do
    not become wider by that. The picture of a molecule that turns turns about its place, so that slopes in
    the turn, and in the scanner, are made of those in the place.

    Args:
        coarse: the scan.
        renderer: simulator, of which the tip and the force field are used.
    """

    def __init__(self, coarse: Coarse, renderer: ProbeParticleModel) -> None:
        scan = coarse.scan
        stride = max(1, round(_PIXEL / scan.pixel_size[0]))
        x, y = scan.x[::stride], scan.y[::stride]
        window = ((float(x[0]), float(x[-1])), (float(y[0]), float(y[-1])))
        self.center = scan.center
        self.scan = dataclasses.replace(scan, window=window, pixels=(len(x), len(y)))
        self.z_top, self.floor, self.renderer = coarse.z_top, coarse.floor.float(), renderer
        self._places = torch.from_numpy(np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)).float()
        self._basis = plane_basis(len(y), len(x)).flatten(1).float()
        self.reference, _ = self._normalize(coarse.stack[:, ::stride, ::stride].flatten(1).float())

    def fit(
        self, molecules: Sequence[AFMData], starts: Sequence[Start], upright: bool, keep: int
    ) -> list[tuple[float, int, Tensor]]:
        """Evidence, number of the start and vector of the best fits, the best first.

        Args:
            molecules: of each start: one molecule in several ways, each centered, its top atom at z = 0.
            starts: where they may lie.
            upright: whether the molecule does not lie flat.
            keep: number of fits that go on after the first step.

        Shapes:
            vectors ``[10]``: those of :class:`torch_afm.identification.PoseModel` at ``FITTED``.
        """
        poses = _Poses(molecules, starts, upright)
        x = torch.zeros(len(starts), _N, dtype=torch.float64)
        damping = torch.full((len(x),), _DAMPING, dtype=torch.float64)
        index = torch.arange(len(x))
        for n in range(_STEPS):
            value, gradient, curvature = self._expand(poses, x)
            ahead = x + _step(gradient, curvature, damping)
            after = self._values(poses, ahead)
            better = after < value
            x, value = torch.where(better[:, None], ahead, x), torch.where(better, after, value)
            damping = damping * torch.where(better, _EASE, _TIGHTEN)
            if n == 0:
                best = value.argsort()[:keep]
                x, value, damping, index, poses = x[best], value[best], damping[best], best, poses.take(best)
        order = value.argsort().tolist()
        return [(-float(value[i]), int(index[i]), x[i]) for i in order]

    def _values(self, poses: _Poses, x: Tensor) -> Tensor:
        image, _ = self._normalize(self._render(poses, x[:, None])[:, 0])
        return self._value((image - self.reference).square().mean(2), x)

    def _value(self, mean: Tensor, x: Tensor) -> Tensor:
        misfit = 0.5 * OBSERVATIONS * (mean + self.floor).log().mean(1)
        return misfit.double() + 0.5 * x.square().sum(1)

    def _expand(self, poses: _Poses, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Values, gradients and Gauss-Newton curvatures of the objective, see :class:`PoseObjective`."""
        ahead = x[:, None].repeat(1, 1 + len(_RENDERED), 1)
        ahead[:, 1 + torch.arange(len(_RENDERED)), _RENDERED] += _DIFFERENCE
        stacks = self._render(poses, ahead)
        slopes = stacks.new_zeros(*stacks[:, 0].shape, _N)
        slopes[..., _RENDERED] = ((stacks[:, 1:] - stacks[:, :1]) / _DIFFERENCE).movedim(1, 3)
        # By their places in the sample: a picture that turns, or is stretched.
        v, width = (x * poses.widths).float(), poses.widths.float()
        along = (slopes[..., PLACE] / width[PLACE]).unbind(3)
        away = self._places - self._places.new_tensor(self.center)
        scale, shear = v[:, SCALE].exp(), v[:, SHEAR]
        sampled_x = scale[:, :1] * away[:, 0] + shear[:, None] * away[:, 1]
        sampled_y = scale[:, 1:] * away[:, 1]
        place = poses.place.float() + v[:, PLACE] - self._places.new_tensor(self.center)
        dx, dy = (sampled_x - place[:, :1])[:, None], (sampled_y - place[:, 1:])[:, None]
        slopes[..., TURN] = (along[1] * dx - along[0] * dy) * width[TURN]
        slopes[..., SCALE.start] = -along[0] * away[:, 0] * scale[:, :1, None] * width[SCALE.start]
        slopes[..., SCALE.start + 1] = -along[1] * away[:, 1] * scale[:, 1:, None] * width[SCALE.start + 1]
        slopes[..., SHEAR] = -along[0] * away[:, 1] * width[SHEAR]
        image, std = self._normalize(stacks[:, 0])
        flat = self._flattened(slopes.movedim(3, 2))
        n = image[:, :, None]
        slope = (flat - n * (n * flat).mean(3, keepdim=True)) / std[:, :, None]
        difference = image - self.reference
        mean = difference.square().mean(2)
        each = OBSERVATIONS / image.shape[1] / (mean + self.floor) / image.shape[2]
        weighted = slope * each[:, :, None, None]
        gradient = torch.einsum("bskp,bsp->bk", weighted, difference).double() + x
        curvature = torch.einsum("bskp,bslp->bkl", weighted, slope).double()
        return self._value(mean, x), gradient, curvature + torch.eye(_N, dtype=torch.float64)

    def _render(self, poses: _Poses, x: Tensor) -> Tensor:
        """Stacks of vectors ``[B, V, 10]``, ``[B, V, S, P]``."""
        atoms, raised = poses.atoms(x, self.center)
        tops = (self.z_top + raised).flatten()
        model = copy.copy(self.renderer)
        model.scan = self.scan
        batch = prepare(atoms, self.scan, model.tip, tops, None, model.forcefield, model.dipoles)
        stacks = model.solver.frequency_shift(batch)[0]
        return stacks.float().cpu().unflatten(0, x.shape[:2])

    def _flattened(self, images: Tensor) -> Tensor:
        """Images ``[..., P]`` without their planes."""
        return images - (images @ self._basis.T) @ self._basis

    def _normalize(self, images: Tensor) -> tuple[Tensor, Tensor]:
        flat = self._flattened(images)
        std = flat.square().mean(-1, keepdim=True).sqrt().clamp(min=1e-12)
        return flat / std, std


class _Poses:
    """The starts of one molecule, as arrays."""

    def __init__(self, molecules: Sequence[AFMData], starts: Sequence[Start], upright: bool) -> None:
        self.pos = torch.stack([m.pos.double() for m in molecules])
        self.charge = torch.stack([m.charge.double() for m in molecules])
        dipolar = all("dipole" in m for m in molecules)
        self.dipole = torch.stack([m.dipole.double() for m in molecules]) if dipolar else None
        self.z = torch.stack([m.z for m in molecules])
        self.angle = torch.deg2rad(torch.tensor([s.angle for s in starts], dtype=torch.float64))
        self.place = torch.tensor([s.place for s in starts], dtype=torch.float64)
        self.height = torch.tensor([s.height for s in starts], dtype=torch.float64)
        self.felt = self.pos[..., 2] > -FELT
        self.widths = pose_widths(upright)[FITTED]

    def take(self, index: Tensor) -> _Poses:
        """Some of them."""
        found = copy.copy(self)
        for name in ("pos", "charge", "dipole", "z", "angle", "place", "height", "felt"):
            value = getattr(self, name)
            setattr(found, name, None if value is None else value[index])
        return found

    def atoms(self, x: Tensor, center: tuple[float, float]) -> tuple[Batch, Tensor]:
        """The atoms of vectors ``[B, V, 10]`` where the scanner shows them, and by how much the tip is higher
        than is usual, ``[B, V]``."""
        v = x * self.widths
        n = v.shape[1]
        turn = rotations((self.angle[:, None] + v[..., TURN]).flatten(), *v[..., TILT].flatten(0, 1).T)
        turn = turn.unflatten(0, v.shape[:2])
        pos = self.pos[:, None] @ turn.mT
        middle = x.new_tensor(center)
        away = pos[..., :2] + (self.place[:, None] + v[..., PLACE] - middle)[:, :, None]
        scale, shear = v[..., SCALE].exp(), v[..., SHEAR]
        y = away[..., 1] / scale[..., 1:]
        x_ = (away[..., 0] - shear[..., None] * y) / scale[..., :1]
        pos = torch.stack([x_ + middle[0], y + middle[1], pos[..., 2]], -1)
        felt = self.felt[:, None].expand(-1, n, -1)
        counts = felt.sum(2).flatten()
        factor = USUAL_CHARGE + v[..., _CHARGE]
        batch = Batch(
            z=self.z[:, None].expand(-1, n, -1)[felt],
            pos=pos[felt].float(),
            charge=(self.charge[:, None] * factor[..., None])[felt].float(),
            batch=torch.arange(len(counts)).repeat_interleave(counts),
            ptr=torch.cat([counts.new_zeros(1), counts.cumsum(0)]),
        )
        if self.dipole is not None:
            batch.dipole = (self.dipole[:, None] @ turn.mT * factor[..., None, None])[felt].float()
        return batch, v[..., HEIGHT] - self.height[:, None]


def _step(gradient: Tensor, curvature: Tensor, damping: Tensor) -> Tensor:
    """Damped Gauss-Newton steps ``[B, 10]``, so short that nothing moves by more than its standard
    deviation."""
    damped = curvature + torch.diag_embed(damping[:, None] * curvature.diagonal(dim1=1, dim2=2))
    step = -torch.linalg.solve(damped, gradient)
    return step * (_MAX_STEP / step.abs().amax(1, keepdim=True).clamp(min=_MAX_STEP))
