"""The benchmark of water on gold, on numbers and windows made by hand."""

import numpy as np
import torch

from benchmarks.water.run import background_rows, element, number, structure_rows
from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.datasets import slab_from_ase, water_bilayer
from torch_afm.elements import AtomClasses
from torch_afm.metrics import MoleculeMetrics


def test_shares_of_each_element():
    # Two oxygens, of which one is found and one is said to be hydrogen; one false hydrogen far away.
    metrics = MoleculeMetrics(AtomClasses((("H",), ("O",))))
    none, pos = torch.empty(2, 0, dtype=torch.long), torch.tensor([[0.0, 0, 0], [3, 0, 0]])
    truth = AFMData(z=torch.tensor([8, 8]), pos=pos, edge_index=none)
    found = AFMData(z=torch.tensor([8, 1, 1]), pos=torch.cat([pos, pos[:1] + 6]), edge_index=none)
    metrics.update(found, truth, "stop")
    row = {"scores": metrics.compute()["all"], "intervals": metrics.intervals()["all"]}
    assert element(row, "O") == "1.000 / 1.000"
    assert element(row, "H").startswith("0.500")
    assert number(row, "f1", "0.5") == "0.800 (0.800 to 0.800)"


def test_a_surface_is_as_far_from_itself_as_nothing():
    layers = [water_bilayer(seed, size=6) for seed in range(4)]
    rows = {row["feature"]: row for row in structure_rows(layers, layers)}
    assert max(rows["d_OO"]["distance"], rows["HOH"]["distance"]) < 1e-12
    assert np.isclose(rows["d_OH"]["mean_generated"], 0.98, atol=0.01)


def test_what_is_farther_away_matters_less():
    surfaces = [slab_from_ase(water_bilayer(0, size=6))]
    rows = {r["without"]: r["largest"] for r in background_rows(surfaces, Scan(pixels=(12, 12)))}
    near, far = (next(v for k, v in rows.items() if k.startswith(f"beyond {r}")) for r in (4, 12))
    assert far < near and rows["the metal"] < 0.02
