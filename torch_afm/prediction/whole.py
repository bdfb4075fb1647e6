"""Predict a scan of any size in one pass."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import torch
from torch import Tensor

from torch_afm.config import Scan, Tip
from torch_afm.config.generators import MAX_ATOMS
from torch_afm.models import Generator
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.atoms import select_atoms
from torch_afm.prediction.chemistry import sanitize
from torch_afm.prediction.frames import inside_scan, move_graph, move_step
from torch_afm.prediction.pipeline import predict_structure
from torch_afm.prediction.refinement import RefinementSettings
from torch_afm.prediction.result import Prediction
from torch_afm.utils import check_finite, check_shape


def predict_whole_scan(
    model: Generator,
    reference: Tensor,
    scan: Scan,
    z_top: float,
    tip: Tip | None = None,
    backend: str = "auto",
    max_atoms: int = MAX_ATOMS,
    search: str = "greedy",
    physics: bool = True,
    refinement: RefinementSettings | None = None,
    views: int | None = None,
    amplitude: float | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Prediction:
    """The structure that a scan shows, by a network of whole scans: :func:`predict_structure` of all of it.

    Atoms more than half a pixel outside of the scan are left out.

    Args:
        model: the generator; its ``whole_scan`` is true.
        reference: the stack, in Hz or any unit that is linear in it.
        scan: its window, pixels, heights and oscillation; steps of height and pixels are the network's.
        z_top: first anchor height in Å above the top atom, as far as known; the network does not need it.
        tip: a guess of the tip, likewise.
        backend: of the renderer.
        max_atoms: most atoms in an area of the size of the scans that the network was trained on.
        search: as of :func:`predict_structure`, like ``physics``, ``views``, ``amplitude`` and ``seed``.
        refinement: how to refine; not at all by default.
        progress: called with each step before it begins.

    Returns:
        The structure in the frame of the scan.

    Shapes:
        reference ``[1, 1, Z, Y, X]``.

    Raises:
        InputError: for a reference of another shape or not finite, and as :func:`predict_structure`.
    """
    check_shape("reference", reference, (1, 1, *scan.shape))
    check_finite("reference", reference)
    if progress is not None:
        progress("the whole scan")
    (x, y), ((x0, x1), (y0, y1)) = scan.center, scan.window
    # The network counts from the middle of the image.
    centered = dataclasses.replace(scan, window=((x0 - x, x1 - x), (y0 - y, y1 - y)))
    renderer = ProbeParticleModel(centered, tip or Tip(), backend=backend)
    areas = math.prod(n / m for n, m in zip(scan.pixels, model.config.scan.pixels, strict=True))
    prediction = predict_structure(
        model,
        reference,
        renderer,
        z_top,
        max_atoms=math.ceil(max_atoms * max(1.0, areas)),
        search=search,
        physics=physics,
        refinement=refinement,
        views=views,
        amplitude=amplitude,
        seed=seed,
    )
    shift = torch.tensor([x, y, 0.0])
    steps = [move_step(step, shift) for step in prediction.steps]
    graph, context = (move_graph(part, shift) for part in (prediction.graph, prediction.context))
    kept, kept_context = (inside_scan(part.pos, scan) for part in (graph, context))
    outside = int((~kept).sum() + (~kept_context).sum())
    if outside:
        graph, context = select_atoms(graph, kept), select_atoms(context, kept_context)
        graph = sanitize(graph) if physics else graph
    return dataclasses.replace(
        prediction, graph=graph, context=context, steps=steps, scan=scan, outside=outside
    )
