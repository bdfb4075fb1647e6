"""Learning curves of the weights in the package: ``python -m docs.figures.training``.

Of the files benchmarks/results/*_training.csv, which the model cards name.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from docs.figures.panels import save
from torch_afm.viz.training import read_curves

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"

#: Weights -> files of the runs that made them, one after the other, and samples in an epoch.
RUNS = {
    "small": (("small_training",), 4096),
    "spatial": (("spatial_training", "spatial_continued_training"), 4096),
    "scan": (("scan_training",), 8192),
}

#: Part of the data -> its label, color and line.
PARTS = {"train": ("training", "#0072b2", "-"), "val": ("validation", "#d55e00", "--")}


def picture() -> Figure:
    """The loss over the samples seen; where a run begins from the weights of another, a line between them."""
    figure = Figure(figsize=(9.6, 2.9), layout="constrained")
    for ax, (weights, (files, epoch_samples)) in zip(figure.subplots(1, 3), RUNS.items(), strict=True):
        seen = 0.0
        for i, file in enumerate(files):
            curves = read_curves([RESULTS / f"{file}.csv"])
            for part, (label, color, line) in PARTS.items():
                epochs, loss = curves[f"{part}/total"]
                samples = seen + (epochs + 1) * epoch_samples / 1000
                ax.plot(samples, loss, color=color, ls=line, lw=1.4, label=label if i == 0 else None)
            seen = float(samples[-1])
            if i < len(files) - 1:
                ax.axvline(seen, color="0.7", lw=0.8)
        ax.set(title=weights, xlabel="samples (thousands)", ylabel="loss" if weights == "small" else "")
        ax.grid(alpha=0.25)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return figure


if __name__ == "__main__":
    save(picture(), __file__)
