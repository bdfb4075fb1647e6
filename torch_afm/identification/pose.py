"""The pose of a molecule and the instrument that image it, as a vector to be fitted."""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import NamedTuple

import numpy as np
import torch
from rdkit import Chem
from torch import Tensor

from torch_afm.config import ForceField, Scan
from torch_afm.data import AFMData, to_rdmol
from torch_afm.elements import symbol
from torch_afm.functional import plane_basis
from torch_afm.identification.search import Start, without_plane
from torch_afm.ppm import ProbeParticleModel, TipParameters
from torch_afm.prediction.refinement.images import SliceImages
from torch_afm.prediction.refinement.levenberg import Expansion
from torch_afm.prediction.refinement.scanner import Scanner

#: Standard deviations of what is fitted: turn in the plane and tilt of the molecule [rad], place [Å], height
#: of the tip [Å], logarithms of the scanner's scales, its shear, logarithms of the lateral stiffness and of
#: the depth of the probe, tilt of the tip [Å], logarithm of the charges; those of the instrument as widely as
#: :class:`torch_afm.datasets.Nuisances` draws them.
_TURN, _PLACE, _TILT, _HEIGHT = 0.15, 0.7, 0.06, 0.4
_SCALE, _SHEAR, _STIFFNESS, _DEPTH, _TIP_TILT, _CHARGE = 0.08, 0.015, 0.55, 0.4, 0.25, 0.7

#: Of the radii of elements other than C and H [Å]: those of the force field are some tenths off for halogens.
_RADIUS = 0.1

#: Of torsions about bonds that turn easily [rad], and how many are fitted.
_TORSION, _MAX_TORSIONS = 0.25, 6

#: Bonds that turn easily: single, in no ring, between atoms with further neighbors, and no amides.
_ROTATABLE = Chem.MolFromSmarts("[!$([D1]);!$(C(F)(F)F);!$(C#*)]-&!@[!$([D1]);!$(C(F)(F)F);!$(C#*)]")

#: Finite difference, and the longest step, in standard deviations.
_DIFFERENCE, _MAX_STEP = 0.05, 1.0

#: What of the vector a first fit leaves as it is: the instrument and the torsions.
FIRST = 6


class Pose(NamedTuple):
    """How a molecule lies, and what it was imaged with.

    Args:
        atoms: the molecule, in the sample: where lengths are those of the molecule.
        scanner: how places in the scan lie in the sample.
        tip: the tip.
        z_top: first anchor height in Å.
        forcefield: Lennard-Jones parameters.
    """

    atoms: AFMData
    scanner: Scanner
    tip: TipParameters
    z_top: float
    forcefield: ForceField

    def in_scan(self, scan: Scan) -> AFMData:
        """The atoms where the scanner shows them."""
        middle = torch.tensor(scan.center, dtype=torch.float64)
        inverse = torch.linalg.inv(self.scanner.matrix)
        shown = copy.copy(self.atoms)
        flat = (self.atoms.pos[:, :2].double() - middle) @ inverse.T + middle
        shown.pos = torch.cat([flat, self.atoms.pos[:, 2:].double()], 1).float()
        return shown


class PoseObjective:
    r"""The negative logarithm of the posterior density of a pose,

    .. math::
        \frac{n}{2 S} \sum_s \log\left(\langle (n_s - r_s)^2 \rangle + \nu_s\right) + \frac{1}{2} |x|^2,

    with the normalized slices :math:`n_s` of the image and :math:`r_s` of the scan, the share
    :math:`\nu_s` of the variance of a slice that is noise at least, and n independent observations; the
    unknowns x count standard deviations from where the search found the molecule.

    Args:
        molecule: centered, its top atom at z = 0.
        start: where it may lie.
        z_top: usual first anchor height in Å.
        renderer: simulator with the scan.
        images: pixels that are compared.
        reference: the scan, ``[Z, Y, X]``.
        observations: n.
        floor: :math:`\nu_s`, ``[Z]``.
        tilt: standard deviation of the tilt of the molecule in units of its default.
    """

    def __init__(
        self,
        molecule: AFMData,
        start: Start,
        z_top: float,
        renderer: ProbeParticleModel,
        images: SliceImages,
        reference: Tensor,
        observations: float,
        floor: Tensor,
        tilt: float = 1.0,
    ) -> None:
        self.molecule, self.start, self.z_top = molecule, start, z_top
        self.renderer, self.images = renderer, images
        self.basis = plane_basis(*images.shape)
        self.reference = self._normalized(images.pick(reference))
        self.observations, self.floor = observations, floor.double()
        self.tip = TipParameters.from_tips(renderer.tip)
        _, self.depth = renderer.forcefield.probe_parameters(self.tip.probe)
        self.torsions = soft_torsions(molecule)
        widths = [_TURN, _PLACE, _PLACE, _TILT * tilt, _TILT * tilt, _HEIGHT]
        widths += [_SCALE, _SCALE, _SHEAR, _STIFFNESS, _DEPTH, _TIP_TILT, _TIP_TILT, _CHARGE]
        self.elements = sorted(set(molecule.z.tolist()) - {1, 6})
        widths += [_RADIUS] * len(self.elements)
        self.scale = torch.tensor(widths + [_TORSION] * len(self.torsions)).double()
        self.free = torch.ones(len(self.scale), dtype=torch.bool)
        self._places = self.all_places().unflatten(0, renderer.scan.shape[1:])[
            images.pixels[:, 1], images.pixels[:, 0]
        ]

    def all_places(self) -> Tensor:
        """Places of all pixels of the scan in Å, row by row, ``[Y * X, 2]`` float64."""
        grid = np.stack(np.meshgrid(self.renderer.scan.x, self.renderer.scan.y), axis=-1)
        return torch.from_numpy(grid).flatten(0, 1)

    def pose(self, x: Tensor) -> Pose:
        """The pose of a vector ``[K]``."""
        v = (x * self.scale).tolist()
        pos = self.molecule.pos.double()
        n = 14 + len(self.elements)
        for torsion, angle in zip(self.torsions, v[n:], strict=True):
            pos = torsion.turned(pos, angle)
        turn = _rotation(math.radians(self.start.angle) + v[0], v[3], v[4])
        place = pos.new_tensor([self.start.place[0] + v[1], self.start.place[1] + v[2], 0.0])
        factor = math.exp(v[13])
        atoms = AFMData(
            z=self.molecule.z,
            pos=(pos @ turn.T + place).float(),
            charge=self.molecule.charge * factor,
            edge_index=self.molecule.edge_index,
        )
        if "dipole" in self.molecule:
            atoms.dipole = (self.molecule.dipole.double() @ turn.T).float() * factor
        springs = self.tip.stiffness * self.tip.stiffness.new_tensor([math.exp(v[9]), math.exp(v[9]), 1.0])
        probes = tuple(
            dataclasses.replace(probe, depth=depth * math.exp(v[10]))
            for probe, depth in zip(self.tip.probe, self.depth.tolist(), strict=True)
        )
        aside = self.tip.tilt + self.tip.tilt.new_tensor(v[11:13])
        limit = 0.5 * self.tip.bond_length.unsqueeze(1)
        aside = aside * (limit / aside.norm(dim=1, keepdim=True).clamp(min=1e-12)).clamp(max=1)
        tip = dataclasses.replace(self.tip, probe=probes, stiffness=springs, tilt=aside)
        scanner = Scanner((math.exp(v[6]), math.exp(v[7])), v[8])
        return Pose(atoms, scanner, tip, self.z_top - self.start.height + v[5], self._forcefield(v[14:n]))

    def _forcefield(self, larger: list[float]) -> ForceField:
        """With the radii of elements other than C and H changed, in Å."""
        table = self.renderer.forcefield.table
        changed = {
            symbol(z): (symbol(z), table[symbol(z)][0] + by, table[symbol(z)][1])
            for z, by in zip(self.elements, larger, strict=True)
        }
        kept = {entry[0]: entry for entry in self.renderer.forcefield.lennard_jones}
        return ForceField(tuple((kept | changed).values()))

    def image(self, x: Tensor) -> Tensor:
        """The normalized slices of a vector, ``[Z, P]``."""
        return self._normalized(self.simulate(self.pose(x), self._places))

    def _normalized(self, stack: Tensor) -> Tensor:
        """Slices ``[Z, P]`` without the plane that is taken out of scans, of unit variance."""
        flat = without_plane(stack.double().unflatten(1, self.images.shape), self.basis).flatten(1)
        return flat / flat.square().mean(1, keepdim=True).sqrt().clamp(min=1e-12)

    def simulate(self, pose: Pose, places: Tensor) -> Tensor:
        """The stack of a pose at places ``[P, 2]`` of the scan, ``[Z, P]``."""
        scan = self.renderer.scan
        sampled = pose.scanner.to_sample(places, scan.center)
        (x0, y0), (x1, y1) = sampled.amin(0).tolist(), sampled.amax(0).tolist()
        model = copy.copy(self.renderer)
        model.scan = dataclasses.replace(scan, window=((x0, x1), (y0, y1)))
        model.forcefield = pose.forcefield
        top = torch.tensor([pose.z_top], dtype=torch.float64)
        return model(pose.atoms, tip=pose.tip, z_top=top, pixels=sampled)[0, 0].cpu()

    def residual(self, x: Tensor) -> Tensor:
        """Mean squared difference of the slices, ``[Z]``."""
        return (self.image(x) - self.reference).square().mean(1)

    def value(self, x: Tensor) -> float:
        """The objective at ``x``."""
        return self._value(self.residual(x), x)

    def expand(self, x: Tensor) -> Expansion:
        """Its value, gradient and Gauss-Newton curvature, by finite differences of the image."""
        image = self.image(x)
        slopes = torch.zeros(*image.shape, len(x), dtype=torch.float64)
        for k in self.free.nonzero().flatten().tolist():
            ahead = x.clone()
            ahead[k] += _DIFFERENCE
            slopes[..., k] = (self.image(ahead) - image) / _DIFFERENCE
        difference = image - self.reference
        mean = difference.square().mean(1)
        each = self.observations / len(image) / (mean + self.floor) / image.shape[1]
        weighted = (slopes * each[:, None, None]).flatten(0, 1).T
        gradient = weighted @ difference.flatten() + x
        curvature = weighted @ slopes.flatten(0, 1) + torch.eye(len(x), dtype=torch.float64)
        return Expansion(self._value(mean, x), gradient * self.free, curvature)

    def shorten(self, step: Tensor) -> Tensor:
        """``step``, so short that nothing moves by more than its standard deviation."""
        return step * min(1.0, _MAX_STEP / max(float(step.abs().max()), 1e-12))

    def _value(self, mean: Tensor, x: Tensor) -> float:
        misfit = 0.5 * self.observations * (mean + self.floor).log().mean()
        return float(misfit + 0.5 * x.square().sum())


class Torsion(NamedTuple):
    """A bond about which a part of a molecule turns.

    Args:
        begin, end: its atoms.
        moving: the atoms on the side of ``end``.
    """

    begin: int
    end: int
    moving: Tensor

    def turned(self, pos: Tensor, angle: float) -> Tensor:
        """Positions ``[N, 3]`` with one side turned by an angle in rad."""
        axis = pos[self.end] - pos[self.begin]
        axis = axis / axis.norm()
        part = pos[self.moving] - pos[self.end]
        cos, sin = math.cos(angle), math.sin(angle)
        along = (part @ axis)[:, None] * axis
        turned = part * cos + torch.linalg.cross(axis.expand_as(part), part) * sin + along * (1 - cos)
        moved = pos.clone()
        moved[self.moving] = turned + pos[self.end]
        return moved


def soft_torsions(molecule: AFMData) -> list[Torsion]:
    """Bonds about which a molecule turns easily, those that move the most atoms first."""
    if molecule.edge_index.size(1) == 0:
        return []
    mol = to_rdmol(molecule)
    Chem.FastFindRings(mol)
    found = []
    for begin, end in mol.GetSubstructMatches(_ROTATABLE):
        moving = _side(molecule, begin, end)
        if 2 * len(moving) > len(molecule.z):
            begin, end = end, begin
            moving = _side(molecule, begin, end)
        found.append(Torsion(begin, end, moving))
    return sorted(found, key=lambda torsion: -len(torsion.moving))[:_MAX_TORSIONS]


def _side(molecule: AFMData, begin: int, end: int) -> Tensor:
    """The atoms on the side of ``end`` of a bond, without it."""
    neighbors: dict[int, list[int]] = {}
    for a, b in molecule.edge_index.T.tolist():
        neighbors.setdefault(a, []).append(b)
    seen, rest = {begin, end}, [end]
    while rest:
        for other in neighbors.get(rest.pop(), []):
            if other not in seen:
                seen.add(other)
                rest.append(other)
    return torch.tensor(sorted(seen - {begin, end}), dtype=torch.long)


def _rotation(turn: float, about_x: float, about_y: float) -> Tensor:
    """A tilt about x, one about y, then a turn about z, float64."""
    (cz, sz), (cx, sx), (cy, sy) = ((math.cos(a), math.sin(a)) for a in (turn, about_x, about_y))
    z = torch.tensor([[cz, -sz, 0.0], [sz, cz, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    x = torch.tensor([[1.0, 0.0, 0.0], [0.0, cx, -sx], [0.0, sx, cx]], dtype=torch.float64)
    y = torch.tensor([[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]], dtype=torch.float64)
    return z @ y @ x
