"""The tree of a search."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from torch_afm.models import SearchNode
from torch_afm.utils import InputError
from torch_afm.viz.graphs import ACCENT


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
