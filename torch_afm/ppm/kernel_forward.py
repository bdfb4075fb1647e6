"""Relaxation and frequency shift of a batch by the kernels, on whatever device runs them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from torch_afm.ppm.frequency_shift import frequency_shift_weights
from torch_afm.ppm.inputs import RenderInput
from torch_afm.ppm.kernel_device import KernelDevice
from torch_afm.ppm.tiles import DEGREE, FEW, STRAYED, Neighbors, neighbors, pixel_tiles, worth_tiling

_FILE = "probe_particle.cl"


class KernelInput:
    """A checked batch in the memory of a device, as the kernels read it.

    Args:
        device: where to run.
        batch: what to render.

    Attributes:
        options: what every kernel is to be built for: vectors, a potential on a grid.
        electrostatics: what the charges of the tips need beside.
    """

    def __init__(self, device: KernelDevice, batch: RenderInput) -> None:
        self.device, self.batch, self.scan = device, batch, batch.scan
        moments, sites = batch.tips.moments(), batch.tips.sites()
        self.options = [f"-DWIDTH={device.width}"] + ["-DFIELD"] * bool(batch.fields)
        self.electrostatics = [f"-DM{order}" for order in np.flatnonzero(moments.any(axis=0))]
        self.electrostatics += [f"-DSITES={sites.shape[1]}"] if sites.shape[1] else []
        records = np.hstack([batch.tips.springs, moments, sites.reshape(batch.n_entries, -1)])
        self.tips, self.tip_stride = device.array(records), records.shape[1]

    @cached_property
    def place(self) -> Any:
        """``[N, 4]``: x, y, z, charge."""
        return self.device.array(torch.cat([self.batch.pos, self.batch.charge[:, None]], 1).detach())

    @cached_property
    def dipole(self) -> Any:
        """``[N, 4]``: x, y, z, 0, empty where there are none."""
        dipole = self.batch.dipole
        return self.device.array(np.empty(0) if dipole is None else pad(dipole.detach(), (0, 1)))

    @cached_property
    def lj(self) -> Any:
        """``[N, 2]``: 12 ε R⁶, 12 ε R¹²."""
        c6 = 12 * self.batch.depth * self.batch.radius**6
        return self.device.array(np.column_stack([c6, c6 * self.batch.radius**6]))

    @cached_property
    def ptr(self) -> Any:
        """``[E + 1]``."""
        return self.device.array(self.batch.ptr)

    @cached_property
    def heights(self) -> Any:
        """``[H]`` Å: the free probe above the origin of the frame."""
        return self.device.array(self.scan.heights(0.0))

    @cached_property
    def fields(self) -> list[Any]:
        """Coefficients of all entries, records ``[E, 6]`` and sizes ``[E, 4]`` of their grids."""
        fields, array = self.batch.fields, self.device.array
        if not fields:
            return [array(np.empty(0)), array(np.empty(0)), array(np.empty(0, np.int32))]
        starts = np.cumsum([0] + [f.coefficients.numel() for f in fields])[:-1]
        sizes = [[*f.coefficients.shape, start] for f, start in zip(fields, starts, strict=True)]
        records = torch.stack([torch.cat([f.low, 1 / f.spacing]) for f in fields])
        coefficients = torch.cat([f.coefficients.flatten() for f in fields])
        return [array(coefficients), array(records), array(np.array(sizes))]

    def frequency_shift(self) -> tuple[Tensor, Tensor, Tensor]:
        """Frequency shifts ``[E, Z, P]`` Hz, heights not converged ``[E, P]``, evaluations ``[E, P]``."""
        scan = self.scan
        options = [f"-DHEIGHTS={scan.n_heights}", f"-DSLICES={scan.n_slices}"]
        options += [f"-DSAMPLES={scan.n_samples}", f"-DSUBSTEPS={scan.substeps}"]
        rows = self._run(options, scan.n_slices + 2)
        return rows[:, :-2], rows[:, -2], rows[:, -1]

    def relax(self) -> Tensor:
        """F_z in eV/Å, displacement of the probe from its free position (x, y, z) in Å, and 1 where it
        converged, ``[E, H, 5, P]``."""
        rows = self._run(["-DRELAXED"], 5 * self.scan.n_heights)
        return rows.unflatten(1, (self.scan.n_heights, 5))

    def _run(self, options: list[str], n_rows: int) -> Tensor:
        """Rows ``[E, n_rows, P]``, launched apart for entries that differ in what the kernel is built for:
        the bits of an entry then do not depend on its neighbors in the batch."""
        if not self.batch.n_pixels:
            return torch.empty(self.batch.n_entries, n_rows, 0)
        groups = self._groups()
        if len(groups) == 1:
            return self._run_group(options, n_rows)
        parts = [KernelInput(self.device, self.batch.take(g)) for g in groups]
        rows = torch.cat([part._run_group(options, n_rows) for part in parts])
        order = np.argsort(np.concatenate(groups))
        return rows[torch.from_numpy(order).to(rows.device)]

    def _groups(self) -> list[np.ndarray]:
        """Entries with and without charges, of each those with tiles and without, and of each of these those
        with dipoles and without."""
        batch = self.batch
        entry = np.repeat(np.arange(batch.n_entries), np.diff(batch.ptr))
        charged, dipolar = np.zeros((2, batch.n_entries), dtype=int)
        charged[entry[(batch.charge.detach() != 0).cpu().numpy()]] = 1
        if batch.dipole is not None:
            dipolar[entry[(batch.dipole.detach() != 0).any(1).cpu().numpy()]] = 1
        tiled = np.zeros(batch.n_entries, dtype=int)
        large = np.flatnonzero(np.diff(batch.ptr) >= FEW)
        if len(large):
            some = batch if len(large) == batch.n_entries else batch.take(large)
            _, tile, found = _neighbors(some, some.positions, self.device.width)
            tiled[large] = worth_tiling(some, found, np.bincount(tile))
        group = 4 * dipolar + 2 * tiled + (charged | dipolar)
        return [np.flatnonzero(group == g) for g in np.unique(group)]

    def _run_group(self, options: list[str], n_rows: int) -> Tensor:
        rows, tiled = self._rows(options, n_rows, self.batch.positions, tiles=True)
        if tiled:
            # Where a probe bent out of its tile's box, all atoms are summed: entry by entry, for the pixels
            # of a vector are relaxed together.
            strayed = rows[:, n_rows] > STRAYED
            for entry in strayed.any(dim=1).nonzero().flatten().tolist():
                positions = self.batch.positions[strayed[entry].cpu().numpy()]
                single = KernelInput(self.device, self.batch.take(np.array([entry])))
                full, _ = single._rows(options, n_rows, positions, tiles=False)
                rows[entry, :n_rows, strayed[entry]] = full[0]
        return rows[:, :n_rows]

    def _rows(
        self, options: list[str], n_rows: int, positions: np.ndarray, tiles: bool
    ) -> tuple[Tensor, bool]:
        """Rows at ``positions``, and whether tiles were used, which makes one row more."""
        device, scan, batch = self.device, self.scan, self.batch
        options = [*self.options, *options]
        dipolar = batch.dipole is not None and bool(batch.dipole.any())
        if self.electrostatics and (dipolar or bool(batch.charge.any())):
            options += [*self.electrostatics, *["-DDIPOLES"] * dipolar]
        slots, slot, tile_of, found = _tiling(batch, positions, device.width, tiles)
        n_tiles, index, ptr, far = 1, np.empty(0, np.int32), self.ptr, np.empty(0)
        if found is not None:
            options += ["-DTILED", f"-DDEGREE={DEGREE}"]
            n_rows += 1
            n_tiles, (index, ptr) = found.center.shape[1], found.near
            far, ptr = self._far_field(options, found, n_tiles), device.array(ptr)
        vectors = len(slots) // device.width
        arguments = [self.place, self.dipole, self.lj, device.array(index), ptr, device.array(tile_of)]
        arguments += [n_tiles, self.tips, self.tip_stride, *map(device.array, positions[slots].T), vectors]
        arguments += [
            scan.n_heights,
            self.heights,
            device.array(frequency_shift_weights(scan)),
            device.array(far),
        ]
        arguments += self.fields
        size, shape = (vectors, batch.n_entries), (batch.n_entries, n_rows, len(slots))
        out = device.launch(_FILE, "frequency_shift", options, size, arguments, shape)
        return (out[..., : len(positions)], False) if slot is None else (out[..., slot], True)

    def _far_field(self, options: list[str], found: Neighbors, n_tiles: int) -> np.ndarray:
        """Records of the tiles for the far atoms."""
        array, nodes = self.device.array, found.nodes
        vectors = nodes.shape[2] // self.device.width
        arguments = [self.place, self.dipole, self.lj, *map(array, found.far), self.tips, self.tip_stride]
        arguments += [n_tiles, array(nodes), vectors]
        size = vectors, len(nodes)
        gradient = self.device.launch(_FILE, "far_field", options, size, arguments, nodes.shape)
        return found.records(gradient.cpu().numpy())


def _tiling(
    batch: RenderInput, positions: np.ndarray, width: int, tiles: bool
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, Neighbors | None]:
    """The pixel of each slot, the slot of each pixel (None: the same), the tile of each vector of slots, and
    the neighbors (None without ``tiles`` and where summing over all atoms is not slower)."""
    if tiles and np.diff(batch.ptr).min() >= FEW:
        (slots, slot, tile_of), tile, found = _neighbors(batch, positions, width)
        if np.all(worth_tiling(batch, found, np.bincount(tile))):
            return slots, slot, tile_of, found
    filled = -(-len(positions) // width) * width
    return np.resize(np.arange(len(positions)), filled), None, np.empty(0, np.int32), None


def _neighbors(
    batch: RenderInput, positions: np.ndarray, width: int
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray, Neighbors]:
    """Slots as from :func:`pixel_tiles`, the tile of each pixel, and the neighbors of every tile."""
    slots = pixel_tiles(positions, width)
    tile = np.repeat(slots[2], width)[slots[1]]
    return slots, tile, neighbors(batch, positions, tile)
