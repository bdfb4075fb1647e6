"""Tips as the renderers use them: springs in eV/Å², charges as exact sites or as axial multipoles."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Tip
from torch_afm.config.tip import MAX_RADIAL_STIFFNESS
from torch_afm.units import COULOMB, N_PER_M
from torch_afm.utils import InputError, check_finite, check_shape

#: Orders of the axial multipole expansion.
N_MOMENTS = 5
#: Å: charges within this of the probe are expanded; the rest of the series is below 1e-5 at 3 Å.
_EXPANSION_RADIUS = 0.15
#: Fields of :class:`TipParameters` that are tensors, in order.
_TENSORS = ("stiffness", "radial_stiffness", "bond_length", "tilt", "charges", "charge_heights")


@dataclass(frozen=True)
class TipArrays:
    """The tips of a batch.

    Shapes:
        springs ``[E, 8]``: stiffness x, y, z and radial in eV/Å², bond length and the free position of the
        probe relative to the anchor in Å; charges ``[E, S]`` in eV Å/e (charge times Coulomb's constant) and
        charge_heights ``[E, S]`` in Å, padded with zeros.
    """

    springs: np.ndarray
    charges: np.ndarray
    charge_heights: np.ndarray

    def take(self, index: np.ndarray) -> TipArrays:
        """The tips at ``index``."""
        return TipArrays(self.springs[index], self.charges[index], self.charge_heights[index])

    def moments(self) -> np.ndarray:
        """Axial multipole moments (:func:`tip_moments`) of the charges near the probe, ``[E, 5]``."""
        near, heights = (torch.from_numpy(v) for v in (self.split()[0], self.charge_heights))
        charges = torch.where(near, torch.from_numpy(self.charges), 0.0)
        moments, scale = tip_moments(charges, heights), tip_moments(charges.abs(), -heights.abs())
        # A moment that symmetry forbids (odd ones of CO) comes out as rounding; it is exactly 0.
        return torch.where(moments.abs() > 1e-12 * scale, moments, 0.0).numpy()

    def sites(self) -> np.ndarray:
        """The other charges, ``[E, S', 2]`` (charge, height); S' is 0 if every charge is near the probe."""
        near, kept = self.split()
        return np.stack([np.where(near, 0.0, self.charges), self.charge_heights], axis=2)[:, kept]

    def split(self) -> tuple[np.ndarray, np.ndarray]:
        """Which charges are near the probe, ``[E, S]``, and which columns hold one that is not, ``[S]``."""
        near = np.abs(self.charge_heights) <= _EXPANSION_RADIUS
        return near, ~near.all(axis=0)


def tip_moments(charges: Tensor, heights: Tensor) -> Tensor:
    r"""Axial multipole moments :math:`M_l = (-1)^l K \sum_c Q_c z_c^l`: an atom of charge q at distance r and
    polar angle θ has the energy :math:`q \sum_l M_l P_l(\cos θ) / r^{l+1}`.

    Shapes:
        charges (times Coulomb's constant K) ``[E, S]`` eV Å/e, heights ``[E, S]`` Å, returns ``[E, 5]``.
    """
    orders = torch.arange(N_MOMENTS, dtype=charges.dtype)
    return (charges.unsqueeze(2) * (-heights).unsqueeze(2) ** orders).sum(1)


@dataclass(frozen=True)
class TipParameters:
    """Tips whose parameters are tensors, to be differentiated and fitted (see :class:`torch_afm.config.Tip`
    for their meaning). A renderer takes it in place of a tip.

    E = B C entries, all channels of graph 0, then of graph 1, ...; those of a single graph (B = 1) serve all
    graphs of a batch.

    Args:
        probe: tips whose probe (element, or radius and depth of its own) each entry has, constant.
        stiffness: lateral and vertical, N/m.
        radial_stiffness: N/m.
        bond_length: Å.
        tilt: equilibrium offset of the probe, Å.
        charges: e.
        charge_heights: Å above the probe.
        n_channels: C.

    Shapes:
        stiffness ``[E, 3]``, radial_stiffness and bond_length ``[E]``, tilt ``[E, 2]``, charges and
        charge_heights ``[E, S]``.

    Raises:
        InputError: for wrong shapes, NaN, springs or lengths that are not positive, a radial spring above
            3000 N/m, and a tilt of a bond length or more.
    """

    probe: tuple[Tip, ...]
    stiffness: Tensor
    radial_stiffness: Tensor
    bond_length: Tensor
    tilt: Tensor
    charges: Tensor
    charge_heights: Tensor
    n_channels: int = 1

    def __post_init__(self) -> None:
        n = len(self.probe)
        if self.n_channels < 1 or n % self.n_channels:
            raise InputError(f"n_channels: expected a divisor of the {n} entries, got {self.n_channels}")
        shapes: list[tuple[str, tuple[int | None, ...]]] = [("stiffness", (n, 3)), ("radial_stiffness", (n,))]
        shapes += [("bond_length", (n,)), ("tilt", (n, 2)), ("charges", (n, None))]
        shapes += [("charge_heights", (n, *self.charges.shape[1:]))]
        for name, shape in shapes:
            check_shape(name, getattr(self, name), shape)
            check_finite(name, getattr(self, name))
        if n and (self.stiffness.min() < 0 or self.bond_length.min() <= 0):
            raise InputError("stiffness, bond_length: expected positive springs and length")
        if ((self.radial_stiffness <= 0) | (self.radial_stiffness > MAX_RADIAL_STIFFNESS)).any():
            limit = f"more than 0 and at most {MAX_RADIAL_STIFFNESS:g} N/m, as good as rigid"
            raise InputError(f"radial_stiffness: expected {limit}, got {self.radial_stiffness.tolist()}")
        if (self.tilt.norm(dim=1) >= self.bond_length).any():
            raise InputError(f"tilt: expected less than the bond length, got {self.tilt.tolist()} Å")

    def __len__(self) -> int:
        return len(self.probe)

    def take(self, index: Tensor) -> TipParameters:
        """The entries at ``index``, as one channel each."""
        tensors = (getattr(self, name)[index] for name in _TENSORS)
        return TipParameters(tuple(self.probe[i] for i in index.tolist()), *tensors)

    @classmethod
    def from_tips(cls, tips: Tip | Sequence[Sequence[Tip]]) -> TipParameters:
        """Float64 parameters of one tip, or of ``tips[graph][channel]``; missing charges are 0 e at 0 Å.

        Raises:
            InputError: unless every graph has as many channels as the others, one at least.
        """
        rows = [[tips]] if isinstance(tips, Tip) else tips
        nested = isinstance(rows, Sequence) and all(isinstance(row, Sequence) for row in rows)
        if not (nested and all(isinstance(t, Tip) for row in rows for t in row)):
            got = reprlib.repr(tips)
            raise InputError(f"tip: expected one Tip or rows [graph][channel] of tips, got {got}")
        counts = [len(row) for row in rows]
        if not counts or min(counts) != max(counts) or not counts[0]:
            raise InputError(f"tip: expected as many channels, at least 1, for every graph, got {counts}")
        entries = [tip for row in rows for tip in row]
        width = max(len(t.charges) for t in entries)

        def column(name: str, *shape: int) -> Tensor:
            values = [getattr(t, name) for t in entries]
            return torch.tensor(values, dtype=torch.float64).reshape(len(entries), *shape)

        def padded(name: str) -> Tensor:
            rows = [(*getattr(t, name), *[0.0] * (width - len(t.charges))) for t in entries]
            return torch.tensor(rows, dtype=torch.float64).reshape(len(entries), width)

        return cls(
            tuple(entries),
            column("stiffness", 3),
            column("radial_stiffness"),
            column("bond_length"),
            column("tilt", 2),
            padded("charges"),
            padded("charge_heights"),
            counts[0],
        )

    def expand(self, n_graphs: int) -> TipParameters:
        """An entry for each of ``n_graphs`` graphs and channel, float64.

        Raises:
            InputError: for tips of neither one graph nor as many.
        """
        given = len(self) // self.n_channels
        if given not in (1, n_graphs):
            raise InputError(f"tip: expected tips of one graph or of {n_graphs}, got those of {given}")

        def repeated(v: Tensor) -> Tensor:
            each = v.double().reshape(given, self.n_channels, *v.shape[1:])
            return each.expand(n_graphs, *each.shape[1:]).flatten(0, 1)

        probe = self.probe if given == n_graphs else self.probe * n_graphs
        tensors: dict[str, Any] = {name: repeated(getattr(self, name)) for name in _TENSORS}
        return replace(self, probe=probe, **tensors)

    @property
    def free(self) -> Tensor:
        """Free probe relative to the anchor, ``[E, 3]`` Å."""
        height = -(self.bond_length.square() - self.tilt.square().sum(1)).sqrt()
        return torch.cat([self.tilt, height.unsqueeze(1)], 1)

    def arrays(self) -> TipArrays:
        """The same as constant arrays."""
        springs = [self.stiffness / N_PER_M, self.radial_stiffness.unsqueeze(1) / N_PER_M]
        springs += [self.bond_length.unsqueeze(1), self.free]
        charges, heights = (v.detach().cpu().double().numpy() for v in (self.charges, self.charge_heights))
        return TipArrays(torch.cat(springs, 1).detach().cpu().double().numpy(), charges * COULOMB, heights)
