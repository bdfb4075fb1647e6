"""The checked input of a refinement: what may move, and how far it is believed to be off."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Tip
from torch_afm.data import AFMData, covalent_bonds
from torch_afm.ppm import ProbeParticleModel, TipParameters
from torch_afm.prediction.refinement.scanner import ScannedModel
from torch_afm.prediction.refinement.settings import RefinementSettings
from torch_afm.utils import InputError, check_finite, check_shape

#: Sides of a rectangle: ``((x0, x1), (y0, y1))`` in Å.
Box = tuple[tuple[float, float], tuple[float, float]]

#: Å: smallest standard deviation of a position that is believed.
_MIN_SIGMA = 0.03
#: Å: sites of hidden atoms have no atom of the graph closer than this, and lie this far around the graph, at
#: these heights, with the top atom at z = 0.
_DISTANCE, _AROUND, _DEPTHS = 1.2, 1.5, (-1.3, -2.2)
#: Å around the atoms within which pixels are compared.
_MARGIN = 2.5
#: Å: standard deviation of the position of an atom that is added at an open bond.
_ADDED_SIGMA = 0.18


class State(NamedTuple):
    """A molecule under a tip.

    Args:
        data: the atoms.
        tip: the tip.
        z_top: first anchor height in Å.
    """

    data: AFMData
    tip: TipParameters
    z_top: float


class Unknowns:
    r"""The vector of everything that is fitted, each entry in units of its standard deviation from where the
    fit starts: its prior is :math:`N(0, 1)`.

    Its parts, in this order: positions, charges, tilt of the tip, distance, and the weights of the nuisance
    images. A standard deviation of 0 holds a value.

    Args:
        start: where all is zero.
        pos: standard deviations of the positions in Å.
        charge: of all charges in e.
        tilt: of both components of the tilt in Å.
        distance: of the first anchor height in Å.
        n_nuisance: number of nuisance images.

    Shapes:
        pos ``[N, 3]``.
    """

    def __init__(
        self, start: State, pos: Tensor, charge: float, tilt: float, distance: float, n_nuisance: int
    ) -> None:
        self.start = start
        n = len(pos)
        parts = [pos.reshape(-1).double(), torch.full((n,), charge), torch.full((2,), tilt)]
        parts += [torch.full((1,), distance), torch.ones(n_nuisance)]
        self.sizes = [len(part) for part in parts]
        self.scale = torch.cat([part.double() for part in parts])
        self.free = self.scale > 0

    def state(self, x: Tensor) -> State:
        """The molecule and tip of a vector ``[K]``."""
        pos, charge, tilt, distance, _ = (x * self.scale).split(self.sizes)
        data, tip, z_top = self.start
        moved = AFMData(
            z=data.z,
            pos=(data.pos.double() + pos.reshape(-1, 3)).to(data.pos.dtype),
            charge=(data.charge.double() + charge).to(data.charge.dtype),
            edge_index=data.edge_index,
        )
        # A tilt of a bond length cannot be; no step may ask for it.
        aside = tip.tilt + tilt
        limit = 0.5 * tip.bond_length.unsqueeze(1)
        aside = aside * (limit / aside.norm(dim=1, keepdim=True).clamp(min=1e-12)).clamp(max=1)
        return State(moved, dataclasses.replace(tip, tilt=aside), z_top + float(distance))

    def weights(self, x: Tensor) -> Tensor:
        """Weights of the nuisance images, ``[n_nuisance]``."""
        return x.split(self.sizes)[-1]

    @property
    def n_pos(self) -> int:
        """Number of entries that are coordinates; they come first."""
        return self.sizes[0]


def fitted_tip(tip: TipParameters) -> Tip:
    """A tip of plain numbers, tilt and springs included."""
    (x, y), (kx, ky, kz) = tip.tilt[0].tolist(), tip.stiffness[0].tolist()
    known = tip.probe[0]
    springs = known.stiffness if np.allclose(known.stiffness, (kx, ky, kz), rtol=1e-6) else (kx, ky, kz)
    return dataclasses.replace(known, tilt=(x, y), stiffness=springs)


@dataclass(frozen=True)
class RefinementJob:
    """What is fitted to what.

    Args:
        given: all atoms, those of the context last, under the given tip.
        n: atoms asked for.
        sigma: standard deviations of all positions in Å.
        elements: standard deviation of the share of each atom that is another element.
        sites: places of hidden atoms.
        reference: the stack.

    Shapes:
        sigma ``[N, 3]``, elements ``[N]``, sites ``[G, 3]``, reference ``[Z, Y, X]``.
    """

    given: State
    n: int
    sigma: Tensor
    elements: Tensor
    sites: Tensor
    reference: Tensor

    @classmethod
    def from_inputs(
        cls,
        data: AFMData,
        context: AFMData | None,
        stack: Tensor,
        renderer: ProbeParticleModel | ScannedModel,
        z_top: float,
        tip: Tip | None,
        settings: RefinementSettings,
    ) -> RefinementJob:
        """Arguments and errors as in :func:`torch_afm.prediction.refine`."""
        parts = [data] if context is None else [data, context]
        for name, part in zip(("data", "context"), parts, strict=False):
            _check_molecule(name, part)
        if not len(data.z):
            raise InputError("data: expected a molecule with at least one atom, got none")
        check_shape("stack", stack, (1, 1, *renderer.scan.shape))
        check_finite("stack", stack)
        if float(stack.amax() - stack.amin()) <= 0:
            raise InputError("stack: expected images with contrast, got a constant")
        check_finite("z_top", z_top)
        z = torch.cat([p.z for p in parts])
        pos = torch.cat([p.pos.detach().float() for p in parts])
        edge_index = data.edge_index if context is None and "edge_index" in data else covalent_bonds(z, pos)
        atoms = AFMData(z=z, pos=pos, charge=torch.cat([_charge(p) for p in parts]), edge_index=edge_index)
        sigma = torch.cat([_sigma(p, settings) for p in parts])
        return cls(
            given=State(atoms, TipParameters.from_tips(tip or renderer.tip), float(z_top)),
            n=len(data.z),
            sigma=sigma,
            elements=torch.cat([_doubt(p, settings) for p in parts]) * may_move(sigma),
            sites=_sites(pos, may_move(sigma), settings),
            reference=stack[0, 0].float(),
        )

    def extended(self, atoms: AFMData, settings: RefinementSettings) -> RefinementJob:
        """With further atoms at the end, in the form of the context; no bond of theirs is held."""
        data = self.given.data
        whole = AFMData(
            **{key: torch.cat([data[key], atoms[key].to(data[key])]) for key in ("z", "pos", "charge")},
            edge_index=data.edge_index,
        )
        sigma = torch.cat([self.sigma, self.sigma.new_full((len(atoms.z), 3), _ADDED_SIGMA)])
        return dataclasses.replace(
            self,
            given=self.given._replace(data=whole),
            sigma=sigma,
            elements=torch.cat([self.elements, _doubt(atoms, settings)]),
            sites=_sites(whole.pos, may_move(sigma), settings),
        )

    @property
    def has_nuisance(self) -> bool:
        """Whether anything may be missing."""
        return bool(len(self.sites) or (self.elements > 0).any())

    def unknowns(self, settings: RefinementSettings) -> Unknowns:
        """What is fitted."""
        count = len(self.sites) + 2 * int(((self.given.data.z > 1) & (self.elements > 0)).sum())
        widths = settings.charge_sigma, settings.tilt_sigma, settings.distance_sigma
        return Unknowns(self.given, self.sigma, *widths, count)

    def box(self) -> Box:
        """The atoms that may move and 2.5 Å around them."""
        pos = self.given.data.pos[may_move(self.sigma), :2]
        low, high = (pos.amin(0) - _MARGIN).tolist(), (pos.amax(0) + _MARGIN).tolist()
        return (low[0], high[0]), (low[1], high[1])


def may_move(sigma: Tensor) -> Tensor:
    """Which atoms, ``[N]`` booleans, have a standard deviation ``[N, 3]``; all where none has."""
    free = (sigma > 0).any(dim=1)
    return free if free.any() else torch.ones_like(free)


def hidden_sites(pos: Tensor, spacing: float, free: Tensor | None = None) -> Tensor:
    """Places below a graph where atoms may hide: square grids 1.3 and 2.2 Å below its top, around those of
    its atoms that are ``free``, or all, without the places that its atoms take.

    Shapes:
        pos ``[N, 3]`` Å, free ``[N]`` -> ``[G, 3]`` Å, float64.
    """
    points = pos.detach().double()
    around = points[:, :2] if free is None else points[free, :2]
    low, high = around.amin(0) - _AROUND, around.amax(0) + _AROUND
    x, y = (
        torch.linspace(float(a), float(b), max(2, 1 + round(float(b - a) / spacing)), dtype=torch.float64)
        for a, b in zip(low, high, strict=True)
    )
    grid = torch.cartesian_prod(x, y, torch.tensor(_DEPTHS, dtype=torch.float64))
    return grid[torch.cdist(grid, points).amin(1) >= _DISTANCE]


def _check_molecule(name: str, data: AFMData) -> None:
    for key in ("z", "pos"):
        if not isinstance(data.get(key), Tensor):
            raise InputError(f"{name}: expected a tensor {key!r}, got keys {sorted(data.keys())}")
    check_shape("pos", data.pos, (len(data.z), 3))
    check_finite("pos", data.pos)
    if "sigma" in data:
        check_shape("sigma", data.sigma, (len(data.z), 3))
        check_finite("sigma", data.sigma)


def _sites(pos: Tensor, free: Tensor, settings: RefinementSettings) -> Tensor:
    if settings.hidden_sigma == 0:
        return torch.empty(0, 3)
    return hidden_sites(pos, settings.hidden_spacing, free)


def _charge(data: AFMData) -> Tensor:
    return data.charge.detach().float() if "charge" in data else torch.zeros(len(data.z))


def _sigma(data: AFMData, settings: RefinementSettings) -> Tensor:
    """Of each coordinate; 0 holds it."""
    if "sigma" not in data:
        return torch.full((len(data.z), 3), settings.pos_sigma)
    scaled = (data.sigma.float() * settings.sigma_scale).clamp(min=_MIN_SIGMA)
    return scaled.masked_fill(data.sigma == 0, 0.0)


def _doubt(data: AFMData, settings: RefinementSettings) -> Tensor:
    """Less where the classes are more than H and the rest, and the network is sure of one."""
    width = torch.full((len(data.z),), settings.element_sigma)
    probability = data.get("class_probabilities")
    if probability is not None and probability.shape[1] > 2:
        width = width * (1 - probability.amax(dim=1)).clamp(min=0).sqrt()
    return width
