"""The picture of README.md: ``python -m docs.figures.front``.

A flat molecule is imaged by a stiff, tilted tip, with noise, and read back by ``torch_afm.predict`` with the
weights ``scan``, which do not know the tip. It prints what was found and the verdict.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import torch_afm
from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, from_smiles
from torch_afm.io import AFMStack
from torch_afm.metrics import match_atoms
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.transforms import Orient, flat_rotation
from torch_afm.viz import draw_graph

#: What is imaged, and the standard deviation of its noise in Hz.
SMILES, NOISE = "Oc1ccc2ccccc2c1Cl", 0.03


def measure(smiles: str) -> tuple[AFMData, AFMStack]:
    """A molecule laid flat, and its scan as a file would hold it."""
    molecule = from_smiles(smiles)
    molecule = Orient(flat_rotation(molecule.pos.numpy()))(molecule)
    scan = Scan(pixels=(64, 64))
    ppm = ProbeParticleModel(scan, Tip(stiffness=(0.3, 0.3, 0.0), tilt=(0.2, -0.1)))
    z_top = float(anchor_height(molecule, scan, ppm.tip))
    image = ppm(molecule, z_top=z_top)[0].numpy()
    noisy = image + np.random.default_rng(0).normal(scale=NOISE, size=image.shape)
    heights = scan.slice_heights(z_top)
    return molecule, AFMStack(
        noisy.astype(np.float32), scan.x, scan.y, heights, {"amplitude": scan.amplitude}
    )


def draw(molecule: AFMData, stack: AFMStack, found: AFMData, simulated: np.ndarray) -> Figure:
    """Far and near slice of the scan, the structure found, its image, and the truth."""
    window = ((float(stack.x[0]), float(stack.x[-1])), (float(stack.y[0]), float(stack.y[-1])))
    extent = (*window[0], *window[1])
    figure = Figure(figsize=(12, 2.75), layout="constrained")
    axes = figure.subplots(1, 5)
    titles = ("scan, far", "scan, near", "structure found", "its image, near", "truth")
    images = (stack.stack[0, 0], stack.stack[0, -1], stack.stack[0, -1], simulated[-1], stack.stack[0, -1])
    graphs = (None, None, found, None, molecule)
    for ax, title, image, graph in zip(axes, titles, images, graphs, strict=True):
        ax.imshow(image, origin="lower", extent=extent, cmap="gray", alpha=1 if graph is None else 0.45)
        if graph is not None:
            draw_graph(ax, graph, window)
        ax.set(title=title, xticks=[], yticks=[], xlim=(-7, 7), ylim=(-7, 7))
    axes[0].plot([-6, -1], [-6, -6], color="black", linewidth=3, solid_capstyle="butt")
    axes[0].text(-3.5, -5.7, "5 Å", ha="center")
    return figure


def main() -> None:
    """Write docs/figures/front.png."""
    molecule, stack = measure(SMILES)
    found = torch_afm.predict(stack, "scan")
    matching = match_atoms(found.graph.pos, molecule.pos, cutoff=0.5)
    same = int((found.graph.z[matching.pred] == molecule.z[matching.true]).sum())
    print(f"{len(matching.pred)} of {molecule.z.numel()} atoms within 0.5 Å, {same} with their element")
    print(found.verdict.describe())
    figure = draw(molecule, stack, found.graph, found.simulated[0, 0].numpy())
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=100)


if __name__ == "__main__":
    main()
