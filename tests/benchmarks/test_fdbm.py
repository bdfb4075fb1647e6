"""The molecules and the measures of the benchmarks of the full-density-based model."""

import numpy as np
import pytest
import torch

from benchmarks.fdbm import against_ppafm, network, run
from benchmarks.fdbm.molecules import GROUPS, MOLECULES, load
from torch_afm.ppm import TipDensity


def test_thirty_molecules_by_turns_with_charges_and_dipoles():
    assert len(MOLECULES) == 30 and all(len(group) == 10 for group in GROUPS.values())
    assert list(MOLECULES.values())[:4] == ["lone pairs", "triple bonds", "halogens", "lone pairs"]
    for smiles in MOLECULES:
        molecule = load(smiles)
        assert 6 <= len(molecule.z) <= 14 and abs(float(molecule.charge.sum())) < 1e-2
        assert molecule.dipole.shape == molecule.pos.shape


def test_likeness_of_slices_less_their_means():
    stack = torch.randn(1, 1, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert run.likeness(stack, stack) == pytest.approx((1, 0))
    r, error = run.likeness(2 * stack + 1, stack)
    assert r == pytest.approx(1) and error > 0.5


def test_summaries_are_medians_and_means():
    keys = ("r", "error", "best_r", "best_error", "raised")
    rows = [{f"lj_{key}": value for key in keys} for value in (0.1, 0.5, 0.6)]
    assert run.summary(rows, "lj") == {"name": "lj", "lowest": 0.1} | dict.fromkeys(keys, 0.5)
    row = {f"{name}_{key}": 0.5 for name in ("lj", "fdbm") for key in ("f1", "chance")}
    row |= {f"{name}_{key}": n for name in ("lj", "fdbm") for key, n in (("right", 3), ("matched", 4))}
    assert [found["elements"] for found in network.summary([row, row])] == [0.75, 0.75]


def test_tip_of_the_peer_has_its_probe_at_the_first_point():
    tip = TipDensity.preset("CO")
    density, charge = against_ppafm.tip_arrays(tip)
    assert density.sum() / against_ppafm.DENSITY**3 == pytest.approx(tip.density.integral)
    assert abs(charge.sum()) < 1e-6
    # Carbon is above.
    assert density[:, :, 1:64].sum() > 1.5 * density[:, :, 64:].sum()


def test_errors_in_units_of_the_standard_deviation():
    exact = np.random.default_rng(0).normal(size=(2, 3, 4))
    assert against_ppafm.errors(exact, exact) == (0, 0)
    assert against_ppafm.errors(exact + exact.std(), exact) == pytest.approx((1, 1))
    assert against_ppafm.largest(1.1 * exact, exact) == pytest.approx(0.1)
