"""Pictures: stacks, graphs, training samples and the report of a prediction, as matplotlib figures."""

from torch_afm.viz.generation import plot_generation
from torch_afm.viz.graphs import draw_graph, plot_graph
from torch_afm.viz.sample import plot_sample
from torch_afm.viz.stacks import draw_slice, plot_stack

__all__ = ["draw_graph", "draw_slice", "plot_generation", "plot_graph", "plot_sample", "plot_stack"]
