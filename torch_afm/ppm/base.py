"""What a renderer is, and the checked input that both backends compute from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config import ForceField, Scan, Tip
from torch_afm.data import AFMData, PotentialGrid
from torch_afm.ppm.periodic import cell_shifts, charge_weights, check_cell, check_neutral
from torch_afm.ppm.potential import PotentialField, potential_field
from torch_afm.ppm.tip import TipArrays, TipParameters
from torch_afm.units import COULOMB
from torch_afm.utils import InputError, check_finite, check_shape

#: One tip for all graphs, a *tuple* of tips as channels of all graphs, or a *list* with one of these a graph;
#: tips to be differentiated come as :class:`TipParameters`, one a channel.
Tips = Tip | Sequence[Tip | tuple[Tip, ...]] | TipParameters | tuple[TipParameters, ...]


class Relaxation(NamedTuple):
    """Where the probe comes to rest and what it feels there; C channels, H = ``scan.n_heights``, far to near.

    Shapes:
        force ``[B, C, H, Y, X]``: vertical force F_z of the surface on the probe, eV/Å; probe
        ``[B, C, H, Y, X, 3]``: its position in the graph's frame, Å; converged ``[B, C, H, Y, X]`` bool. On
        a subset of pixels, P in place of Y, X.
    """

    force: Tensor
    probe: Tensor
    converged: Tensor


class Renderer(Protocol):
    """Renders Δf stacks of molecules with the Probe Particle Model (Hapala et al., PRB 90, 085421 (2014)).

    A graph with ``cell`` and ``pbc`` is repeated along x and y as far as the window needs (see
    :func:`torch_afm.ppm.periodic.cell_shifts`); z is never periodic. A graph with ``potential``
    (:class:`torch_afm.data.PotentialGrid`) has its electrostatics from that, not from its charges.
    """

    scan: Scan
    tip: Tip
    forcefield: ForceField

    def render(
        self,
        data: AFMData | Batch,
        tip: Tips | None = None,
        z_top: Tensor | float | None = None,
        pixels: Tensor | None = None,
    ) -> Tensor:
        """Δf stack of each graph.

        Args:
            data: ``z``, ``pos`` [Å] and ``charge`` [e] (zero where missing) of one molecule or a batch.
            tip: one for all graphs, a tuple of tips for several channels, or a list with one of these per
                graph; ``self.tip`` by default.
            z_top: first (farthest) anchor height [Å], ``[B]`` or, per channel, ``[B, C]``; ``data.z_top`` by
                default, else :func:`place`.
            pixels: ``[P, 2]`` indices (ix, iy) of the pixels to render; all of them by default.

        Shapes:
            returns ``[B, C, Z, Y, X]`` float32 in Hz, Z from far to near, or ``[B, C, Z, P]``; B = 1 for a
            single graph and C = 1 for a single tip. An empty graph gives zeros.

        Raises:
            InputError: for NaN, wrong shapes, an element without Lennard-Jones parameters, a tip count other
                than one or B, an empty graph without ``z_top``, a stack larger than the memory, and, unless
                told to ignore it, a probe that starts within or below the atoms of the window.
        """
        ...

    def relax(
        self,
        data: AFMData | Batch,
        tip: Tips | None = None,
        z_top: Tensor | float | None = None,
        pixels: Tensor | None = None,
    ) -> Relaxation:
        """The relaxed probe at every pixel and height; arguments and errors as in :meth:`render`."""
        ...

    def quiet(self) -> Renderer:
        """The same renderer with ``on_unconverged="ignore"``, for graphs that nobody vouches for: a network
        may put an atom where no probe can be."""
        ...


@dataclass(frozen=True)
class RenderInput:
    """A checked batch: one entry for each graph and channel, entry ``b * n_channels + c``, its atoms (with
    their periodic images) at ``ptr[entry]:ptr[entry + 1]``.

    Shapes:
        pos ``[N, 3]`` Å, in each entry's render frame (:attr:`Scan.window` centre at x = y = 0, the free
        probe of ``z_top`` at z = 0); charge ``[N]`` e; radius ``[N]`` = R_i + R_p in Å and
        depth ``[N]`` = √(ε_i ε_p) in eV; ptr ``[E + 1]``; origin ``[E, 3]`` Å: the origin of the render
        frame in the graph's; tips and parameters: the same tips, an entry each, as arrays and as tensors.
        Tensors are differentiable, float64. fields: of each entry, where potentials on a grid take the place
        of the charges, which are 0 then.
    """

    pos: Tensor
    charge: Tensor
    radius: np.ndarray
    depth: np.ndarray
    ptr: np.ndarray
    tips: TipArrays
    parameters: TipParameters
    origin: Tensor
    n_channels: int = 1
    fields: tuple[PotentialField, ...] = ()

    @property
    def n_entries(self) -> int:
        return len(self.ptr) - 1

    @property
    def n_graphs(self) -> int:
        return self.n_entries // self.n_channels

    def take(self, entries: np.ndarray) -> RenderInput:
        """These entries, as one channel each."""
        atoms = np.concatenate([np.arange(*self.ptr[e : e + 2]) for e in entries] or [np.empty(0, np.int64)])
        index = torch.from_numpy(entries)
        return RenderInput(
            pos=self.pos[atoms],
            charge=self.charge[atoms],
            radius=self.radius[atoms],
            depth=self.depth[atoms],
            ptr=np.concatenate([[0], np.cumsum(np.diff(self.ptr)[entries])]),
            tips=self.tips.take(entries),
            parameters=self.parameters.take(index),
            origin=self.origin[index.to(self.origin.device)],
            fields=tuple(self.fields[e] for e in entries) if self.fields else (),
        )

    def free(self, entry: int) -> Tensor:
        """Free probe of ``z_top`` above the centre of the window, in the graph's frame, ``[3]`` Å."""
        aside = self.parameters.free[entry, :2].to(self.origin.device)
        return torch.cat([self.origin[entry, :2] + aside, self.origin[entry, 2:]])


def prepare(
    data: AFMData | Batch,
    scan: Scan,
    tip: Tips,
    z_top: Tensor | float | None = None,
    forcefield: ForceField | None = None,
) -> RenderInput:
    """Check ``data``, ``tip`` and ``z_top`` and lay them out for a backend (errors as in
    :meth:`Renderer.render`)."""
    pos, z, ptr = _atoms(data)
    charge = data.charge if data.get("charge") is not None else pos.new_zeros(len(pos))
    check_shape("charge", charge, (len(pos),))
    check_finite("charge", charge)
    tips = _tips(tip, len(ptr) - 1)
    channels = len(tips) // (len(ptr) - 1)
    forcefield = forcefield or ForceField()
    tops = _place(data, scan, tips, z_top, forcefield)
    centre = torch.tensor([[np.mean(axis) for axis in scan.window]] * len(tips), dtype=torch.float64)
    height = tops.reshape(-1, 1) + tips.free[:, 2:].cpu()
    origin = torch.cat([centre, height], dim=1).to(pos.device)

    tip_charges = tips.charges.detach().sum(1).reshape(-1, channels)
    atom, shift, weight, entry_ptr = _repeat(data, scan, charge.detach(), tip_charges.tolist())
    entry = np.repeat(np.arange(len(tips)), np.diff(entry_ptr))
    radius, depth = forcefield.lj_parameters(z.cpu())
    probe_radius, probe_depth = forcefield.probe_parameters(tips.probe)
    arrays = tips.arrays()
    fields = _fields(data, scan, tips, arrays, origin)
    if fields:
        charge = torch.zeros_like(charge)
    return RenderInput(
        pos=pos.double()[atom] + shift.to(pos.device) - origin[entry],
        charge=charge.double()[atom] * weight.to(pos.device),
        radius=radius[atom] + probe_radius[entry],
        depth=np.sqrt(depth[atom] * probe_depth[entry]),
        ptr=entry_ptr,
        tips=arrays,
        parameters=tips,
        origin=origin,
        n_channels=channels,
        fields=fields,
    )


def _fields(
    data: AFMData | Batch, scan: Scan, tips: TipParameters, arrays: TipArrays, origin: Tensor
) -> tuple[PotentialField, ...]:
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
        place = repeats[graph], origins[entry], aside[entry]
        found.append(potential_field(grids[graph], *place, *charges, scan))
    return tuple(found)


def pixel_positions(scan: Scan, pixels: Tensor | None = None) -> np.ndarray:
    """Positions of all pixels, row by row along x, or of those with indices ``pixels`` ``[P, 2]`` (ix, iy).

    Shapes:
        returns ``[P, 2]`` Å, relative to the centre of the window.

    Raises:
        InputError: for indices that are no integers or outside of the scan.
    """
    x, y = (a - np.mean(w) for a, w in zip((scan.x, scan.y), scan.window, strict=True))
    if pixels is None:
        return np.stack(np.meshgrid(x, y), axis=2).reshape(-1, 2)
    check_shape("pixels", pixels, (None, 2))
    if pixels.is_floating_point() or pixels.dtype == torch.bool:
        raise InputError(f"pixels: expected integer indices (ix, iy), got {pixels.dtype}")
    index = pixels.cpu().numpy()
    outside = ((index < 0) | (index >= scan.pixels)).any(axis=1)
    if outside.any():
        raise InputError(f"pixels: expected indices within {scan.pixels}, got {index[outside][0].tolist()}")
    return np.stack([x[index[:, 0]], y[index[:, 1]]], axis=1)


def place(
    data: AFMData | Batch,
    scan: Scan,
    tip: Tips,
    z_top: Tensor | float | None = None,
    forcefield: ForceField | None = None,
) -> Tensor:
    """First anchor height of each graph: ``z_top`` where given, else ``data.z_top``, else
    ``max(z_i + R_i) + scan.distance + R_probe``.

    Gradients flow through given heights; placed ones are constants.

    Shapes:
        returns ``[B]`` float64, Å, or ``[B, C]`` for tuples of tips.

    Raises:
        InputError: for an empty graph that nothing places, and for heights of a wrong shape.
    """
    tops = _place(data, scan, _tips(tip, len(_atoms(data)[2]) - 1), z_top, forcefield or ForceField())
    first = tip[0] if isinstance(tip, list) and tip else tip
    return tops if isinstance(first, tuple) else tops[:, 0]


def _place(
    data: AFMData | Batch,
    scan: Scan,
    tips: TipParameters,
    z_top: Tensor | float | None,
    forcefield: ForceField,
) -> Tensor:
    """Anchor heights ``[B, C]``."""
    pos, z, ptr = _atoms(data)
    n_graphs = len(ptr) - 1
    channels = len(tips) // n_graphs
    if z_top is None:
        z_top = data.get("z_top")
    if z_top is not None:
        tops = torch.as_tensor(z_top).cpu().double()
        tops = tops.reshape(-1, 1) if tops.dim() < 2 else tops
        if len(tops) not in (1, n_graphs) or tops.shape[1:] not in ((1,), (channels,)):
            got = len(tops) if tops.shape[1:] == (1,) else f"shape {tuple(tops.shape)}"
            raise InputError(f"z_top: expected one height or one per graph ({n_graphs}), got {got}")
        check_finite("z_top", tops)
        return tops.expand(n_graphs, channels)
    empty = np.flatnonzero(np.diff(ptr) == 0)
    if len(empty):
        raise InputError(
            f"z_top: expected a height for empty graph {empty[0]}, which has no atom to place it by"
        )
    probe_radius, _ = forcefield.probe_parameters(tips.probe)
    radius, _ = forcefield.lj_parameters(z.cpu())
    highest = np.maximum.reduceat(pos[:, 2].detach().cpu().double().numpy() + radius, ptr[:-1])
    return torch.from_numpy(highest[:, None] + scan.distance + probe_radius.reshape(n_graphs, channels))


def _repeat(
    data: AFMData | Batch, scan: Scan, charge: Tensor, tip_charges: list[list[float]]
) -> tuple[np.ndarray, Tensor, Tensor, np.ndarray]:
    """Which atoms make up the entries: indices ``[M]``, shifts by lattice vectors ``[M, 3]``, weights of the
    charges ``[M]``, and ``ptr``."""
    pos, _, ptr = _atoms(data)
    cell, pbc = data.get("cell"), data.get("pbc")
    atoms = [np.arange(a, b) for a, b in itertools.pairwise(ptr)]
    shifts = [np.zeros((len(a), 3)) for a in atoms]
    weights = [np.ones(len(a)) for a in atoms]
    if pbc is not None or cell is not None:
        check_cell(cell, pbc, len(atoms))
        centre = np.array([*(np.mean(axis) for axis in scan.window), 0.0])
        places = pos.detach().cpu().double().numpy() - centre
        for i, own in enumerate(atoms):
            lattice = cell[i].cpu().double().numpy(), pbc[i].cpu().numpy().astype(bool)
            vectors = cell_shifts(places[own], *lattice, scan)
            if len(vectors) == 1:
                continue
            for tip_charge in tip_charges[i]:
                check_neutral(float(charge[own].sum()), tip_charge)
            atoms[i], shifts[i] = np.tile(own, len(vectors)), np.repeat(vectors, len(own), axis=0)
            weights[i] = charge_weights(places[atoms[i]] + shifts[i], *lattice, scan)
    channels = len(tip_charges[0])
    counts = np.repeat([len(a) for a in atoms], channels)
    index, shift, weight = (
        np.concatenate([v for v in values for _ in range(channels)]) for values in (atoms, shifts, weights)
    )
    pointers = np.concatenate([[0], np.cumsum(counts)])
    return index, torch.from_numpy(shift), torch.from_numpy(weight), pointers


def _atoms(data: AFMData | Batch) -> tuple[Tensor, Tensor, np.ndarray]:
    """``pos``, ``z`` and ``ptr`` of ``data``, checked."""
    for key in ("z", "pos"):
        if not isinstance(data.get(key), Tensor):
            raise InputError(f"data: expected a tensor {key!r}, got keys {sorted(data.keys())}")
    check_shape("z", data.z, (None,))
    check_shape("pos", data.pos, (len(data.z), 3))
    if data.z.is_floating_point():
        raise InputError(f"z: expected integer atomic numbers, got {data.z.dtype}")
    check_finite("pos", data.pos)
    ptr = data.ptr.cpu().numpy() if isinstance(data, Batch) else np.array([0, len(data.z)])
    return data.pos, data.z, ptr


def _tips(tip: Tips, n_graphs: int) -> TipParameters:
    """The tip of each entry, channel by channel of graph by graph."""
    if isinstance(tip, TipParameters):
        return TipParameters.interleave((tip,), n_graphs)
    if isinstance(tip, tuple) and tip and all(isinstance(t, TipParameters) for t in tip):
        return TipParameters.interleave(tip, n_graphs)
    graphs = list(tip) if isinstance(tip, list) else [tip] * n_graphs
    if len(graphs) != n_graphs:
        raise InputError(f"tip: expected one tip or one per graph ({n_graphs}), got {len(graphs)}")
    tips = [(t,) if isinstance(t, Tip) else tuple(t) for t in graphs]
    counts = [len(t) for t in tips]
    if not tips or min(counts) != max(counts) or not counts[0]:
        raise InputError(f"tip: expected as many channels, at least 1, for every graph, got {counts}")
    return TipParameters.from_tips([t for graph in tips for t in graph])
