"""The checked input that every backend computes from."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.data import Batch

from torch_afm.config import ForceField, Scan
from torch_afm.data import AFMData, PotentialGrid
from torch_afm.elements import atomic_number
from torch_afm.ppm.fdbm import FDBM, Sample, samples
from torch_afm.ppm.fdbm_field import energy_field
from torch_afm.ppm.periodic import Images, repeat_atoms
from torch_afm.ppm.placement import Tips, anchor_height, check_atoms, expand_tips
from torch_afm.ppm.potential import EnergyField, potential_field
from torch_afm.ppm.tip import TipArrays, TipParameters
from torch_afm.units import COULOMB
from torch_afm.utils import InputError, check_finite, check_shape

#: Å beyond the edge of the window that still count as within it.
_EDGE = 1e-3

#: Å by which probes bend, at most, where the charges of a periodic sample are to be right.
_BEND = 1.0


@dataclass(frozen=True)
class RenderInput:
    """A checked batch and what to render of it: one entry for each graph and channel, entry
    ``b * n_channels + c``, its atoms (with their periodic images) at ``ptr[entry]:ptr[entry + 1]``.

    Shapes:
        pos ``[N, 3]`` Å, in each entry's render frame (:attr:`Scan.center` at x = y = 0, the free probe of
        ``z_top`` at z = 0); charge ``[N]`` e; radius ``[N]`` = R_i + R_p in Å and depth ``[N]`` = √(ε_i ε_p)
        in eV; ptr ``[E + 1]``; origin ``[E, 3]`` Å: the origin of the render frame in the graph's; tips and
        parameters: the same tips, an entry each, as arrays and as tensors. Tensors are differentiable,
        float64. pixels ``[P, 2]`` indices (ix, iy) or, floating-point, places (x, y) in Å, None for all.
        fields: of each entry, where potentials on a grid take the place of charges, which are 0 then, and
        dipoles, or densities that of all forces of atoms: depth is 0, too. dipole ``[N, 3]`` e Å, None where
        there are none.
    """

    pos: Tensor
    charge: Tensor
    radius: np.ndarray
    depth: np.ndarray
    ptr: np.ndarray
    tips: TipArrays
    parameters: TipParameters
    origin: Tensor
    scan: Scan
    pixels: Tensor | None = None
    fields: tuple[EnergyField, ...] = ()
    dipole: Tensor | None = None

    @property
    def n_entries(self) -> int:
        return len(self.ptr) - 1

    @property
    def n_channels(self) -> int:
        return self.parameters.n_channels

    @property
    def n_graphs(self) -> int:
        return self.n_entries // self.n_channels

    @property
    def n_pixels(self) -> int:
        return math.prod(self.scan.pixels) if self.pixels is None else len(self.pixels)

    @cached_property
    def positions(self) -> np.ndarray:
        """All pixels, row by row along x, or ``pixels``, ``[P, 2]`` Å from the center of the window."""
        x, y = (a - middle for a, middle in zip((self.scan.x, self.scan.y), self.scan.center, strict=True))
        if self.pixels is None:
            return np.stack(np.meshgrid(x, y), axis=2).reshape(-1, 2)
        index = self.pixels.cpu().numpy()
        if self.pixels.is_floating_point():
            return index.astype(np.float64) - self.scan.center
        return np.stack([x[index[:, 0]], y[index[:, 1]]], axis=1)

    @property
    def requires_grad(self) -> bool:
        """Whether anything that this was made of is to be differentiated."""
        tip = self.parameters
        tensors = [self.pos, self.charge, tip.stiffness, tip.radial_stiffness, tip.charges]
        tensors += [tip.charge_heights] if self.dipole is None else [tip.charge_heights, self.dipole]
        given = any(v.requires_grad for v in tensors) or any(f.requires_grad for f in self.fields)
        return torch.is_grad_enabled() and given

    def take(self, entries: np.ndarray) -> RenderInput:
        """These entries, as one channel each."""
        atoms = np.concatenate([np.arange(*self.ptr[e : e + 2]) for e in entries] or [np.empty(0, np.int64)])
        index = torch.from_numpy(entries)
        return replace(
            self,
            pos=self.pos[atoms],
            charge=self.charge[atoms],
            radius=self.radius[atoms],
            depth=self.depth[atoms],
            ptr=np.concatenate([[0], np.cumsum(np.diff(self.ptr)[entries])]),
            tips=self.tips.take(entries),
            parameters=self.parameters.take(index),
            origin=self.origin[index.to(self.origin.device)],
            fields=tuple(self.fields[e] for e in entries) if self.fields else (),
            dipole=None if self.dipole is None else self.dipole[atoms],
        )

    def free(self) -> Tensor:
        """Free probe of ``z_top`` above the center of the window, in each graph's frame, ``[E, 3]`` Å."""
        aside = self.parameters.free[:, :2].to(self.origin.device)
        return torch.cat([self.origin[:, :2] + aside, self.origin[:, 2:]], 1)


def prepare(
    data: AFMData | Batch,
    scan: Scan,
    tip: Tips,
    z_top: Tensor | float | None = None,
    pixels: Tensor | None = None,
    forcefield: ForceField | None = None,
    dipoles: bool = True,
    fdbm: FDBM | None = None,
) -> RenderInput:
    """Check everything and lay it out for a backend; arguments and errors as in
    :meth:`torch_afm.ppm.ProbeParticleModel.forward`, ``dipoles`` and
    ``fdbm`` as in :class:`torch_afm.ppm.ProbeParticleModel`."""
    pos, z, ptr = check_atoms(data)
    charge = data.charge if data.get("charge") is not None else pos.new_zeros(len(pos))
    check_shape("charge", charge, (len(pos),))
    check_finite("charge", charge)
    dipole = data.get("dipole") if dipoles else None
    if dipole is not None:
        check_shape("dipole", dipole, (len(pos), 3))
        check_finite("dipole", dipole)
    if pixels is not None:
        _check_pixels(pixels, scan)
    tips = expand_tips(tip, len(ptr) - 1)
    found: list[Sample] = []
    if fdbm is not None:
        found = _samples(data, tips)
        pos = torch.cat([sample.pos.detach() for sample in found]).to(pos)
        data = copy.copy(data)
        data.pos = pos
    forcefield = forcefield or ForceField()
    tops = anchor_height(data, scan, tips, z_top, forcefield)
    center = torch.tensor([scan.center] * len(tips), dtype=torch.float64)
    height = tops.reshape(-1, 1) + tips.free[:, 2:].cpu()
    origin = torch.cat([center, height], dim=1).to(pos.device)

    arrays = tips.arrays()
    fields = () if fdbm else _fields(data, scan, tips, arrays, origin)
    if fields or fdbm:
        charge, dipole = torch.zeros_like(charge), None
    pos, charge = pos.double(), charge.double()
    dipole = None if dipole is None else dipole.double()
    lattice, net = (data.get("cell"), data.get("pbc")), arrays.charges.sum(1) / COULOMB
    images = repeat_atoms(pos, charge, dipole, ptr, lattice, scan, _reach(scan, arrays, origin), net)
    entry = np.repeat(np.arange(len(tips)), np.diff(images.ptr))
    radius, depth = forcefield.lj_parameters(z.cpu())
    radius, depth = np.pad(radius, (0, len(images.pos))), np.pad(depth, (0, len(images.pos)))
    probe_radius, probe_depth = forcefield.probe_parameters(tips.probe)
    if fdbm is not None:
        # Radii still say where the atoms are.
        depth, probe_depth = np.zeros_like(depth), np.zeros_like(probe_depth)
        fields = _density_fields(found, fdbm, scan, tips, arrays, origin, images)
    return RenderInput(
        pos=torch.cat([pos, images.pos])[images.atom]
        + torch.from_numpy(images.shift).to(pos.device)
        - origin[entry],
        charge=torch.cat([charge, images.charge])[images.atom],
        radius=radius[images.atom] + probe_radius[entry],
        depth=np.sqrt(depth[images.atom] * probe_depth[entry]),
        ptr=images.ptr,
        tips=arrays,
        parameters=tips,
        origin=origin,
        scan=scan,
        pixels=pixels,
        fields=fields,
        dipole=None if dipole is None else pad(dipole, (0, 0, 0, len(images.pos)))[images.atom],
    )


def _reach(scan: Scan, tips: TipArrays, origin: Tensor) -> np.ndarray:
    """Two corners of the box that holds the charges of each tip at all pixels and heights, for probes that
    bend by up to ``_BEND``, ``[E, 2, 3]`` Å."""
    half = np.array(scan.extent) / 2
    high = origin.detach().cpu().numpy().copy()
    high[:, :2] += tips.springs[:, 5:7]
    low = high.copy()
    low[:, :2] -= half
    high[:, :2] += half
    heights = scan.heights(0.0)
    low[:, 2] += tips.charge_heights.min(1, initial=0.0) + heights[-1]
    high[:, 2] += tips.charge_heights.max(1, initial=0.0) + heights[0]
    return np.stack([low - _BEND, high + _BEND], 1)


def _fields(
    data: AFMData | Batch, scan: Scan, tips: TipParameters, arrays: TipArrays, origin: Tensor
) -> tuple[EnergyField, ...]:
    """The field of each entry where ``data`` have potentials."""
    potential = data.get("potential")
    if potential is None:
        return ()
    grids = potential if isinstance(potential, list) else [potential]
    for grid in grids:
        if not isinstance(grid, PotentialGrid):
            raise InputError(f"potential: expected a PotentialGrid, got {type(grid).__name__}")
    if tips.free.requires_grad or tips.charges.requires_grad or origin.requires_grad:
        raise InputError("tip, z_top: expected constants, for a potential on a grid has no gradients in them")
    pbc = data.get("pbc")
    repeats = np.zeros((len(grids), 3), bool) if pbc is None else pbc.cpu().numpy().astype(bool)
    repeats = repeats.reshape(-1, 3) & (True, True, False)
    origins, aside = origin.detach().cpu().numpy(), arrays.springs[:, 5:7]
    found = []
    for entry in range(len(tips)):
        graph = entry * len(grids) // len(tips)
        charges = arrays.charges[entry] / COULOMB, arrays.charge_heights[entry]
        where = repeats[graph], origins[entry], aside[entry]
        found.append(potential_field(grids[graph], *where, *charges, scan))
    return tuple(found)


def _samples(data: AFMData | Batch, tips: TipParameters) -> list[Sample]:
    """The graphs with their densities, of one probe."""
    if tips.charges.requires_grad or tips.charge_heights.requires_grad:
        raise InputError(
            "tip: expected constant charges, for those of a full-density model are the tip density's, got "
            "charges or heights of them that require a gradient"
        )
    return samples(data)


def _density_fields(
    found: list[Sample],
    model: FDBM,
    scan: Scan,
    tips: TipParameters,
    arrays: TipArrays,
    origin: Tensor,
    images: Images,
) -> tuple[EnergyField, ...]:
    """The field of each entry in a full-density model."""
    pos = torch.cat([sample.pos for sample in found])
    fields = []
    for entry in range(len(tips)):
        sample = found[entry * len(found) // len(tips)]
        part = slice(images.ptr[entry], images.ptr[entry + 1])
        there = pos[images.atom[part]] + torch.from_numpy(images.shift[part])
        probe, aside = atomic_number(tips.probe[entry].probe), arrays.springs[entry, 5:7]
        fields.append(energy_field(sample, model, scan, probe, origin[entry], aside, there))
    return tuple(fields)


def _check_pixels(pixels: Tensor, scan: Scan) -> None:
    check_shape("pixels", pixels, (None, 2))
    if pixels.dtype == torch.bool:
        raise InputError("pixels: expected indices (ix, iy) or places (x, y) in Å, got booleans")
    if pixels.is_floating_point():
        check_finite("pixels", pixels)
        low, high = pixels.new_tensor(scan.window).T
        outside = ((pixels < low - _EDGE) | (pixels > high + _EDGE)).any(dim=1)
        expected = f"places within the window {scan.window} Å"
    else:
        outside = ((pixels < 0) | (pixels >= pixels.new_tensor(scan.pixels))).any(dim=1)
        expected = f"indices within {scan.pixels}"
    if outside.any():
        raise InputError(f"pixels: expected {expected}, got {pixels[outside][0].tolist()}")
