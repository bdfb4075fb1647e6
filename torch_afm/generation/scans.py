"""The structure that a whole scan shows, of any size and with a tip that nobody knows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.generation.atoms import no_atoms, parted
from torch_afm.generation.chemistry import sanitise
from torch_afm.generation.confidence import mean_pearson
from torch_afm.generation.pipeline import StructurePrediction, predict_structure
from torch_afm.generation.refinement import RefinementSettings
from torch_afm.generation.spatial import SpatialGeneration, SpatialStep
from torch_afm.generation.tiles import Tile, cut, island_tiles, scan_tiles, stitch
from torch_afm.metrics import Calibration
from torch_afm.models import SpatialGenerator
from torch_afm.ppm import ProbeParticleModel
from torch_afm.utils import InputError, check_finite, check_shape

#: Share of the strongest tile's contrast below which a tile is taken to be empty.
EMPTY = 0.05


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
            is 0 at the height of the tip ``z_top`` below the first anchor: that of the highest atom, where a
            refinement helped.
        tiles: what it was stitched of.
        z_top: first anchor height in Å, the fitted one where a refinement helped.
        tip: the tip that ``generation`` is imaged with: the mean of those fitted.
        fitted: mean over the tiles of the fitted less the given first anchor height in Å; ``None`` where no
            refinement helped.
    """

    generation: SpatialGeneration
    tiles: list[TilePrediction]
    z_top: float
    tip: Tip
    fitted: float | None

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
    cover: str = "islands",
    **how: Any,
) -> ScanPrediction:
    """The structure that a scan shows: each window of the model's size, by :func:`predict_structure`, then
    stitched (:func:`stitch`), and imaged as a whole with the tip that the refinement found.

    Windows with less than 5 % of the contrast of the strongest are taken to be empty: per-slice normalisation
    would make structure out of their noise. Where the refinement of a window found another height of the tip,
    its atoms are shifted by as much, so that one height of the tip holds for all.

    Args:
        model: the generator.
        reference: the stack, in Hz or any unit that is linear in it.
        scan: its window, pixels and heights; the size of the pixels and number of slices are the model's.
        z_top: first anchor height in Å above the top atom, as far as known.
        tip: a guess of the tip.
        backend: of the renderer.
        refinement: how to refine; not at all by default.
        cover: ``"islands"``: a window around each thing there is to be seen, alone (:func:`island_tiles`);
            ``"grid"``: windows all over the scan (:func:`scan_tiles`).
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
    renderer = ProbeParticleModel(window, tip, backend=backend, on_unconverged="ignore")
    tiles, parts = _windows(reference, scan, wanted, cover)
    contrast = torch.stack([part.std(dim=(-1, -2)).mean() for part in parts])
    filled = contrast >= EMPTY * contrast.max()
    predictions = []
    for tile, part, any_ in zip(tiles, parts, filled.tolist(), strict=True):
        found = None
        if any_:
            found = predict_structure(model, part, renderer, z_top, refinement=refinement, **how)
        pearson = 0.0 if found is None else mean_pearson(found.generation.simulated, part)
        predictions.append(TilePrediction(tile, found, pearson))
    fits = [t.found.refinement for t in predictions if t.found is not None and _helped(t)]
    shifts = [r.z_top - z_top for r in fits if r is not None]
    tilt = [r.tip.tilt for r in fits if r is not None]
    if tilt:
        x, y = torch.tensor(tilt).mean(dim=0).tolist()
        tip = dataclasses.replace(tip, tilt=(x, y))
    whole = stitch(tiles, [_whole(model, t, window, z_top) for t in predictions])
    if shifts and len(whole.z):
        rise = -float(whole.pos[:, 2].max())
        whole.pos = whole.pos + whole.pos.new_tensor([0.0, 0.0, rise])
        z_top += rise
    graph, context = parted(whole, model.config.z_min)
    if how.get("physics", True) and len(graph.z):
        graph = sanitise(graph)
    image = ProbeParticleModel(scan, tip, backend=backend, on_unconverged="ignore").render(
        AFMData(z=whole.z, pos=whole.pos, charge=whole.charge), z_top=z_top
    )
    step = SpatialStep(whole, image.cpu(), torch.empty(0), 1.0, parted(whole, torch.inf)[0])
    generation = SpatialGeneration(graph, context, [step], _ended(predictions), model.classes)
    return ScanPrediction(generation, predictions, z_top, tip, sum(shifts) / len(shifts) if shifts else None)


def choose_height(
    model: SpatialGenerator, reference: Tensor, scan: Scan, z_tops: Sequence[float], **how: Any
) -> list[tuple[float, float]]:
    """How well the image of the strongest window agrees, for each of several guesses of the first anchor
    height: pairs of guess and Pearson's r, mean of the slices. Arguments as :func:`predict_scan`; a
    refinement would find a height of its own, and so level out the guesses.

    Raises:
        InputError: for no guess, and as :func:`predict_scan`.
    """
    if not z_tops:
        raise InputError("z_tops: expected at least one guess, got none")
    wanted = model.config.scan
    window = dataclasses.replace(scan, window=wanted.window, pixels=wanted.pixels)
    _, parts = _windows(reference, scan, wanted, how.pop("cover", "islands"))
    best = max(parts, key=lambda part: float(part.std(dim=(-1, -2)).mean()))
    return [
        (z_top, predict_scan(model, best, window, z_top, cover="grid", **how).tiles[0].pearson)
        for z_top in z_tops
    ]


def _windows(reference: Tensor, scan: Scan, wanted: Scan, cover: str) -> tuple[list[Tile], list[Tensor]]:
    """The tiles of a scan, and the stack in each, ``[1, 1, Z, Y, X]``."""
    stack = reference[0, 0].cpu().double().numpy()
    if cover == "islands":
        pairs = island_tiles(stack, scan, wanted)
    elif cover == "grid":
        pairs = [(tile, cut(stack, tile, wanted)) for tile in scan_tiles(scan, wanted)]
    else:
        raise InputError(f"cover: expected 'islands' or 'grid', got {cover!r}")
    tiles = [tile for tile, _ in pairs]
    return tiles, [torch.from_numpy(part).float()[None, None] for _, part in pairs]


def _whole(model: SpatialGenerator, part: TilePrediction, window: Scan, z_top: float) -> AFMData:
    """All atoms of a tile, with their bonds, in the frame of the scan and at the given height of the tip."""
    if part.found is None or not isinstance(part.found.generation, SpatialGeneration):
        graph = _nothing(model)
    else:
        graph = part.found.generation.steps[-1].graph.clone()
    middle = [sum(side) / 2 for side in window.window]
    lift = 0.0
    if part.found is not None and part.found.refinement is not None and part.found.refinement.helped:
        lift = z_top - part.found.refinement.z_top
    offset = [c - m for c, m in zip(part.tile.center, middle, strict=True)] + [lift]
    graph.pos = graph.pos + graph.pos.new_tensor(offset)
    return graph


def _helped(part: TilePrediction) -> bool:
    found = part.found
    return found is not None and found.refinement is not None and found.refinement.helped


def _ended(parts: Sequence[TilePrediction]) -> str:
    """The least welcome of the ends of the tiles."""
    ends = {part.found.generation.ended for part in parts if part.found is not None}
    return next((end for end in ("max_atoms", "repeat", "search") if end in ends), "stop")


def _nothing(model: SpatialGenerator) -> AFMData:
    graph = no_atoms(model.classes)
    graph.bond_probability = torch.empty(0)
    return graph
