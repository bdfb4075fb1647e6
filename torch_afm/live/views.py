"""What the page shows of a session, panel by panel."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from torch_afm.data import AFMData
from torch_afm.live.drawing import Panel, edges
from torch_afm.live.render import Curve
from torch_afm.live.session import Session
from torch_afm.prediction import ScanPrediction


def slice_panels(
    session: Session, index: int, mark: tuple[float, float] | None = None, overlay: bool = True
) -> list[Panel]:
    """The scan, the image of the molecule in its unit, and the difference of both; of these, what there is.

    Args:
        session: the session.
        index: the slice, 0 the farthest; beyond the last one that.
        mark: a place (x, y) in Å to mark.
        overlay: whether the molecule is drawn over what is measured, and over its image.
    """
    scan, image, comparison = session.scan, session.image, session.comparison
    index = min(max(index, 0), session.n_slices - 1)
    setup = session.setup()
    graph = setup.molecule if overlay and setup is not None else None
    panels = []
    if scan is not None:
        stack = scan.stack
        where = f"scan, {stack.heights[index]:.2f} Å"
        panels.append(
            Panel(where, stack.values[index], edges(stack.x, stack.y), stack.unit, graph=graph, mark=mark)
        )
    if image is not None:
        window = edges(image.x, image.y)
        if scan is None or comparison is None:
            title = f"image, slice {index + 1} of {len(image.z)}, anchor at {image.z[index]:.2f} Å"
            panels.append(Panel(title, image.stack[0, index], window, graph=graph, mark=mark))
        else:
            unit, mean = scan.stack.unit, float(comparison.r.mean())
            title = f"image, r {comparison.r[index]:.3f} (mean {mean:.3f})".replace("-", "−")
            panels.append(Panel(title, comparison.image[index], window, unit, graph=graph, mark=mark))
            rest = comparison.residual[index]
            title = f"scan less image, rms {np.sqrt(np.mean(rest**2)):.3g} {unit}"
            panels.append(Panel(title, rest, window, unit, colors="RdBu_r", mark=mark))
    return panels


def strip_images(session: Session) -> np.ndarray | None:
    """The slices of the image, else those of the scan, ``[Z, Y, X]``; ``None`` where there is neither."""
    if session.image is not None:
        return session.image.stack[0]
    return None if session.scan is None else session.scan.stack.values


def curve_chart(session: Session, curve: Curve | None, mark: tuple[float, float] | None) -> dict[str, Any]:
    """Δf over height at a place as options of Apache ECharts: the curve of the molecule, and what the
    scan has there, slice by slice.

    Args:
        session: the session.
        curve: of the molecule at the place, where there is one.
        mark: the place (x, y) in Å; an empty chart without.
    """
    series: list[dict[str, Any]] = []
    units = ["Hz"]
    heights = None if session.image is None else session.image.z
    if mark is not None and curve is not None:
        series.append(_series("image", curve.heights, curve.shift, line=True))
    if mark is not None and session.scan is not None:
        stack = session.scan.stack
        iy, ix = (int(np.abs(axis - at).argmin()) for axis, at in ((stack.y, mark[1]), (stack.x, mark[0])))
        heights = stack.heights if heights is None else heights
        units = [stack.unit] if not series else list(dict.fromkeys(["Hz", stack.unit]))
        series.append(_series("scan", heights, stack.values[:, iy, ix], line=False, axis=len(units) - 1))
    place = "click an image" if mark is None else f"at x {mark[0]:.2f}, y {mark[1]:.2f} Å".replace("-", "−")
    return {
        "title": {"text": f"Δf(z) {place}", "textStyle": {"fontSize": 13}},
        "animation": False,
        "tooltip": {"trigger": "axis"},
        "color": ["#0072b2", "#d55e00"],
        "legend": {"top": 0, "right": 10, "show": len(series) > 1},
        "grid": {"top": 55, "left": 55, "right": 50, "bottom": 45},
        "xAxis": {
            "type": "value",
            "scale": True,
            "name": "height of the anchor (Å)",
            "nameLocation": "middle",
            "nameGap": 26,
        },
        "yAxis": [{"type": "value", "scale": True, "name": unit} for unit in units],
        "series": series,
    }


def _series(name: str, x: np.ndarray, y: np.ndarray, line: bool, axis: int = 0) -> dict[str, Any]:
    points = [[round(float(a), 3), round(float(b), 4)] for a, b in zip(x, y, strict=True)]
    look = {"type": "line", "showSymbol": False} if line else {"type": "scatter", "symbolSize": 6}
    return {"name": name, "data": points, "yAxisIndex": axis, **look}


def step_panels(prediction: ScanPrediction, step: int, index: int) -> list[Panel]:
    """A pass of a prediction: the reference with the structure after it, new atoms ringed, and the image that
    the network compared it with, of the structure before.

    Args:
        prediction: the prediction.
        step: number of the pass; as many as there are or more: the result.
        index: the slice.
    """
    reference = prediction.reference
    index = min(max(index, 0), len(reference.z) - 1)
    window = edges(reference.x, reference.y)
    if step >= len(prediction.steps):
        graph, ringed = prediction.graph, range(0)
        simulated = prediction.simulated
        title = f"the result: {len(graph.z)} atoms"
    else:
        one = prediction.steps[max(step, 0)]
        graph = _with_atoms(one.graph, one.added)
        ringed = range(len(one.graph.z), len(graph.z))
        simulated = one.simulated
        title = f"pass {step + 1} of {len(prediction.steps)}: {one.decision}"
    return [
        Panel(title, reference.stack[0, index], window, reference.unit, graph=graph, ringed=ringed),
        Panel("its image" if not len(ringed) else "image before it", simulated[0, 0, index].numpy(), window),
    ]


def count_steps(prediction: ScanPrediction | None) -> int:
    """Passes of a prediction, the result counted as one; 0 without one."""
    return 0 if prediction is None else len(prediction.steps) + 1


def _with_atoms(graph: AFMData, added: AFMData) -> AFMData:
    """A graph and atoms without bonds, as pictures need them."""
    return AFMData(
        z=torch.cat([graph.z, added.z]),
        pos=torch.cat([graph.pos, added.pos]),
        edge_index=graph.edge_index,
    )
