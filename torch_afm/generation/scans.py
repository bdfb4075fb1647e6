"""The structure that a whole scan shows, of any size and with a tip that nobody knows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan, Tip
from torch_afm.config.graph_generator import MAX_ATOMS
from torch_afm.data import AFMData
from torch_afm.generation.atoms import no_atoms, parted, take
from torch_afm.generation.chemistry import sanitise
from torch_afm.generation.confidence import mean_pearson
from torch_afm.generation.pipeline import StructurePrediction, predict_structure
from torch_afm.generation.refinement import RefinementSettings
from torch_afm.generation.spatial import SpatialGeneration, SpatialStep, generate_spatial
from torch_afm.generation.tiles import Tile, around, part_of, stitch, windows_of
from torch_afm.metrics import Calibration
from torch_afm.models import SpatialGenerator
from torch_afm.ppm import ProbeParticleModel
from torch_afm.utils import InputError, check_finite, check_shape

#: Share of the strongest tile's contrast below which a tile is taken to be empty.
EMPTY = 0.05

#: Å by which what a first look finds must lie off the middle of its window for that to move within the scan;
#: for a window to move out of a scan that is no larger; and how far that may be.
_OFF, _OFF_BEYOND, _BEYOND = 0.5, 1.5, 3.0


@dataclass(frozen=True)
class TilePrediction:
    """What one window of a scan shows.

    Args:
        tile: where it lies.
        found: its prediction, in its own frame; ``None`` for a window without contrast.
        pearson: Pearson's r of its image, with the tip and height that were fitted, and of its part of the
            scan, mean of the slices.
    """

    tile: Tile
    found: StructurePrediction | None
    pearson: float


@dataclass(frozen=True)
class ScanPrediction:
    """What a scan shows.

    Args:
        generation: the stitched structure in the frame of the scan, with its image over all of the scan; z
            is 0 where the first anchor height is ``z_top``: at the highest atom, by and large.
        tiles: what it was stitched of.
        z_top: first anchor height in Å, the fitted one where a refinement helped.
        tip: the tip that ``generation`` is imaged with: the mean of those fitted.
        fitted: mean over the tiles of the fitted less the given first anchor height in Å; ``None`` where no
            refinement helped.
        outside: atoms, context included, that were left out for they lay outside of what was scanned.
    """

    generation: SpatialGeneration
    tiles: list[TilePrediction]
    z_top: float
    tip: Tip
    fitted: float | None
    outside: int = 0

    @property
    def refined(self) -> int:
        """Number of tiles whose refinement was taken."""
        return sum(_helped(t) for t in self.tiles)

    def calibration(self, network: Calibration) -> Calibration:
        """What corrects this prediction: ``network``, the calibration of the network, but for the standard
        deviations, which are the refinement's own as soon as it helped in one window."""
        return dataclasses.replace(network, sigma=(1.0, 1.0, 1.0)) if self.refined else network

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, without the structure."""
        return {
            "z_top": self.z_top,
            "z_top_shift": self.fitted,
            "tilt_fitted": list(self.tip.tilt),
            "refined": self.refined,
            "outside": self.outside,
            "tiles": [
                {
                    "center": list(t.tile.center),
                    "empty": t.found is None,
                    "pearson": t.pearson,
                    "atoms": 0 if t.found is None else len(t.found.generation.graph.z),
                    "refined": _helped(t),
                }
                for t in self.tiles
            ],
        }


def predict_scan(
    model: SpatialGenerator,
    reference: Tensor,
    scan: Scan,
    z_top: float,
    tip: Tip | None = None,
    backend: str = "auto",
    refinement: RefinementSettings | None = None,
    cover: str = "auto",
    progress: Callable[[str], None] | None = None,
    **how: Any,
) -> ScanPrediction:
    """The structure that a scan shows: each window of the model's size, by :func:`predict_structure`, then
    stitched (:func:`stitch`), and imaged as a whole with the tip that the refinement found.

    Windows with less than 5 % of the contrast of the strongest are taken to be empty: per-slice normalisation
    would make structure out of their noise. Where the refinement of a window found another height of the tip,
    its atoms are shifted by as much as that differs from the mean, so that one height of the tip holds for
    all. Atoms more than half a pixel outside of the scan are left out.

    Args:
        model: the generator.
        reference: the stack, in Hz or any unit that is linear in it.
        scan: its window, pixels and heights; the size of the pixels and number of slices are the model's.
        z_top: first anchor height in Å above the top atom, as far as known.
        tip: a guess of the tip.
        backend: of the renderer.
        refinement: how to refine; not at all by default.
        cover: ``"auto"``: a window around each thing there is to be seen, alone (:func:`island_tiles`), moved
            to the middle of the atoms that a first look (one view, no refinement) finds there; out of a scan
            of one window only where that lies more than 1.5 Å off, by 3 Å at most. ``"grid"``: windows all
            over the scan (:func:`scan_tiles`), which stay where they are.
        progress: told of each window before it is predicted.
        how: further arguments of :func:`predict_structure`.

    Shapes:
        reference ``[1, 1, Z, Y, X]``.

    Raises:
        InputError: for a reference of another shape or not finite, a scan that the model cannot see, another
            cover, and as :func:`predict_structure`.
    """
    if not isinstance(model, SpatialGenerator):
        raise InputError(f"model: expected a SpatialGenerator for a scan, got a {type(model).__name__}")
    check_shape("reference", reference, (1, 1, *scan.shape))
    check_finite("reference", reference)
    tip = tip or Tip()
    wanted = model.config.scan
    window = dataclasses.replace(scan, window=wanted.window, pixels=wanted.pixels)
    renderer = ProbeParticleModel(window, tip, backend=backend)
    windows = windows_of(reference, scan, wanted, cover)
    filled = _filled([part_of(image, tile, wanted) for tile, image in windows])
    predictions = []
    for i, ((tile, image), any_) in enumerate(zip(windows, filled, strict=True), start=1):
        found, pearson = None, 0.0
        if any_:
            if progress is not None:
                progress(f"window {i} of {len(windows)}")
            if cover == "auto" and not any(math.isfinite(side) for sides in tile.inner for side in sides):
                tile = _centred(model, tile, image, scan, renderer, z_top, how.get("max_atoms", MAX_ATOMS))
            part = part_of(image, tile, wanted)
            found = predict_structure(model, part, renderer, z_top, refinement=refinement, **how)
            pearson = mean_pearson(found.generation.simulated, part)
        predictions.append(TilePrediction(tile, found, pearson))
    fits = [t.found.refinement for t in predictions if t.found is not None and _helped(t)]
    shifts = [r.z_top - z_top for r in fits if r is not None]
    tilt = [r.tip.tilt for r in fits if r is not None]
    if shifts:
        x, y = torch.tensor(tilt).mean(dim=0).tolist()
        tip = dataclasses.replace(tip, tilt=(x, y))
        z_top += sum(shifts) / len(shifts)
    whole = stitch([t.tile for t in predictions], [_whole(model, t, window, z_top) for t in predictions])
    inside = _inside(whole.pos, scan)
    outside = int((~inside).sum())
    if outside:
        whole = _taken(whole, inside)
    graph, context = parted(whole, model.config.z_min)
    if how.get("physics", True) and len(graph.z):
        graph = sanitise(graph)
    simulated = ProbeParticleModel(scan, tip, backend=backend).quiet()(
        AFMData(z=whole.z, pos=whole.pos, charge=whole.charge), z_top=z_top
    )
    step = SpatialStep(whole, simulated.cpu(), torch.empty(0), 1.0, parted(whole, torch.inf)[0])
    generation = SpatialGeneration(graph, context, [step], _ended(predictions), model.classes)
    fitted = sum(shifts) / len(shifts) if shifts else None
    return ScanPrediction(generation, predictions, z_top, tip, fitted, outside)


def _filled(parts: list[Tensor]) -> list[bool]:
    contrast = torch.stack([part.std(dim=(-1, -2)).mean() for part in parts])
    filled: list[bool] = (contrast >= EMPTY * contrast.max()).tolist()
    return filled


def _centred(
    model: SpatialGenerator,
    tile: Tile,
    image: np.ndarray,
    scan: Scan,
    renderer: ProbeParticleModel,
    z_top: float,
    max_atoms: int,
) -> Tile:
    """The tile with the atoms that one look finds in its middle, as molecules are in training."""
    wanted = model.config.scan
    seen = (
        generate_spatial(model, part_of(image, tile, wanted), renderer, z_top, max_atoms=max_atoms, views=1)
        .steps[-1]
        .graph.pos[:, :2]
    )
    if not len(seen):
        return tile
    middle = (seen.amin(dim=0) + seen.amax(dim=0)) / 2
    x, y = (middle + middle.new_tensor(_offset(tile, renderer.scan))).tolist()
    larger = any(n > m for n, m in zip(scan.pixels, wanted.pixels, strict=True))
    moved = around(tile, scan, wanted, (x, y), 0.0 if larger else _BEYOND)
    return moved if math.dist(moved.center, tile.center) >= (_OFF if larger else _OFF_BEYOND) else tile


def _offset(tile: Tile, window: Scan) -> list[float]:
    """From the frame of a tile to that of the scan, in Å."""
    return [c - sum(side) / 2 for c, side in zip(tile.center, window.window, strict=True)]


def _inside(pos: Tensor, scan: Scan) -> Tensor:
    """Which atoms lie within the scan, and half a pixel around it."""
    inside = torch.ones(len(pos), dtype=torch.bool)
    for axis, ((low, high), size) in enumerate(zip(scan.window, scan.pixel_size, strict=True)):
        inside &= (pos[:, axis] >= low - size / 2) & (pos[:, axis] <= high + size / 2)
    return inside


def _taken(graph: AFMData, chosen: Tensor) -> AFMData:
    """Some of the atoms of a stitched graph, and the bonds between them."""
    some = take(graph, chosen)
    kept = chosen[graph.edge_index].all(dim=0)
    some.edge_index = (chosen.cumsum(0) - 1)[graph.edge_index[:, kept]]
    some.bond_probability = graph.bond_probability[kept]
    return some


def _whole(model: SpatialGenerator, part: TilePrediction, window: Scan, z_top: float) -> AFMData:
    """All atoms of a tile, with their bonds, in the frame of the scan and at the given height of the tip."""
    if part.found is None or not isinstance(part.found.generation, SpatialGeneration):
        graph = _nothing(model)
    else:
        graph = part.found.generation.steps[-1].graph.clone()
    lift = 0.0
    if part.found is not None and part.found.refinement is not None and part.found.refinement.accepted:
        lift = z_top - part.found.refinement.z_top
    graph.pos = graph.pos + graph.pos.new_tensor([*_offset(part.tile, window), lift])
    return graph


def _helped(part: TilePrediction) -> bool:
    found = part.found
    return found is not None and found.refinement is not None and found.refinement.accepted


def _ended(parts: Sequence[TilePrediction]) -> str:
    """The least welcome of the ends of the tiles."""
    ends = {part.found.generation.ended for part in parts if part.found is not None}
    return next((end for end in ("max_atoms", "repeat", "search") if end in ends), "stop")


def _nothing(model: SpatialGenerator) -> AFMData:
    graph = no_atoms(model.classes)
    graph.bond_probability = torch.empty(0)
    return graph
