"""Pictures: stacks, graphs, training data and the report of a prediction, as matplotlib figures."""

from torch_afm.viz.augmentations import plot_augmentations
from torch_afm.viz.generation import plot_generation
from torch_afm.viz.graphs import draw_graph, plot_graph
from torch_afm.viz.sample import plot_sample
from torch_afm.viz.stacks import draw_slice, plot_stack
from torch_afm.viz.statistics import plot_statistics

__all__ = [
    "draw_graph",
    "draw_slice",
    "plot_augmentations",
    "plot_generation",
    "plot_graph",
    "plot_sample",
    "plot_stack",
    "plot_statistics",
]
