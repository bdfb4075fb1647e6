"""What a refinement may move, and how far it is believed to be off."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor

from torch_afm.config import Tip
from torch_afm.data import AFMData
from torch_afm.ppm import TipParameters


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
        most = 0.5 * tip.bond_length.unsqueeze(1)
        aside = aside * (most / aside.norm(dim=1, keepdim=True).clamp(min=1e-12)).clamp(max=1)
        return State(moved, dataclasses.replace(tip, tilt=aside), z_top + float(distance))

    def weights(self, x: Tensor) -> Tensor:
        """Weights of the nuisance images, ``[n_nuisance]``."""
        return x.split(self.sizes)[-1]

    @property
    def n_pos(self) -> int:
        """Number of entries that are coordinates; they come first."""
        return self.sizes[0]


def fitted_tip(tip: TipParameters) -> Tip:
    """A tip of plain numbers, tilt included."""
    x, y = tip.tilt[0].tolist()
    return dataclasses.replace(tip.probe[0], tilt=(x, y))
