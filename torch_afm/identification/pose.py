"""The pose of a molecule and the instrument that images it, as a vector, and the images of many of these."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.data import AFMData
from torch_afm.elements import symbol
from torch_afm.identification.candidates import radius
from torch_afm.identification.search import USUAL_CHARGE, Start
from torch_afm.identification.torsions import soft_torsions
from torch_afm.ppm import ProbeParticleModel, TipParameters
from torch_afm.ppm.inputs import prepare
from torch_afm.prediction.refinement.scanner import Scanner

#: Places in the vector: turn in the plane, place and tilt of the molecule, height of the tip; scales and
#: shear of the scanner, lateral stiffness, depth of the probe, tilt of the tip, strength of the charges, bend
#: of the molecule; then radii of elements and torsions.
TURN, PLACE, TILT, HEIGHT = 0, slice(1, 3), slice(3, 5), 5
SCALE, SHEAR, STIFFNESS, DEPTH, TIP_TILT, CHARGE = slice(6, 8), 8, 9, 10, slice(11, 13), 13
BEND = slice(14, 17)

#: Number of the molecule's, and of all but radii and torsions.
N_POSE, _N_FIXED = 6, 17

#: Standard deviations: of turn and tilt in rad, place and height in Å; of scales, stiffness and depth as
#: logarithms, of the strength of the charges as a factor; of the tilt of the tip in Å, and of the bend in Å
#: at the rim of the molecule. Those of the instrument are as wide as :class:`torch_afm.datasets.Nuisances`
#: draws them.
_WIDTHS = (0.15, 0.7, 0.7, 0.06, 0.06, 0.4, 0.08, 0.08, 0.015, 0.55, 0.4, 0.25, 0.25, 0.5, 0.1, 0.1, 0.1)

#: Of the tilt of molecules that do not lie flat [rad].
_UPRIGHT = 0.2

#: Of the radii of elements other than C and H [Å]: those of the force field are some tenths off for halogens;
#: and of torsions [rad].
_RADIUS, _TORSION = 0.1, 0.25


class Pose(NamedTuple):
    """How a molecule lies, and what it was imaged with.

    Args:
        atoms: the molecule, in the sample: where lengths are those of the molecule.
        scanner: how places in the scan lie in the sample.
        tip: the tip.
        z_top: first anchor height in Å.
        radii: changes of the radii of elements in Å, by symbol.
    """

    atoms: AFMData
    scanner: Scanner
    tip: TipParameters
    z_top: float
    radii: dict[str, float]

    def in_scan(self, center: tuple[float, float]) -> AFMData:
        """The atoms where the scanner shows them: its places are those of the free probe.

        Args:
            center: middle of the scan in Å.
        """
        middle = torch.tensor(center, dtype=torch.float64)
        inverse = torch.linalg.inv(self.scanner.matrix)
        shown = self.atoms.clone()
        aside = self.tip.tilt[0].double().cpu()
        flat = (self.atoms.pos[:, :2].double() - aside - middle) @ inverse.T + middle
        shown.pos = torch.cat([flat, self.atoms.pos[:, 2:].double()], 1).float()
        return shown


class PoseModel:
    """Images of a molecule by vectors, which count standard deviations from where a search found it.

    Args:
        molecule: centered, its top atom at z = 0.
        start: where it may lie.
        z_top: usual first anchor height in Å.
        renderer: simulator with the scan.
        upright: whether the molecule does not lie flat: its tilt is less certain, then, and it does not bend.

    Attributes:
        widths: standard deviations, ``[K]``.
    """

    def __init__(
        self, molecule: AFMData, start: Start, z_top: float, renderer: ProbeParticleModel, upright: bool
    ) -> None:
        self.molecule, self.start, self.z_top, self.renderer = molecule, start, z_top, renderer
        self.tip = TipParameters.from_tips(renderer.tip)
        self.depth = float(renderer.forcefield.probe_parameters(self.tip.probe)[1][0])
        self.torsions = soft_torsions(molecule)
        self.rim = max(radius(molecule), 1.0)
        self.elements = sorted(set(molecule.z.tolist()) - {1, 6})
        more = [_RADIUS] * len(self.elements) + [_TORSION] * len(self.torsions)
        self.widths = torch.cat([pose_widths(upright), torch.tensor(more, dtype=torch.float64)])
        self.upright = upright

    def stacks(self, x: Tensor, places: Tensor) -> Tensor:
        """The stacks of vectors of one scanner.

        Args:
            x: vectors; of all, the scanner is that of the first.
            places: in the scan, Å.

        Shapes:
            x ``[B, K]``, places ``[P, 2]`` -> ``[B, Z, P]`` Hz, float64.
        """
        v, n = x * self.widths, len(x)
        atoms = self._atoms(v)
        scan = self.renderer.scan
        sampled = self._scanner(v[0]).to_sample(places, scan.center)
        (x0, y0), (x1, y1) = sampled.amin(0).tolist(), sampled.amax(0).tolist()
        window = dataclasses.replace(scan, window=((x0, x1), (y0, y1)))
        tops = self.z_top - self.start.height + v[:, HEIGHT]
        forcefield, dipoles = self.renderer.forcefield, self.renderer.dipoles
        batch = prepare(atoms, window, self._tips(v), tops, sampled, forcefield, dipoles)
        larger = np.zeros((n, len(self.molecule.z)))
        for i, z in enumerate(self.elements):
            larger[:, (self.molecule.z == z).numpy()] = v[:, [_N_FIXED + i]].numpy()
        batch = dataclasses.replace(batch, radius=batch.radius + larger.ravel())
        return self.renderer.solver.frequency_shift(batch)[0].double().cpu()

    def pose(self, x: Tensor) -> Pose:
        """The pose of one vector ``[K]``."""
        v = x[None] * self.widths
        batch = self._atoms(v)
        atoms = AFMData(z=batch.z, pos=batch.pos, charge=batch.charge, edge_index=self.molecule.edge_index)
        if "dipole" in self.molecule:
            atoms.dipole = batch.dipole
        radii = {symbol(z): float(v[0, _N_FIXED + i]) for i, z in enumerate(self.elements)}
        top = self.z_top - self.start.height + float(v[0, HEIGHT])
        return Pose(atoms, self._scanner(v[0]), self._tips(v), top, radii)

    def scanner_slopes(self, x: Tensor, slopes: Tensor, places: Tensor) -> Tensor:
        """Slopes of a stack in the scales and the shear of the scanner, from those in the place of the
        molecule: a molecule that moves one way is a picture taken farther the other way.

        Shapes:
            x ``[K]``, slopes ``[Z, P, 2]`` in ``PLACE``, places ``[P, 2]`` -> ``[Z, P, 3]``.
        """
        v, width = x * self.widths, self.widths
        sx, sy = v[SCALE].exp().tolist()
        away = places - places.new_tensor(self.renderer.scan.center)
        along = -slopes / width[PLACE]
        return torch.stack(
            [
                along[..., 0] * away[:, 0] * sx * width[SCALE][0],
                along[..., 1] * away[:, 1] * sy * width[SCALE][1],
                along[..., 0] * away[:, 1] * width[SHEAR],
            ],
            dim=-1,
        )

    def _atoms(self, v: Tensor) -> Batch:
        n, count = len(v), len(self.molecule.z)
        pos = self.molecule.pos.double().expand(n, -1, -1)
        for torsion, angle in zip(self.torsions, v[:, _N_FIXED + len(self.elements) :].T, strict=True):
            pos = torsion.turn(pos, angle)
        pos = self._bent(pos, v[:, BEND])
        turn = rotations(math.radians(self.start.angle) + v[:, TURN], *v[:, TILT].T)
        place = torch.cat([v[:, PLACE] + v.new_tensor(self.start.place), v.new_zeros(n, 1)], 1)
        factor = USUAL_CHARGE + v[:, CHARGE]
        atoms = Batch(
            z=self.molecule.z.repeat(n),
            pos=(pos @ turn.mT + place[:, None]).float().flatten(0, 1),
            charge=(self.molecule.charge * factor[:, None]).float().flatten(),
            batch=torch.arange(n).repeat_interleave(count),
            ptr=count * torch.arange(n + 1),
        )
        if "dipole" in self.molecule:
            dipole = self.molecule.dipole.double() @ turn.mT * factor[:, None, None]
            atoms.dipole = dipole.float().flatten(0, 1)
        return atoms

    def _bent(self, pos: Tensor, by: Tensor) -> Tensor:
        """Positions ``[B, N, 3]`` with the heights of a quadric added, ``by`` Å at the rim along x, along y
        and along the diagonal, ``[B, 3]``."""
        x, y = (pos[..., :2] / self.rim).unbind(2)
        shapes = torch.stack([x * x, y * y, 2 * x * y], dim=2)
        height = ((shapes - shapes.mean(1, keepdim=True)) * by[:, None]).sum(2)
        return torch.cat([pos[..., :2], pos[..., 2:] + height[..., None]], 2)

    def _tips(self, v: Tensor) -> TipParameters:
        n = len(v)
        tip = self.tip.expand(n)
        lateral = v[:, STIFFNESS].exp()
        springs = tip.stiffness * torch.stack([lateral, lateral, torch.ones_like(lateral)], 1)
        probe = self.tip.probe[0]
        probes = tuple(
            dataclasses.replace(probe, depth=self.depth * math.exp(by)) for by in v[:, DEPTH].tolist()
        )
        aside = tip.tilt + v[:, TIP_TILT]
        limit = 0.5 * tip.bond_length.unsqueeze(1)
        aside = aside * (limit / aside.norm(dim=1, keepdim=True).clamp(min=1e-12)).clamp(max=1)
        return dataclasses.replace(tip, probe=probes, stiffness=springs, tilt=aside)

    def _scanner(self, v: Tensor) -> Scanner:
        sx, sy = v[SCALE].exp().tolist()
        return Scanner((sx, sy), float(v[SHEAR]))


def pose_widths(upright: bool) -> Tensor:
    """Standard deviations of all but radii and torsions.

    Args:
        upright: whether the molecule does not lie flat.
    """
    widths = torch.tensor(_WIDTHS, dtype=torch.float64)
    if upright:
        widths[TILT] = _UPRIGHT
    return widths


def rotations(turn: Tensor, about_x: Tensor, about_y: Tensor) -> Tensor:
    """A tilt about x, one about y, then a turn about z, angles ``[B]`` -> ``[B, 3, 3]``."""
    z, x, y = (torch.eye(3, dtype=turn.dtype).repeat(len(turn), 1, 1) for _ in range(3))
    for matrix, angle, (i, j) in ((z, turn, (0, 1)), (x, about_x, (1, 2)), (y, about_y, (2, 0))):
        matrix[:, i, i] = matrix[:, j, j] = angle.cos()
        matrix[:, i, j], matrix[:, j, i] = -angle.sin(), angle.sin()
    return z @ y @ x
