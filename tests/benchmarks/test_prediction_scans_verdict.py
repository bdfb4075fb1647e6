"""How structures of the stand-in are made wrong, and how their verdicts are counted."""

import numpy as np
import pytest
import torch

from benchmarks.prediction_scans.structures import Structure, edit, split
from benchmarks.prediction_scans.verdict import (
    ALL,
    NONE,
    UNTRUE,
    alike,
    is_right,
    judge_scene,
    judge_trial,
    summarize,
)
from benchmarks.prediction_scans.verdict_cases import Trial
from torch_afm.config import Scan
from torch_afm.data import AFMData, from_smiles
from torch_afm.io import AFMStack
from torch_afm.ppm import ProbeParticleModel, anchor_height

SCAN = Scan(pixels=(48, 48), window=((-6.0, 6.0), (-6.0, 6.0)))


@pytest.fixture(scope="module")
def scene():
    """Naphthalene flat: its renderer, its height, its image, the molecule."""
    found = from_smiles("c1ccc2ccccc2c1")
    pos = found.pos - found.pos.mean(0)
    found.pos = pos @ torch.linalg.svd(pos, full_matrices=False).Vh.T
    found.pos[:, 2] -= found.pos[:, 2].max()
    renderer = ProbeParticleModel(SCAN)
    z_top = float(anchor_height(found, SCAN, renderer.tip))
    return renderer, z_top, renderer(found, z_top=z_top).cpu(), found


@pytest.fixture(scope="module")
def trial(scene):
    renderer, z_top, image, truth = scene
    stack = AFMStack(image[0].numpy(), SCAN.x, SCAN.y, SCAN.slice_heights(8.0))

    def made(graph, name="truth", certainty=None):
        simulated = renderer(graph, z_top=z_top).cpu()
        return Trial(0, name, Structure(graph, AFMData.empty()), simulated, stack, truth, certainty)

    return made


def moved(atoms, by):
    return AFMData(z=atoms.z, pos=atoms.pos + torch.tensor(by), charge=atoms.charge)


def changed(atoms, index, z):
    other = AFMData(z=atoms.z.clone(), pos=atoms.pos, charge=atoms.charge)
    other.z[index] = z
    return other


def test_right_at_any_height_and_with_its_wrong_atoms_named(scene, trial):
    truth = scene[3]
    whole = trial(truth)
    assert is_right(whole, None)
    assert is_right(trial(moved(truth, [0.2, 0.0, 0.0])), None)
    assert not is_right(whole._replace(structure=Structure(moved(truth, [1.0, 0, 0]), AFMData.empty())), None)
    higher = Structure(moved(truth, [0.0, 0.0, 0.7]), AFMData.empty())
    assert is_right(whole._replace(structure=higher), None)
    wrong = trial(changed(truth, 3, 7))
    assert not is_right(wrong, None)
    assert is_right(wrong, judge_trial(wrong, None))  # nobody gave probabilities of elements
    sure = wrong._replace(certainty=torch.full((18,), 0.99))
    assert not is_right(sure, judge_trial(sure, None))
    certainty = torch.full((18,), 0.99)
    certainty[3] = 0.5
    named = wrong._replace(certainty=certainty)
    assert is_right(named, judge_trial(named, None))
    # A missing atom has no name.
    part = AFMData(z=truth.z[1:], pos=truth.pos[1:], charge=truth.charge[1:])
    less = trial(part)._replace(certainty=torch.zeros(17))
    assert not is_right(less, judge_trial(less, None))


def test_what_is_unlike(scene, trial):
    truth = scene[3]
    assert alike(trial(truth), trial(moved(truth, [0.1, 0.1, 0.4])))
    assert not alike(trial(truth), trial(changed(truth, 0, 7)))
    part = AFMData(z=truth.z[1:], pos=truth.pos[1:], charge=truth.charge[1:])
    assert not alike(trial(truth), trial(part)) and not alike(trial(part), trial(truth))


def test_verdicts_of_a_scan_are_counted(scene, trial):
    truth = scene[3]
    half = truth.pos[:, 0] > 0
    part = AFMData(z=truth.z[half], pos=truth.pos[half], charge=truth.charge[half])
    trials = [trial(truth), trial(part, "half of it"), trial(truth, "atom added")]
    judged = judge_scene(trials)
    assert {r["name"] for r in judged} == {"truth", "half of it"}  # the third shows the same as the truth
    margins = {(r["name"], r["against"]): r["margin"] for r in judged}
    assert margins["truth", NONE] is None and margins["truth", ALL] > 100
    assert margins["half of it", ALL] == -margins["truth", ALL]
    assert margins["half of it", UNTRUE] is None and ("truth", UNTRUE) not in margins
    row = summarize(judged, ALL)
    assert row["explained"] == [1, 1] and row["exact"] == [1, 1] and row["not explained"] == [0, 1]
    assert row["truths explained"] == [1, 1] and row["chance"] == 0.5


def test_each_edit_is_what_it_says(scene):
    truth = scene[3]
    true = Structure(truth, AFMData.empty())
    found = edit(true, np.random.default_rng(0))
    sizes = {name: len(structure.graph.z) for name, structure in found.items()}
    assert sizes["atom removed"] == 17 and sizes["atom added"] == 19 and sizes["half of it"] <= 9
    assert int((found["element changed"].graph.z != truth.z).sum()) == 1
    assert len(truth.z) == 18 and sorted(truth.z.tolist()) == [1] * 8 + [6] * 10  # as it was


def test_atoms_outside_of_the_scan_are_context(scene):
    truth = scene[3]
    part = np.zeros((1, 2, 8, 8))
    stack = AFMStack(part, np.linspace(-6, 0, 8), np.linspace(-6, 6, 8), np.array([1.0, 0.0]))
    graph, context = split(Structure(truth, AFMData.empty()), stack)
    assert (graph.pos[:, 0] <= 0).all() and (context.pos[:, 0] > 0).all()
    assert len(graph.z) + len(context.z) == 18
