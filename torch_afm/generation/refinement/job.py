"""The checked input of a refinement."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from torch_afm.config import Tip
from torch_afm.data import AFMData, covalent_bonds
from torch_afm.generation.refinement.image import Box
from torch_afm.generation.refinement.nuisance import hidden_sites
from torch_afm.generation.refinement.settings import RefinementSettings
from torch_afm.generation.refinement.unknowns import State, Unknowns
from torch_afm.ppm import ProbeParticleModel, TipParameters
from torch_afm.utils import InputError, check_finite, check_shape

#: Å: least standard deviation of a position that is believed.
_LEAST_SIGMA = 0.03


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
    def of(
        cls,
        data: AFMData,
        context: AFMData | None,
        stack: Tensor,
        renderer: ProbeParticleModel,
        z_top: float,
        tip: Tip | None,
        settings: RefinementSettings,
    ) -> RefinementJob:
        """Arguments and errors as in :func:`torch_afm.generation.refine`."""
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
        return cls(
            given=State(atoms, TipParameters.from_tips(tip or renderer.tip), float(z_top)),
            n=len(data.z),
            sigma=torch.cat([_sigma(p, settings) for p in parts]),
            elements=torch.cat([_doubt(p, settings) for p in parts]),
            sites=_sites(pos, settings),
            reference=stack[0, 0].float(),
        )

    def extended(self, atoms: AFMData, settings: RefinementSettings) -> RefinementJob:
        """With further atoms at the end, in the form of the context; no bond of theirs is held."""
        data = self.given.data
        whole = AFMData(
            **{key: torch.cat([data[key], atoms[key].to(data[key])]) for key in ("z", "pos", "charge")},
            edge_index=data.edge_index,
        )
        return dataclasses.replace(
            self,
            given=self.given._replace(data=whole),
            sigma=torch.cat([self.sigma, _sigma(atoms, settings)]),
            elements=torch.cat([self.elements, _doubt(atoms, settings)]),
            sites=_sites(whole.pos, settings),
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

    def box(self, margin: float) -> Box:
        """The atoms and ``margin`` Å around them."""
        pos = self.given.data.pos[:, :2]
        low, high = (pos.amin(0) - margin).tolist(), (pos.amax(0) + margin).tolist()
        return (low[0], high[0]), (low[1], high[1])


def _check_molecule(name: str, data: AFMData) -> None:
    for key in ("z", "pos"):
        if not isinstance(data.get(key), Tensor):
            raise InputError(f"{name}: expected a tensor {key!r}, got keys {sorted(data.keys())}")
    check_shape("pos", data.pos, (len(data.z), 3))
    check_finite("pos", data.pos)
    if "sigma" in data:
        check_shape("sigma", data.sigma, (len(data.z), 3))
        check_finite("sigma", data.sigma)


def _sites(pos: Tensor, settings: RefinementSettings) -> Tensor:
    if settings.hidden_sigma == 0:
        return torch.empty(0, 3)
    return hidden_sites(pos, settings.hidden_depths, settings.hidden_spacing)


def _charge(data: AFMData) -> Tensor:
    return data.charge.detach().float() if "charge" in data else torch.zeros(len(data.z))


def _sigma(data: AFMData, settings: RefinementSettings) -> Tensor:
    """Of each coordinate; 0 holds it."""
    if "sigma" not in data:
        return torch.full((len(data.z), 3), settings.pos_sigma)
    scaled = (data.sigma.float() * settings.sigma_scale).clamp(min=_LEAST_SIGMA)
    return scaled.masked_fill(data.sigma == 0, 0.0)


def _doubt(data: AFMData, settings: RefinementSettings) -> Tensor:
    """Less where the classes are more than H and the rest, and the network is sure of one."""
    width = torch.full((len(data.z),), settings.element_sigma)
    probability = data.get("class_probabilities")
    if probability is not None and probability.shape[1] > 2:
        width = width * (1 - probability.amax(dim=1)).clamp(min=0).sqrt()
    return width
