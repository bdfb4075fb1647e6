"""The benchmark of refinement on the stand-in, of results that are made up."""

import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks.prediction_scans.refinement import (
    CLASSES,
    NOISE,
    ROOM,
    SETTINGS,
    TABLES,
    draw_start,
    prepare_case,
    score_result,
    summarize,
)
from benchmarks.standin.imaging import measure
from benchmarks.standin.strata import STRATA
from torch_afm.config import Tip
from torch_afm.data import AFMData
from torch_afm.datasets.nuisances import Measurement
from torch_afm.functional import pearson
from torch_afm.ppm import ProbeParticleModel, anchor_height, nominal_height
from torch_afm.prediction import RefinementSettings
from torch_afm.prediction.refinement import Scanner
from torch_afm.testing import benzene

SCAN = STRATA[0].scan


@pytest.fixture(scope="module")
def measured():
    measurement = dataclasses.replace(
        Measurement.nominal(SCAN), matrix=((0.9, 0.0), (0.0, 1.1)), stiffness=0.5
    )
    return measure(benzene(), measurement, [], SCAN)


@pytest.fixture
def case(measured):
    return prepare_case(measured, SETTINGS["measured"], np.random.default_rng(0))


def result(case, pos, scanner=None, tip=None):
    """A refinement that moved the atoms of the start to ``pos``."""
    below = case.start.pos[:, 2] < -0.7
    none = AFMData(pos=torch.empty(0, 3), z=torch.empty(0).long())
    return SimpleNamespace(
        data=AFMData(z=case.start.z[~below], pos=pos[~below]),
        context=AFMData(z=case.start.z[below], pos=pos[below]),
        added=none,
        accepted=True,
        reason="",
        scanner=scanner or Scanner(),
        tip=tip or Tip(),
    )


def test_starts_are_as_far_off_as_they_say():
    edge = torch.arange(45) * 6.0
    pos = torch.cartesian_prod(edge, edge, torch.zeros(1))
    n = len(pos)
    truth = AFMData(z=torch.full((n,), 6), pos=pos, charge=torch.ones(n))
    settings = RefinementSettings(sigma_scale=0.5)
    start = draw_start(truth, settings, np.random.default_rng(0))
    distance, nearest = torch.cdist(start.pos.double(), truth.pos.double()).min(dim=1)
    true = distance < 1.0  # few false ones lie so near
    # As many as were drawn, within four standard deviations of binomials.
    assert 0.95 * n - 40 < len(nearest[true].unique()) < 0.95 * n + 40
    assert 0.02 * n < int((~true).sum()) < 0.08 * n
    off = (start.pos - truth.pos[nearest])[true]
    assert off[:, 1:].std(dim=0).tolist() == pytest.approx(NOISE[1:], rel=0.1)
    assert (start.sigma[0] * settings.sigma_scale).tolist() == pytest.approx(NOISE)
    assert float(start.pos[:, 2].max()) == 0 and not start.charge.any()
    assert torch.cdist(start.pos[~true].double(), start.pos[true].double()).min() >= ROOM - 1e-3
    assert start.class_probabilities.sum(dim=1).numpy() == pytest.approx(1)
    assert start.class_probabilities.argmax(dim=1).add(1).equal(CLASSES.index_of(start.z))


def test_the_guess_of_the_height_is_that_of_a_nominal_scan():
    nominal = measure(benzene(), Measurement.nominal(SCAN), [], SCAN)
    case = prepare_case(nominal, SETTINGS["measured"], np.random.default_rng(0))
    # The highest atom is taken for oxygen, and the probe kept farther from carbon.
    higher = float(anchor_height(benzene(), SCAN, Tip())) - nominal_height(SCAN, Tip())
    assert 0.1 < higher < 0.4
    ppm, stack = ProbeParticleModel(case.prepared.scan).quiet(), case.prepared.stack.tensor()
    assert float(pearson(ppm(case.truth, z_top=case.z_top + higher), stack).mean()) > 0.99


def test_the_truth_is_perfect_at_any_height(case, measured):
    distance, nearest = torch.cdist(case.start.pos, case.truth.pos).min(dim=1)
    assert float(distance.max()) < 1
    pos = case.truth.pos[nearest] + torch.tensor([0.0, 0.0, 0.4])
    found = score_result(
        result(case, pos, Scanner((0.9, 1.1)), Tip(stiffness=(0.5, 0.5, 0.0))), case, measured
    )
    before, after = found["error"]
    assert before > 0.08 and after == pytest.approx(0, abs=1e-5) == found["error_xy"][1]
    assert found["surface"][1][0] == len(case.start.z)
    assert found["scale"] == pytest.approx([(-math.log(0.9) + math.log(1.1)) / 2, 0])
    assert found["stiffness"] == pytest.approx([math.log(2), 0])


def test_atoms_that_get_lost_count(case, measured):
    pos = case.start.pos.clone()
    pos[0, 0] += 9.0
    found = score_result(result(case, pos), case, measured)
    assert found["error"][1] > found["error"][0] + 9 / len(pos) - 0.5
    assert found["surface"][1][0] == found["surface"][0][0] - 1


def test_rows_add_up(case, measured):
    record = score_result(result(case, case.start.pos), case, measured)
    record |= {"cpu_s": 2.0, "pearson": [0.5, 0.7]}
    worse = record | {"error": [0.1, 0.2], "surface": [[10, 10, 10], [5, 10, 10]], "cpu_s": 4.0}
    row = json.loads(json.dumps(summarize([record, worse], "both")))
    matched, predicted, true = record["surface"][0]
    assert row["f1"][1] == pytest.approx(2 * (matched + 5) / (predicted + true + 20))
    assert row["worst"] == pytest.approx(-0.5) and row["worse"] == 0.5 and row["cpu_s"] == 3.0
    assert row["error"][1] == pytest.approx((record["error"][0] + 0.2) / 2)
    low, high = row["f1_change_interval"]
    assert low <= row["f1"][1] - row["f1"][0] <= high
    for columns in TABLES.values():
        assert all(isinstance(cell(row), str) for cell in columns.values())
