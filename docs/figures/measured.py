"""A measured image, what is read from it, and the molecule that is known to be there:
``python -m docs.figures.measured``.

The image is examples/scans/dca3cu2.npz; examples/scans/README.md says whose it is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import torch_afm
from docs.figures.panels import draw, panels, save
from torch_afm import IdentifyOptions, PredictOptions
from torch_afm.config import ScanPreparation, SearchOptions
from torch_afm.io import read_stack

SCAN = Path(__file__).parents[2] / "examples" / "scans" / "dca3cu2.npz"

#: Around one molecule, in Å of the scan, to predict from, and to identify.
AROUND = ((354.0, 380.0), (403.0, 429.0))
MOLECULE = ((359.0, 376.0), (408.0, 424.0))

#: 9,10-dicyanoanthracene.
SMILES = "N#Cc1c2ccccc2c(C#N)c2ccccc12"


def picture() -> Figure:
    """The whole image; the predicted structure; the molecule where it fits best; its image."""
    whole = read_stack(SCAN)
    found = torch_afm.predict(
        SCAN,
        options=PredictOptions(
            preparation=ScanPreparation(window=AROUND), search=SearchOptions(refine=False)
        ),
    )
    print(found.verdict.describe())
    known = torch_afm.identify(SCAN, [SMILES], IdentifyOptions(preparation=ScanPreparation(window=MOLECULE)))
    print(known.describe())
    figure, (axes,) = panels(1, 4)
    values = whole.stack[0, 0]
    draw(axes[0], values, whole.x, whole.y, "measured")
    shown = found.chosen.prepared.stack
    draw(axes[1], shown.values[0], shown.x, shown.y, "predicted", graph=found.graph)
    report = known.report()
    pose, measured = report.poses[0], report.reference
    r = float(np.mean(pose.pearson))
    draw(
        axes[2], measured.stack[0, 0], measured.x, measured.y, "the molecule that is known", graph=pose.atoms
    )
    draw(axes[3], pose.simulated[0], measured.x, measured.y, f"its image, r {r:.2f}")
    return figure


if __name__ == "__main__":
    save(picture(), __file__)
