"""Samples and stored stacks of an earlier version are made again: recorded/ was written before the data sets
were composed of parts."""

import hashlib
import json
from pathlib import Path

import ase
import numpy as np
import pytest
import scipy
import torch
from ase.build import fcc111

from torch_afm.config import Scan, Tip
from torch_afm.datasets import (
    AFMDataset,
    StepDataset,
    StepDraws,
    StepRenderer,
    StoredReferences,
    SurfaceWindows,
    slab_from_ase,
)
from torch_afm.elements import AtomClasses
from torch_afm.testing import benzene, water
from torch_afm.transforms import (
    Augment,
    CropSlices,
    CropWindow,
    Cutout,
    Noise,
    Plane,
    RandomMutant,
    SliceShift,
    Turn,
)

FOLDER = Path(__file__).parent / "recorded"
RECORDED = json.loads((FOLDER / "samples.json").read_text())
SCAN, TIP = Scan(pixels=(12, 12), n_slices=4, n_oscillation=3), Tip(tilt=(0.1, 0.0))
FRAME = (Turn(), CropSlices(3, 2), CropWindow((10, 9)))
MUTANT = RandomMutant(empty=0.2, misplaced=0.2, extra=2)
STACK = (Plane(), Noise(), SliceShift(), Cutout())
#: Augmentations that are drawn under another name now; stored draws keep theirs.
RENAMED = {"AddPlane": "Plane", "AddNoise": "Noise", "ShiftSlices": "SliceShift", "CutOut": "Cutout"}
GRAPH = (
    "z",
    "pos",
    "charge",
    "edge_index",
    "missing_z",
    "missing_pos",
    "missing_edge_index",
    "true_pos",
    "z_top",
)


def _slab():
    atoms = fcc111("Au", (3, 4, 1), orthogonal=True)
    atoms.positions[:, 2] = 0
    places = [
        (1, 1, 3),
        (1.76, 1, 3.59),
        (0.24, 1, 3.59),
        (5, 4, 3.2),
        (5.9, 4, 3.2),
        (4.7, 4.9, 3.2),
        (3, 6, 2.5),
    ]
    atoms += ase.Atoms("OHHOHHO", places)
    atoms.cell[2], atoms.pbc = (0, 0, 30), (True, True, False)
    return slab_from_ase(atoms)


def _molecules():
    draws = StepDraws(mutant=MUTANT, augment=Augment(FRAME, STACK, 0.7), mutants=2, seed=5)
    return AFMDataset([water(), benzene()], SCAN, draws, rotations=3, candidates=20, tip=TIP, backend="torch")


def _plain():
    draws = StepDraws(keep_deep=True, true_elements=True)
    return AFMDataset([water(), benzene()], SCAN, draws, rotations=3, candidates=20, backend="torch")


def _surfaces():
    source = SurfaceWindows([_slab(), _slab()], SCAN, windows=3, margin=0.4, seed=2)
    draws = StepDraws(z_min=-3.0, classes=AtomClasses((("H",), ("O",))), mutants=2, seed=2)
    return StepDataset(source, draws, StepRenderer(SCAN, backend="torch"))


def _stored():
    stored = StoredReferences(FOLDER / "stored", "torch")
    draws = StepDraws(
        mutant=MUTANT, augment=Augment(FRAME, STACK, 0.7), mutants=2, seed=stored.manifest.config.seed
    )
    return StepDataset(stored.molecules, draws, stored)


def _same_machine():
    """Whether floating-point results have to have the same bits as those recorded."""
    here = {"torch": torch.__version__, "numpy": np.__version__, "scipy": scipy.__version__}
    return RECORDED["made_by"] == {**here, "cpu": torch.backends.cpu.get_cpu_capability()}


@pytest.mark.parametrize("name", ["molecules", "plain", "surfaces", "stored"])
@pytest.mark.parametrize("replayed", [False, True])
def test_samples_are_those_recorded(name, replayed):
    dataset, rows = globals()[f"_{name}"](), RECORDED[name]
    if replayed:
        samples = dataset.replay([row["drawn"] for row in rows])
    else:
        samples = dataset.__getitems__([tuple(row["key"]) for row in rows])
    for sample, row in zip(samples, rows, strict=True):
        drawn = row["drawn"]
        for old, new in () if replayed else RENAMED.items():
            drawn = drawn.replace(f'["{old}",', f'["{new}",')
        assert sample.drawn == drawn
        assert sample.z.tolist() == row["z"] and sample.missing_z.tolist() == row["missing_z"]
        assert sample.z_top.item() == pytest.approx(row["z_top"], abs=1e-4)
        for key in ("pos", "missing_pos"):
            assert np.allclose(sample[key].numpy().ravel(), np.ravel(row[key]), atol=2e-4), key
        for key in ("reference", "simulated"):
            assert np.allclose(sample[key].flatten()[::17], row[key], atol=5e-3), key
        if _same_machine():
            graph = b"".join(sample[key].numpy().tobytes() for key in GRAPH)
            assert hashlib.sha256(graph).hexdigest() == row["graph"]
            stacks = sample.reference.numpy().tobytes() + sample.simulated.numpy().tobytes()
            assert hashlib.sha256(stacks).hexdigest() == row["stacks"]
