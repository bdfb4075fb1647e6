"""Pictures: stacks, graphs, training data, scores and the report of a prediction, as matplotlib figures."""

from torch_afm.viz.augmentations import plot_augmentations
from torch_afm.viz.contact_sheet import SheetEntry, SheetPanel, plot_contact_sheet, stack_panels
from torch_afm.viz.distributions import plot_distributions, plot_radar
from torch_afm.viz.evaluation import (
    plot_classes,
    plot_confusion,
    plot_depth,
    plot_images,
    plot_parity,
    plot_reliability,
    plot_sizes,
)
from torch_afm.viz.graphs import draw_graph, plot_graph, plot_graphs_3d
from torch_afm.viz.predictions import plot_generation, plot_refinement, plot_search
from torch_afm.viz.report import PredictionReport, plot_report, report_html, write_report
from torch_afm.viz.sample import plot_sample, plot_step
from torch_afm.viz.scan_sheet import scan_sheet_entries, scan_sheet_html
from torch_afm.viz.simulation import plot_frequency_curves, plot_simulation
from torch_afm.viz.stacks import draw_slice, plot_preparation, plot_stack
from torch_afm.viz.style import plot_checkpoints, plot_translations
from torch_afm.viz.training import plot_curves, plot_statistics

__all__ = [
    "PredictionReport",
    "SheetEntry",
    "SheetPanel",
    "draw_graph",
    "draw_slice",
    "plot_augmentations",
    "plot_checkpoints",
    "plot_classes",
    "plot_confusion",
    "plot_contact_sheet",
    "plot_curves",
    "plot_depth",
    "plot_distributions",
    "plot_frequency_curves",
    "plot_generation",
    "plot_graph",
    "plot_graphs_3d",
    "plot_images",
    "plot_parity",
    "plot_preparation",
    "plot_radar",
    "plot_refinement",
    "plot_reliability",
    "plot_report",
    "plot_sample",
    "plot_search",
    "plot_simulation",
    "plot_sizes",
    "plot_stack",
    "plot_statistics",
    "plot_step",
    "plot_translations",
    "report_html",
    "scan_sheet_entries",
    "scan_sheet_html",
    "stack_panels",
    "write_report",
]
