"""A refinement as a strip of pictures."""

from __future__ import annotations

import copy
from typing import Protocol

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.io import AFMStack
from torch_afm.viz.graphs import atom_radius, draw_graph, draw_rings
from torch_afm.viz.stacks import draw_slice, frame

#: Graphs of the strip, and slices of the residual.
FRAMES, SLICES = 5, 3


class Refined(Protocol):
    """What a refinement has to tell, as :class:`torch_afm.generation.RefinementResult` does."""

    @property
    def data(self) -> AFMData: ...
    @property
    def start(self) -> AFMData: ...
    @property
    def accepted(self) -> bool: ...
    @property
    def trajectory(self) -> Tensor: ...
    @property
    def sigma(self) -> Tensor: ...
    @property
    def residual(self) -> Tensor: ...


def plot_refinement(result: Refined, reference: AFMStack, truth: AFMData | None = None) -> Figure:
    """The graph on its way over the nearest slice of the reference, from the start to the end, with rings of
    two standard deviations around the atoms of the result; and what is left of three slices, in units of
    their standard deviation, the same scale for all. Crosses are true atoms, where they are known.

    Args:
        result: what :func:`torch_afm.generation.refine` returned.
        reference: the stack it was refined against.
        truth: the true atoms in the same frame.
    """
    figure = Figure(figsize=(2.3 * FRAMES, 5.2), layout="constrained")
    axes = figure.subplots(2, FRAMES)
    x, y = reference.x, reference.y
    pos = result.start.pos
    middle, half = (
        pos[:, :2].mean(dim=0).tolist(),
        float((pos.max(0).values - pos.min(0).values)[:2].max()) / 2,
    )
    window = [(m - half - 1.8, m + half + 1.8) for m in middle]
    chosen = np.linspace(0, len(result.trajectory) - 1, FRAMES).round().astype(int)
    for column, (ax, k) in enumerate(zip(axes[0], chosen, strict=True)):
        graph = copy.copy(result.start)
        graph.pos = result.trajectory[int(k)].float()
        draw_slice(ax, reference.stack[0, -1], x, y, 0.35)
        draw_graph(ax, graph, (window[0], window[1]))
        if truth is not None:
            ax.plot(*truth.pos[:, :2].T.numpy(), "+", color="black", ms=7, mew=1.2, zorder=8)
        last = column == FRAMES - 1
        if last and result.accepted:
            wide = 2 * result.sigma[:, :2].norm(dim=1).numpy() / np.sqrt(2)
            draw_rings(ax, graph.pos.numpy(), np.maximum(wide, atom_radius(graph.z)), "dotted")
        frame(ax, f"step {k}", "taken" if last and result.accepted else "not taken" if last else "")
    n = len(result.residual)
    widest = float(result.residual.abs().max())
    for ax, s in zip(axes[1], np.linspace(0, n - 1, SLICES).round().astype(int), strict=False):
        part = result.residual[int(s)].numpy()
        image = draw_slice(ax, part, x, y)
        image.set(cmap="RdBu_r", clim=(-widest, widest))
        frame(ax, f"residual, slice {s + 1} of {n}", f"rms {np.sqrt((part**2).mean()):.2f} of its contrast")
    for ax in axes[1, SLICES:]:
        ax.set_axis_off()
    return figure
