"""Where a molecule may lie in a scan: by the correlation of its image, over turns, places and heights."""

from __future__ import annotations

import copy
import dataclasses
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.functional import plane_basis
from torch_afm.identification.candidates import radius
from torch_afm.ppm import ProbeParticleModel

#: Å a pixel of the search, and around the molecule what of its image is compared.
PIXEL, _MARGIN = 0.75, 3.0

#: Turns, and Å by which the tip may be farther or nearer than is usual, and the steps of these.
_TURNS, _HEIGHT, _STEP = 36, 0.8, 0.25

#: Slices compared at most.
_SLICES = 3

#: Smallest share of the variance of an image of the molecule that lies in the scan.
_MIN_SHARE = 0.15

#: Starts that are no farther from each other count as one: degrees, Å, Å of height.
_ALIKE = (20.0, 1.0, 0.3)


class Start(NamedTuple):
    """Where a molecule may lie.

    Args:
        pearson: mean correlation of its image with the compared slices.
        angle: by which it is turned counterclockwise, in degrees.
        place: of its middle in the scan frame, in Å.
        height: by which the tip is nearer than is usual, in Å.
    """

    pearson: float
    angle: float
    place: tuple[float, float]
    height: float


class PoseSearch:
    """Finds molecules in a scan.

    The image of a molecule, without the tilt of the tip, turns as the molecule does, and so it is simulated
    once, at all heights, and turned as a picture. Pearson's correlation with the part of it that lies in the
    scan is, for all places at once, made of products of Fourier transforms: those of the image with the
    slices, and of its norm without the plane that was taken out of the scan; the mean over some slices is
    taken.

    Args:
        stack: the scan, far to near.
        scan: its pixels, heights and oscillation.
        z_top: usual first anchor height in Å above the top atom.
        renderer: simulator, of which the tip and the force field are used.

    Shapes:
        stack ``[Z, Y, X]``.
    """

    def __init__(self, stack: Tensor, scan: Scan, z_top: float, renderer: ProbeParticleModel) -> None:
        self.scan, self.z_top, self.renderer = scan, z_top, renderer
        n, dz = scan.n_slices, scan.dz
        step = max(1, -(-n // _SLICES))
        self.slices = np.arange(n - 1, -1, -step)[::-1].copy()
        self.reach = round(_HEIGHT / dz)
        self.offsets = range(-self.reach, self.reach + 1, max(1, round(_STEP / dz)))
        self.pool = max(1, round(PIXEL / scan.pixel_size[0]))
        self.pitch = self.pool * scan.pixel_size[0]
        image = avg_pool2d(stack[self.slices][None].float(), self.pool)[0]
        self.basis = plane_basis(*image.shape[1:]).float()
        image = without_plane(image, self.basis)
        self.image = image / image.square().sum((1, 2), keepdim=True).sqrt().clamp(min=1e-12)
        angles = torch.arange(_TURNS) * (2 * torch.pi / _TURNS)
        cos, sin, zero = angles.cos(), angles.sin(), torch.zeros(_TURNS)
        # A picture turned counterclockwise takes its pixels from places turned clockwise.
        self.turns = torch.stack([torch.stack([cos, sin, zero], 1), torch.stack([-sin, cos, zero], 1)], 1)
        self.angles = angles

    def find(self, molecule: AFMData, n: int = 2) -> list[Start]:
        """The best places of a molecule, each unlike the others, best first.

        Args:
            molecule: centered, its top atom at z = 0.
            n: number of places.
        """
        templates, norms = self._templates(molecule)
        n_pixels = templates.shape[-1]
        size = [a + b for a, b in zip(self.image.shape[1:], templates.shape[2:], strict=True)]
        spectrum = torch.fft.rfft2(self.image, s=size)
        turned = torch.fft.rfft2(templates, s=size).conj()
        # The share of the image in the scan changes little with height.
        usual = torch.from_numpy(self.slices + self.reach)
        share = self._share(templates[:, usual], turned[:, usual], size)
        found = []
        for offset in self.offsets:
            index = usual + offset
            score = torch.fft.irfft2(turned[:, index] * spectrum, s=size)
            found.append((self._inside(score, n_pixels) / share / norms[index][:, None, None]).mean(1))
        return self._best(torch.stack(found), n)

    def _share(self, templates: Tensor, turned: Tensor, size: list[int]) -> Tensor:
        """Root of the share of the variance of images, by their turn and slice, that lies in the scan, with
        their middle at each place; infinite where that is small."""
        squares = torch.fft.rfft2(templates.square(), s=size).conj()
        ones = torch.fft.rfft2(torch.ones(self.image.shape[1:]), s=size)
        planes = torch.fft.rfft2(self.basis, s=size)
        inside = self._inside(torch.fft.irfft2(squares * ones, s=size), templates.shape[-1])
        for plane in planes:
            inside -= self._inside(torch.fft.irfft2(turned * plane, s=size), templates.shape[-1]).square()
        whole = templates.square().sum((2, 3), keepdim=True)
        share = inside / whole
        return share.clamp(min=1e-12).sqrt().masked_fill(share < _MIN_SHARE, torch.inf)

    def _templates(self, molecule: AFMData) -> tuple[Tensor, Tensor]:
        """Images of the molecule, ``[turns, slices, y, x]``, the slices from the farthest that may be asked
        for to the nearest, and the norm of each slice."""
        half = radius(molecule) + _MARGIN
        n = 2 * int(np.ceil(half / self.pitch)) + 1
        half = self.pitch * (n - 1) / 2
        far = self.reach * self.scan.dz
        scan = dataclasses.replace(
            self.scan,
            window=((-half, half), (-half, half)),
            pixels=(n, n),
            n_slices=self.scan.n_slices + 2 * self.reach,
        )
        model = copy.copy(self.renderer)
        model.scan = scan
        stack = model(molecule, z_top=torch.tensor([self.z_top + far]))[0, 0].cpu()
        grid = affine_grid(self.turns, [_TURNS, 1, n, n], align_corners=True)
        turned = grid_sample(
            stack[None].expand(_TURNS, -1, -1, -1), grid, padding_mode="zeros", align_corners=True
        )
        return turned, turned[0].square().sum((1, 2)).sqrt().clamp(min=1e-12)

    def _inside(self, score: Tensor, n: int) -> Tensor:
        """Scores of the places whose middle lies in the scan, ``[..., y, x]``."""
        half = (n - 1) // 2
        ny, nx = self.image.shape[1:]
        return torch.roll(score, (half, half), (-2, -1))[..., :ny, :nx]

    def _best(self, score: Tensor, n: int) -> list[Start]:
        ny, nx = score.shape[2:]
        x0, y0 = (float(axis[: self.pool].mean()) for axis in (self.scan.x, self.scan.y))
        best: list[Start] = []
        order = torch.topk(score.flatten(), min(400, score.numel()))
        for value, index in zip(order.values.tolist(), order.indices.tolist(), strict=True):
            offset, turn, row, column = np.unravel_index(index, score.shape)
            start = Start(
                value,
                float(np.rad2deg(self.angles[turn])),
                (x0 + self.pitch * float(column), y0 + self.pitch * float(row)),
                self.scan.dz * self.offsets[int(offset)],
            )
            if not any(_alike(start, other) for other in best):
                best.append(start)
            if len(best) == n:
                break
        return best


def without_plane(images: Tensor, basis: Tensor) -> Tensor:
    """Images ``[..., Y, X]`` without what :func:`plane_basis` spans."""
    weights = torch.einsum("...yx,kyx->...k", images, basis)
    return images - torch.einsum("...k,kyx->...yx", weights, basis)


def _alike(a: Start, b: Start) -> bool:
    turn = abs((a.angle - b.angle + 180) % 360 - 180)
    return turn < _ALIKE[0] and np.hypot(a.place[0] - b.place[0], a.place[1] - b.place[1]) < _ALIKE[1]
