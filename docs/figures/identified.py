"""Which of five molecules a scan shows: ``python -m docs.figures.identified``."""

from __future__ import annotations

import dataclasses

import numpy as np
from matplotlib.figure import Figure

import torch_afm
from docs.figures.panels import flat, render, save
from torch_afm import IdentifyOptions
from torch_afm.config import Scan, Tip
from torch_afm.identification import Candidate
from torch_afm.viz import plot_identification

#: The molecule that is imaged, first, and those that it might be taken for.
CANDIDATES = {
    "1-chloro-2-naphthol": "Oc1ccc2ccccc2c1Cl",
    "3-chloro-2-naphthol": "Oc1cc2ccccc2cc1Cl",
    "1-bromo-2-naphthol": "Oc1ccc2ccccc2c1Br",
    "1-chloro-2-naphthylamine": "Nc1ccc2ccccc2c1Cl",
    "2-naphthol": "Oc1ccc2ccccc2c1",
}

#: Standard deviation of the noise in Hz.
NOISE = 0.1


def picture() -> Figure:
    """The best three with what is left of the scan."""
    smiles = next(iter(CANDIDATES.values()))
    scan = Scan(window=((-8, 8), (-8, 8)), pixels=(65, 65))
    stack = render(flat(smiles), scan, Tip(stiffness=(0.3, 0.3, 0.0), tilt=(0.2, -0.1)), nearer=-0.1)
    noise = np.random.default_rng(0).normal(scale=NOISE, size=stack.stack.shape)
    measured = dataclasses.replace(stack, stack=(stack.stack + noise).astype(np.float32))
    candidates = [Candidate.from_smiles(smiles, name) for name, smiles in CANDIDATES.items()]
    found = torch_afm.identify(measured, candidates, IdentifyOptions(fits=5, starts=6))
    print(found.describe())
    return plot_identification(found.report())


if __name__ == "__main__":
    save(picture(), __file__)
