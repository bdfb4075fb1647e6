"""Predictions, searches and refinements as pictures."""

from __future__ import annotations

import copy
import textwrap
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from matplotlib.figure import Figure, SubFigure
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.functional import pearson
from torch_afm.io import AFMStack
from torch_afm.metrics import match_atoms
from torch_afm.models import SearchNode, Step
from torch_afm.utils import InputError
from torch_afm.viz.graphs import ACCENT, Window, atom_radius, draw_graph, draw_rings
from torch_afm.viz.stacks import draw_slice, frame, scale_label, signed

#: Most steps shown; of longer generations the first, the last and some evenly between.
MAX_COLUMNS = 10

#: Columns that short generations leave room for, and the width of one in inches.
MIN_COLUMNS = 7
PANEL = 1.55

#: Cutoffs in Å at which the report scores a prediction.
CUTOFFS = (0.5, 1.0)

#: White mixed into images under a graph.
FADE = 0.35

_ENDED = {
    "stop": "the network stopped",
    "repeat": "an atom placed on an old one",
    "max_atoms": "too many atoms",
    "passes": "too many passes",
}


def plot_generation(
    graph: AFMData,
    steps: Sequence[Step],
    reference: AFMStack,
    ended: str,
    context: AFMData | None = None,
    truth: AFMData | None = None,
) -> Figure:
    """The report of a prediction: the reference stack, the generated graph over its nearest slice (beside the
    truth and the scores, where the truth is known), and below the steps: the graph so far, its newest atoms
    ringed, over the nearest slice of the reference, above the nearest slice simulated from it.

    The scores are those of :func:`torch_afm.metrics.match_atoms`, blind to elements. Crosses in the picture
    of the prediction are the true atoms; atoms below the surface cut, found as context, are ringed by dashes.
    An oblique cross in the last step is an atom that was refused.

    Args:
        graph: the prediction.
        steps: the steps that led to it.
        reference: the stack it was generated from.
        ended: what ended it, see :class:`torch_afm.prediction.Prediction`.
        context: atoms found below the surface cut.
        truth: the true atoms, in the same frame.
    """
    shown = _evenly(len(steps), MAX_COLUMNS)
    columns = max(MIN_COLUMNS, len(shown))
    width = PANEL * columns
    # One row of six panels, then two rows of steps, each with room for its title and caption.
    heights = (width / 6 + 0.55, 2 * PANEL + 1.0)
    figure = Figure(figsize=(width, sum(heights) + 0.3), layout="constrained")
    name = reference.meta.get("molecule")
    text = f"Prediction for {name}" if name else "Prediction"
    figure.suptitle(textwrap.shorten(text, 100, placeholder="…"), fontsize=12, parse_math=False)
    halves = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)
    deep = AFMData.empty() if context is None else context
    lines = [f"ended: {_ENDED.get(ended, ended)}", f"steps: {len(steps)}"]
    if truth is not None:
        lines += _scores(graph, truth)
    _draw_summary(halves[0, 0], graph, deep, reference, truth, "\n".join(lines))
    _draw_steps(halves[1, 0], steps, reference, shown)
    return figure


def _draw_summary(
    figure: SubFigure, graph: AFMData, deep: AFMData, reference: AFMStack, truth: AFMData | None, text: str
) -> None:
    axes = figure.subplots(1, 6)
    near = reference.stack[0, -1]
    n = len(reference.z)
    for ax, s, name in zip(axes, (0, n // 2, n - 1), ("far", "middle", "near"), strict=False):
        draw_slice(ax, reference.stack[0, s], reference.x, reference.y)
        frame(ax, f"reference, {name}", f"z = {reference.z[s]:.1f} Å\n{scale_label(reference.stack[0, s])}")

    window = _window(reference)
    draw_slice(axes[3], near, reference.x, reference.y, FADE)
    caption = f"{graph.z.numel()} atoms"
    if deep.z.numel():
        draw_graph(axes[3], deep, window)
        draw_rings(axes[3], deep.pos.numpy(), atom_radius(deep.z), "dashed")
        caption += f", {deep.z.numel()} deep"
    draw_graph(axes[3], graph, window)
    frame(axes[3], "prediction", caption)
    if truth is not None:
        draw_slice(axes[4], near, reference.x, reference.y, FADE)
        draw_graph(axes[4], truth, window)
        frame(axes[4], "truth", f"{truth.z.numel()} atoms")
        x, y = truth.pos[:, 0].numpy(), truth.pos[:, 1].numpy()
        axes[3].set_xlabel(f"{caption}; + true atoms")
        axes[3].plot(x, y, "+", color=ACCENT, markersize=7, markeredgewidth=1.4, zorder=7)
    for ax in axes[5 if truth is not None else 4 :]:
        ax.set_axis_off()
        ax.set_aspect("equal")
    box = axes[4 if truth is None else 5]
    box.text(0, 1, text, transform=box.transAxes, va="top", fontsize=9, linespacing=1.5)


def _draw_steps(figure: SubFigure, steps: Sequence[Step], reference: AFMStack, shown: list[int]) -> None:
    axes = figure.subplots(2, max(MIN_COLUMNS, len(shown)), squeeze=False)
    near = reference.stack[0, -1]
    for ax in axes[:, len(shown) :].flat:
        ax.set_axis_off()
    for (above, below), k in zip(axes.T, shown, strict=False):
        step = steps[k]
        simulated = step.simulated[0, 0, -1].numpy()
        before = steps[k - 1].graph.z.numel() if k else 0
        draw_slice(above, near, reference.x, reference.y, FADE)
        draw_graph(above, step.graph, _window(reference), range(before, step.graph.z.numel()))
        decision = step.decision
        if k == len(steps) - 1 and len(step.refused):
            x, y, _ = step.refused.T.tolist()
            above.plot(x, y, "x", color=ACCENT, markersize=9, markeredgewidth=2, zorder=7)
            decision += ", refused"
        frame(above, f"step {k + 1}", decision)
        draw_slice(below, simulated, reference.x, reference.y)
        frame(below, "", f"{scale_label(simulated)}\n{_agreement(simulated, near)}")
    axes[0, 0].set_ylabel("graph so far", fontsize=9)
    axes[1, 0].set_ylabel("simulated, near", fontsize=9)


def _scores(graph: AFMData, truth: AFMData) -> list[str]:
    lines = []
    for cutoff in CUTOFFS:
        m = match_atoms(graph.pos, truth.pos, cutoff)
        lines += [
            f"within {cutoff} Å: {m.pred.numel()} atoms",
            f"  precision {m.precision:.2f}, recall {m.recall:.2f}",
        ]
    return lines


def _agreement(simulated: np.ndarray, reference: np.ndarray) -> str:
    if np.ptp(simulated) == 0 or np.ptp(reference) == 0:
        return "no contrast"
    return f"r = {signed(float(pearson(torch.from_numpy(simulated), torch.from_numpy(reference))))}"


def _window(stack: AFMStack) -> Window:
    return (float(stack.x[0]), float(stack.x[-1])), (float(stack.y[0]), float(stack.y[-1]))


def _evenly(n: int, count: int) -> list[int]:
    """First, last and evenly chosen indices of ``n``, at most ``count``."""
    return sorted({round(i) for i in np.linspace(0, n - 1, min(n, count))})


def plot_search(tree: Sequence[SearchNode]) -> Figure:
    """All graphs that a search tried: from left to right by moves from the empty graph, higher up the
    better their score, linked to what they were made of; the path to the one that was taken stands out, and
    its moves and numbers of atoms are named.

    Args:
        tree: the nodes, each after its parent.

    Raises:
        InputError: for a tree without nodes, or a node before its parent.
    """
    if not tree or any(node.parent >= i for i, node in enumerate(tree)):
        raise InputError(f"tree: expected nodes, each after its parent, got {len(tree)} nodes")
    depth: list[int] = []
    for node in tree:
        depth.append(0 if node.parent < 0 else depth[node.parent] + 1)
    figure = Figure(figsize=(7, 4), layout="constrained")
    ax = figure.subplots()
    for i, node in enumerate(tree):
        taken = node.taken
        color = ACCENT if taken else "0.7"
        if node.parent >= 0:
            ends = (depth[node.parent], depth[i]), (tree[node.parent].score, node.score)
            ax.plot(*ends, "-", color=color, lw=1.8 if taken else 0.8, zorder=2 + taken)
        ax.plot(depth[i], node.score, "o", color=color, ms=6 if taken else 4, zorder=3 + taken)
        if taken:
            text = f"{node.move}\n{node.atoms} atoms"
            ax.annotate(
                text, (depth[i], node.score), (5, -4), textcoords="offset points", fontsize=8, va="top"
            )
    scores = sorted(node.score for node in tree[1:]) or [tree[0].score]
    # The empty graph is far below all others, and would flatten them.
    low, high = scores[0], scores[-1]
    ax.set_ylim(low - 0.25 * (high - low) - 0.5, high + 0.1 * (high - low) + 0.5)
    ax.set_xlim(-0.2, max(depth) + 0.8)
    ax.set_xticks(range(max(depth) + 1))
    ax.set(xlabel="moves", ylabel="score")
    return figure


#: Graphs of the strip, and slices of the residual.
FRAMES, SLICES = 5, 3


class Refined(Protocol):
    """What a refinement has to tell, as :class:`torch_afm.prediction.RefinementResult` does."""

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
        result: what :func:`torch_afm.prediction.refine` returned.
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
