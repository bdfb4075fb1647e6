"""Where a molecule may lie in a scan: by the correlation of its image, over turns, places and heights."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, unfold
from torch_geometric.data import Batch

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.functional import plane_basis
from torch_afm.identification.candidates import radius
from torch_afm.ppm import ProbeParticleModel

#: Å a pixel of the search, and around the molecule what of its image is compared.
PIXEL, _MARGIN = 1.0, 3.0

#: Å by which the outermost atom moves from one turn to the next; Å by which the tip may be farther and nearer
#: than is usual, and the steps of these.
_RIM, _FARTHER, _NEARER, _STEP = 1.0, 0.4, 1.2, 0.4

#: Å below the top atom down to which atoms are simulated in a search: all that the tip feels of others is
#: smooth. And strength of the charges, as a factor: between those of the sample and none, for the charges of
#: the tip are not known either.
FELT, USUAL_CHARGE = 5.0, 0.6

#: Turns for which it is computed how much of an image lies in the scan.
_SHARES = 6

#: Å of height between the two slices that are compared, the nearest one of them.
_APART = 0.5

#: Best places of a molecule among which those that are unlike each other are sought.
_TOP = 60

#: Pixels along a side of one that is compared.
_FINER = 2

#: Smallest share of the variance of an image of the molecule, of that where most does, that lies in the scan.
_MIN_SHARE = 0.15

#: Starts that are no farther from each other count as one, at whatever height: degrees, Å.
_ALIKE = (20.0, 1.0)


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
    scan is, for all places at once, a product of matrices: of the images with what lies around each place;
    the norm of an image is that without the plane that was taken out of the scan. The mean over two slices is
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
        self.slices = np.unique([n - 1, n - 1 - round(min(_APART / dz, n - 1))])
        self.far, self.near = round(_FARTHER / dz), round(_NEARER / dz)
        self.offsets = range(-self.far, self.near + 1, max(1, round(_STEP / dz)))
        self.pool = max(1, round(PIXEL / scan.pixel_size[0]))
        self.pitch = self.pool * scan.pixel_size[0]
        self.first = tuple(float(axis[: self.pool].mean()) for axis in (scan.x, scan.y))
        image = avg_pool2d(stack[self.slices][None].float(), self.pool)[0]
        self.basis = plane_basis(*image.shape[1:]).float()
        image = without_plane(image, self.basis)
        self.image = image / image.square().sum((1, 2), keepdim=True).sqrt().clamp(min=1e-12)

    def find(self, molecules: Sequence[AFMData], n: int = 2) -> list[tuple[int, Start]]:
        """The best places of any of some molecules, each unlike the others, best first, with the number of
        the molecule.

        Args:
            molecules: centered, their top atoms at z = 0: ways in which one may lie, or conformers.
            n: number of places of each.
        """
        rim = max(radius(molecule) for molecule in molecules)
        size = 2 * int(np.ceil((rim + _MARGIN) / self.pitch)) + 1
        patches = self._patches(size)
        stacks = self._simulate(molecules, size)
        turns = _SHARES * max(4, round(2 * np.pi * rim / (_SHARES * _RIM)))
        found = []
        for i, stack in enumerate(stacks):
            score = self._correlate(stack, torch.arange(turns) * (2 * torch.pi / turns), patches)
            found += [(i, start) for start in self._best(score, n)]
        return sorted(found, key=lambda pair: -pair[1].pearson)

    def _patches(self, n: int) -> tuple[Tensor, Tensor]:
        """What lies around each place, ``n`` by ``n`` pixels, zero beyond the edge: of the compared slices,
        ``[slices, n², Y X]``; of a constant and the plane that was taken out, ``[4, n², Y X]``."""
        fields = torch.cat([self.image, torch.ones_like(self.basis[:1]), self.basis])
        around = unfold(fields[:, None], n, padding=n // 2)
        return around[: len(self.image)], around[len(self.image) :]

    def _correlate(self, stack: Tensor, angles: Tensor, patches: tuple[Tensor, Tensor]) -> Tensor:
        """Pearson's r of the pictures of a molecule, ``[slices, y, x]`` from the farthest to the nearest that
        may be asked for, by height, turn and place, ``[offsets, turns, Y, X]``."""
        scanned, planes = patches
        usual = self.slices - self.slices[0] + self.far
        index = torch.tensor([[slice_ + offset for slice_ in usual] for offset in self.offsets])
        used, where = torch.unique(index, return_inverse=True)
        templates = _turned(stack[used], angles).flatten(2)
        templates = templates / stack[used].flatten(1).norm(dim=1).clamp(min=1e-12)[:, None]
        total = sum(templates[:, rows] @ around for rows, around in zip(where.T, scanned, strict=True))
        # What of an image lies in the scan changes little from turn to turn.
        each = len(angles) // _SHARES
        share = self._share(templates[::each], planes)[:, where].sum(2).repeat_interleave(each, 0)
        return (total / share).movedim(1, 0).unflatten(2, self.image.shape[1:])

    @staticmethod
    def _share(templates: Tensor, planes: Tensor) -> Tensor:
        """Root of the share of the variance of images ``[..., n²]`` of unit norm that lies in the scan,
        without a plane, with their middle at each place; infinite where that is small."""
        share = templates.square() @ planes[0]
        for plane in planes[1:]:
            share = share - (templates @ plane).square()
        most = share.amax(-1, keepdim=True)
        return share.clamp(min=1e-12).sqrt().masked_fill(share < _MIN_SHARE * most, torch.inf)

    def _simulate(self, molecules: Sequence[AFMData], n: int) -> Tensor:
        """Stacks of molecules, ``[M, slices, n, n]``, from the farthest slice that may be asked for to the
        nearest."""
        # Pixels of the scan are means of finer ones, and so are these.
        half = self.pitch * (_FINER * n - 1) / (2 * _FINER)
        model = copy.copy(self.renderer)
        model.scan = dataclasses.replace(
            self.scan,
            window=((-half, half), (-half, half)),
            pixels=(_FINER * n, _FINER * n),
            n_slices=int(np.ptp(self.slices)) + 1 + self.far + self.near,
        )
        top = torch.tensor([self.z_top + (self.far - int(self.slices[0])) * self.scan.dz])
        batch = Batch.from_data_list([_charged(molecule) for molecule in molecules])
        return avg_pool2d(model(batch, z_top=top)[:, 0].float().cpu(), _FINER)

    def _best(self, score: Tensor, n: int) -> list[Start]:
        """Places of the highest of ``[offsets, turns, Y, X]``."""
        x0, y0 = self.first
        best: list[Start] = []
        highest, offsets = score.max(0)
        order = torch.topk(highest.flatten(), min(_TOP, highest.numel()))
        for value, index in zip(order.values.tolist(), order.indices.tolist(), strict=True):
            turn, row, column = np.unravel_index(index, highest.shape)
            offset = offsets[turn, row, column]
            start = Start(
                value,
                360 * float(turn) / len(highest),
                (x0 + self.pitch * float(column), y0 + self.pitch * float(row)),
                self.scan.dz * self.offsets[int(offset)],
            )
            if not any(_alike(start, other) for other in best):
                best.append(start)
            if len(best) == n:
                break
        return best


def _charged(molecule: AFMData) -> AFMData:
    """What the tip feels of a molecule, with charges of the usual strength."""
    felt = molecule.pos[:, 2] > -FELT
    found = AFMData(z=molecule.z[felt], pos=molecule.pos[felt], charge=USUAL_CHARGE * molecule.charge[felt])
    if "dipole" in molecule:
        found.dipole = USUAL_CHARGE * molecule.dipole[felt]
    return found


def _turned(stack: Tensor, angles: Tensor) -> Tensor:
    """Pictures ``[S, n, n]`` turned counterclockwise, ``[turns, S, n, n]``."""
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    # A picture turned counterclockwise takes its pixels from places turned clockwise.
    matrix = torch.stack([torch.stack([cos, sin, zero], 1), torch.stack([-sin, cos, zero], 1)], 1)
    n = stack.shape[-1]
    grid = affine_grid(matrix, [len(angles), 1, n, n], align_corners=True)
    pictures = stack[None].expand(len(angles), -1, -1, -1)
    return grid_sample(pictures, grid, padding_mode="zeros", align_corners=True)


def without_plane(images: Tensor, basis: Tensor) -> Tensor:
    """Images ``[..., Y, X]`` without what :func:`plane_basis` spans."""
    weights = torch.einsum("...yx,kyx->...k", images, basis)
    return images - torch.einsum("...k,kyx->...yx", weights, basis)


def _alike(a: Start, b: Start) -> bool:
    turn = abs((a.angle - b.angle + 180) % 360 - 180)
    return turn < _ALIKE[0] and np.hypot(a.place[0] - b.place[0], a.place[1] - b.place[1]) < _ALIKE[1]
