"""A structure before and after its refinement: ``python -m docs.figures.refined``."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure

from docs.figures.panels import draw, panels, save
from torch_afm.data import AFMData, remove_atoms
from torch_afm.datasets import MoleculeDataset, embedded_smiles
from torch_afm.evaluation import draw_trial
from torch_afm.functional import normalize_slices
from torch_afm.metrics import match_atoms
from torch_afm.models import load_generator
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import generate, refine

#: A molecule of the test split.
NUMBER = 191


def picture() -> Figure:
    """Structure and crosses where the atoms are, its image, and the difference from the scan: as the weights
    ``spatial`` find it and refined, by a tip that neither is told of."""
    (molecule,) = MoleculeDataset([embedded_smiles()[NUMBER]])
    model = load_generator("spatial")
    ppm = ProbeParticleModel(model.config.scan)
    trial = draw_trial(molecule, 0, ppm)
    truth = remove_atoms(trial.truth, trial.truth.pos[:, 2] < model.config.z_min)
    found = generate(model, trial.reference, ppm, trial.z_top)
    result = refine(found.graph, trial.reference, ppm, trial.z_top, context=found.context)
    scan, near = ppm.scan, normalize_slices(trial.reference)[0, 0, -1]
    figure, rows = panels(2, 3)
    cases = {
        "found": ([result.start, found.context], ppm.tip, trial.z_top),
        "refined": ([result.data, result.context, result.added], result.tip, result.z_top),
    }
    for axes, (name, (parts, tip, z_top)) in zip(rows, cases.items(), strict=True):
        graph = parts[0]
        whole = {key: torch.cat([part[key] for part in parts]) for key in ("z", "pos", "charge")}
        image = ppm(AFMData(**whole), tip=tip, z_top=z_top)
        matching = match_atoms(graph.pos, truth.pos, 0.5)
        title = f"{name}: {len(matching.pred)} atoms, off by {float(matching.distance.mean()):.2f} Å"
        draw(axes[0], near.numpy(), scan.x, scan.y, title, graph=graph)
        axes[0].plot(*truth.pos[:, :2].T.numpy(), "+", color="black", ms=6, zorder=8)
        draw(axes[1], image[0, 0, -1].numpy(), scan.x, scan.y, "its image")
        rest = normalize_slices(image)[0, 0, -1] - near
        draw(axes[2], rest.numpy(), scan.x, scan.y, "image − scan", unit="std", limits=(-1, 1))
    return figure


if __name__ == "__main__":
    save(picture(), __file__)
