"""Predict a scan of any size window by window, and stitch what is found."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan, Tip
from torch_afm.config.generators import MAX_ATOMS
from torch_afm.data import AFMData
from torch_afm.models import Generator, Proposal, Step
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.atoms import no_atoms, select_atoms, split_context
from torch_afm.prediction.chemistry import sanitize
from torch_afm.prediction.frames import inside_scan, move_step
from torch_afm.prediction.generate import generate
from torch_afm.prediction.pipeline import predict_structure
from torch_afm.prediction.refinement import RefinementSettings
from torch_afm.prediction.result import Prediction, Window, mean_pearson
from torch_afm.prediction.tiles import Tile, cut_windows, move_tile, stitch, window_image
from torch_afm.utils import check_finite, check_shape

#: Share of the strongest window's contrast below which a window is taken to be empty.
_EMPTY = 0.05

#: Å by which what is found at first must lie off the middle of its window for that to move within the scan;
#: for a window to move out of a scan that is no larger; and how far that may be.
_OFF, _OFF_BEYOND, _BEYOND = 0.5, 1.5, 3.0


def predict_scan(
    model: Generator,
    reference: Tensor,
    scan: Scan,
    z_top: float,
    tip: Tip | None = None,
    backend: str = "auto",
    cover: str = "auto",
    max_atoms: int = MAX_ATOMS,
    search: str = "greedy",
    physics: bool = True,
    refinement: RefinementSettings | None = None,
    views: int | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Prediction:
    """The structure that a scan shows: each window of the network's size, by :func:`predict_structure`, then
    stitched (:func:`stitch`), and imaged as a whole with the tip that the refinement found.

    Windows with less than 5 % of the contrast of the strongest are taken to be empty: per-slice normalization
    would make structure out of their noise. Where the refinement of a window found another height of the tip,
    its atoms are shifted by as much as that differs from the mean, so that one height of the tip holds for
    all. Atoms more than half a pixel outside of the scan are left out.

    Args:
        model: the generator.
        reference: the stack, in Hz or any unit that is linear in it.
        scan: its window, pixels and heights; the size of the pixels and number of slices are the network's.
        z_top: first anchor height in Å above the top atom, as far as known.
        tip: a guess of the tip.
        backend: of the renderer.
        cover: ``"auto"``: a window around each thing there is to be seen, alone (:func:`island_tiles`), moved
            to the middle of the atoms that a first prediction (one view, no refinement) finds there; out of a
            scan of one window only where that lies more than 1.5 Å off, by 3 Å at most. ``"grid"``: windows
            all over the scan (:func:`scan_tiles`), which stay where they are.
        max_atoms: most atoms in each window.
        search: as of :func:`predict_structure`, like ``physics``, ``views`` and ``seed``.
        refinement: how to refine; not at all by default.
        progress: called with each window before it is predicted.

    Returns:
        The structure in the frame of the scan, with its :class:`Window` s. z is 0 where the first anchor
        height is ``z_top``: at the highest atom, by and large. ``steps`` are those of the network where one
        window covers the scan, else one step that shows the whole.

    Shapes:
        reference ``[1, 1, Z, Y, X]``.

    Raises:
        InputError: for a reference of another shape or not finite, a scan on other pixels than the network's,
            another cover, and as :func:`predict_structure`.
    """
    check_shape("reference", reference, (1, 1, *scan.shape))
    check_finite("reference", reference)
    tip = tip or Tip()
    wanted = model.config.scan
    renderer = ProbeParticleModel(
        dataclasses.replace(scan, window=wanted.window, pixels=wanted.pixels), tip, backend=backend
    )
    places = cut_windows(reference, scan, wanted, cover)
    filled = _filled([window_image(image, tile, wanted) for tile, image in places])
    windows = []
    for i, ((tile, image), visible) in enumerate(zip(places, filled, strict=True), start=1):
        prediction, pearson = None, 0.0
        if visible:
            if progress is not None:
                progress(f"window {i} of {len(places)}")
            if cover == "auto" and not any(math.isfinite(side) for sides in tile.inner for side in sides):
                tile = _centered(model, tile, image, scan, renderer, z_top, max_atoms)
            part = window_image(image, tile, wanted)
            prediction = predict_structure(
                model,
                part,
                renderer,
                z_top,
                max_atoms=max_atoms,
                search=search,
                physics=physics,
                refinement=refinement,
                views=views,
                seed=seed,
            )
            pearson = mean_pearson(prediction.simulated, part)
        windows.append(Window(tile, prediction, pearson))
    return _stitched(model, windows, scan, z_top, tip, backend, physics)


def _stitched(
    model: Generator,
    windows: Sequence[Window],
    scan: Scan,
    z_top: float,
    tip: Tip,
    backend: str,
    physics: bool,
) -> Prediction:
    """One prediction of all windows."""
    refined = [w.prediction for w in windows if w.prediction is not None and w.refined]
    if refined:
        tilts = [p.tip.tilt for p in refined]
        x, y = (sum(values) / len(refined) for values in zip(*tilts, strict=True))
        tip = dataclasses.replace(tip, tilt=(x, y))
        z_top = sum(p.z_top for p in refined) / len(refined)
    whole = stitch([w.tile for w in windows], [_placed(model, w, z_top) for w in windows])
    inside = inside_scan(whole.pos, scan)
    whole = select_atoms(whole, inside)
    graph, context = split_context(whole, model)
    if physics and len(graph.z):
        graph = sanitize(graph)
    renderer = ProbeParticleModel(scan, tip, backend=backend).quiet()
    shown = AFMData(z=whole.z, pos=whole.pos, charge=whole.charge)
    simulated = renderer(shown, z_top=z_top).cpu()
    only = windows[0].prediction if len(windows) == 1 else None
    last = Step(whole, simulated, Proposal(no_atoms(model.classes), 1.0, True), no_atoms(model.classes))
    steps = [last]
    if only is not None and windows[0].tile.covers(scan, model.config.scan):
        shift = _shift(windows[0].tile, model.config.scan)
        steps = [move_step(step, shift) for step in only.steps]
        steps[-1] = dataclasses.replace(steps[-1], graph=whole, simulated=simulated)
    return Prediction(
        graph,
        context,
        steps,
        _ended(windows),
        model.classes,
        scan,
        tip,
        z_top,
        refinement=None if only is None else only.refinement,
        search=() if only is None else only.search,
        windows=tuple(windows),
        outside=int((~inside).sum()),
    )


def _filled(parts: list[Tensor]) -> list[bool]:
    contrast = torch.stack([part.std(dim=(-1, -2)).mean() for part in parts])
    filled: list[bool] = (contrast >= _EMPTY * contrast.max()).tolist()
    return filled


def _centered(
    model: Generator,
    tile: Tile,
    image: np.ndarray,
    scan: Scan,
    renderer: ProbeParticleModel,
    z_top: float,
    max_atoms: int,
) -> Tile:
    """The tile with the atoms that are found at first in its middle, as molecules are in training."""
    wanted = model.config.scan
    prediction = generate(
        model, window_image(image, tile, wanted), renderer, z_top, max_atoms=max_atoms, views=1
    )
    pos = prediction.steps[-1].graph.pos
    if not len(pos):
        return tile
    middle = (pos.amin(dim=0) + pos.amax(dim=0)) / 2 + _shift(tile, wanted)
    larger = any(n > m for n, m in zip(scan.pixels, wanted.pixels, strict=True))
    moved = move_tile(tile, scan, wanted, (float(middle[0]), float(middle[1])), 0.0 if larger else _BEYOND)
    return moved if math.dist(moved.center, tile.center) >= (_OFF if larger else _OFF_BEYOND) else tile


def _shift(tile: Tile, window: Scan) -> Tensor:
    """From the frame of a tile to that of the scan, ``[3]`` Å."""
    return torch.tensor([*(c - m for c, m in zip(tile.center, window.center, strict=True)), 0.0])


def _placed(model: Generator, window: Window, z_top: float) -> AFMData:
    """All atoms of a window, with their bonds, in the frame of the scan and at a height of the tip."""
    if window.prediction is None:
        return no_atoms(model.classes)
    graph = window.prediction.steps[-1].graph.clone()
    shift = _shift(window.tile, model.config.scan)
    if window.refined:
        shift[2] = z_top - window.prediction.z_top
    graph.pos = graph.pos + shift
    return graph


def _ended(windows: Sequence[Window]) -> str:
    """The first of the ends of the windows in the order ``max_atoms``, ``passes``, ``repeat``, ``search``,
    ``stop``."""
    ends = {w.prediction.ended for w in windows if w.prediction is not None}
    order = ("max_atoms", "passes", "repeat", "search")
    return next((end for end in order if end in ends), "stop")
