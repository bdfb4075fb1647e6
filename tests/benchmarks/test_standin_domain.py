"""The labeled stand-in for measured scans: its scenes, and the scores of predictions that are made up."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks.standin.imaging import draw_measurement, image_scene, measure
from benchmarks.standin.run import TABLES
from benchmarks.standin.scores import score_scene, summarize, truth_pearson
from benchmarks.standin.strata import STRATA, checksum, draw_scenes, molecules
from torch_afm.data import AFMData
from torch_afm.datasets.enumerate import is_planar
from torch_afm.datasets.nuisances import Measurement
from torch_afm.elements import ORGANIC, AtomClasses
from torch_afm.metrics import Calibration
from torch_afm.testing import benzene
from torch_afm.utils import InputError

CLASSES = AtomClasses(tuple((symbol,) for symbol in ORGANIC))


@pytest.fixture(scope="module")
def scenes():
    return list(draw_scenes(strata=[dataclasses.replace(stratum, count=1) for stratum in STRATA]))


def test_scenes_are_fixed_by_the_seed(scenes):
    one_each = [dataclasses.replace(stratum, count=1) for stratum in STRATA]
    assert checksum(list(draw_scenes(strata=one_each))) == checksum(scenes)
    assert checksum(list(draw_scenes(strata=one_each, seed=1))) != checksum(scenes)
    assert [scene.number for scene in scenes] == list(range(len(STRATA)))
    with pytest.raises(InputError, match=r"^part: "):
        list(draw_scenes("train"))


def test_strata_are_what_their_names_say(scenes):
    assert sum(stratum.count for stratum in STRATA) == 500
    drawn = {scene.stratum.name: scene.atoms for scene in scenes}
    assert {1, 8} <= set(drawn["water"].z.tolist()) <= {1, 8, 47, 79}
    centered = drawn["alone, centered"]
    flat = centered.pos[centered.z < 60, :2]
    assert ((flat.amin(0) + flat.amax(0)) / 2).tolist() == pytest.approx([0, 0], abs=1e-4)
    assert np.ptp(drawn["flat"].pos[drawn["flat"].z < 29, 2].numpy()) < 3  # 8° at most
    assert np.isin(drawn["flat, halogen"].z.numpy(), (17, 35, 53)).any()
    # The plane lies below the hydrogens of a CH3.
    lying = drawn["protruding group"]
    heavy = lying.pos[(lying.z > 1) & (lying.z < 60), 2]
    assert heavy.max() < lying.pos[lying.z == 1, 2].max()


def test_measurements_are_those_of_the_stratum(scenes):
    drawn = {scene.stratum.name: draw_measurement(scene, 0) for scene in scenes}
    assert len(drawn["single slice"].heights) == 1 and len(drawn["three slices"].heights) == 3
    assert drawn["far"].height > 0.5
    (low, high), _ = drawn["alone, centered"].window
    assert (low, high) == (-8.0, 8.0)


def test_a_measured_scene_is_what_a_file_would_contain(scenes):
    scene = scenes[1]
    once, again = (image_scene(scene, 0) for _ in range(2))
    np.testing.assert_array_equal(once.stack.values, again.stack.values)
    assert once.drawn == again.drawn != image_scene(scene, 1).drawn
    assert once.stack.heights.tolist() == list(once.drawn["heights"])
    assert once.stack.z_top is None and set(once.stack.meta) <= {"amplitude"}
    # Atoms lie where the scanner says they are.
    matrix = np.array(once.drawn["matrix"])
    where = once.truth.pos[:, :2].double().numpy() @ matrix.T
    np.testing.assert_allclose(where, scene.atoms.pos[:, :2].numpy(), atol=1e-4)


def test_the_truth_lies_where_its_image_does():
    scan = STRATA[0].scan
    measurement = dataclasses.replace(
        Measurement.nominal(scan),
        matrix=((1 / 1.12, 0.02), (0.0, 1 / 0.92)),
        window=((-6.0, 8.0), (-5.0, 7.0)),
        amplitude=1.6,
        height=-0.2,
    )
    case = measure(benzene(), measurement, [], scan)
    window, (_, ny, nx) = case.stack.window, case.stack.values.shape
    shown = dataclasses.replace(scan, window=window, pixels=(nx, ny), n_oscillation=16)
    prediction = SimpleNamespace(scan=shown, reference=case.stack.afm_stack())
    best = truth_pearson(prediction, case)
    assert best > 0.98
    for shift in ([0.3, 0, 0], [-0.3, 0, 0], [0, 0.3, 0], [0, -0.3, 0], [0, 0, 0.1], [0, 0, -0.1]):
        moved = benzene()
        moved.pos = case.truth.pos + torch.tensor(shift)
        assert truth_pearson(prediction, case._replace(truth=moved)) < best


def test_molecules_of_strata():
    known = molecules("test")
    assert {name: len(some) > 20 for name, some in known.items()} == dict.fromkeys(known, True)
    assert all(is_planar(m) for m in known["halogen"]) and not any(is_planar(m) for m in known["protruding"])


def measured(atoms):
    scan = STRATA[0].scan
    return measure(atoms, Measurement.nominal(scan), [], scan)


def predicted(graph, context=None):
    graph = AFMData(z=graph.z, pos=graph.pos, charge=graph.charge, edge_index=graph.edge_index)
    context = AFMData.empty() if context is None else context
    for part in (graph, context):
        part.confidence = torch.full((len(part.z),), 0.99)
        part.bond_probability = torch.full((part.edge_index.size(1),), 0.99)
        part.class_probabilities = torch.nn.functional.one_hot(
            CLASSES.index_of(part.z) - 1, len(CLASSES) - 1
        ).float()
    return graph, context


def score(case, graph, context=None, **changes):
    graph, context = predicted(graph, context)
    prediction = SimpleNamespace(
        graph=graph, context=context, ended="stop", verdict=SimpleNamespace(pearson=0.5), **changes
    )
    scan, stack = STRATA[0].scan, case.stack.afm_stack()
    prediction.scan, prediction.reference = scan, stack
    record = score_scene(case, prediction, CLASSES, Calibration(), 0)
    return json.loads(json.dumps(record | {"refused": None, "cpu_s": 1.0}))


@pytest.fixture(scope="module")
def case():
    return measured(benzene())


def test_the_truth_itself_is_perfect_whatever_its_height(case):
    lifted = benzene()
    lifted.pos = lifted.pos + torch.tensor([0.0, 0.0, 0.7])
    row = summarize([score(case, lifted)], "one")
    perfect = ("f1", "f1_band", "precision", "recall", "skeleton", "hydrogen", "elements", "bonds", "exact")
    assert {name: row[name] for name in perfect} == dict.fromkeys(perfect, 1.0)
    assert row["oxygen"] is None and row["error"] == pytest.approx(0, abs=1e-5)
    assert row["nll"] == pytest.approx(-2 * np.log(0.99), rel=1e-3)
    assert row["atom_ece"] == pytest.approx(0.01, abs=1e-4)
    assert 0 < row["chance"] < 0.5
    # The stack is that of the nominal tip.
    assert row["truth_pearson"] == pytest.approx(1, abs=1e-4) and row["pearson"] == 0.5


def test_what_lies_outside_of_the_window_does_not_count(case):
    graph = benzene()
    far = benzene()
    graph = AFMData(
        z=torch.cat([graph.z, far.z]),
        pos=torch.cat([graph.pos, far.pos + torch.tensor([20.0, 0, 0])]),
        charge=torch.zeros(24),
        edge_index=torch.cat([graph.edge_index, far.edge_index + 12], dim=1),
    )
    row = summarize([score(case, graph)], "one")
    assert row["f1"] == row["bonds"] == row["exact"] == 1.0
    row = summarize([score(measured(graph), benzene())], "one")
    assert row["f1"] == row["exact"] == 1.0


def test_wrong_elements_and_places_are_counted(case):
    graph = benzene()
    graph.z = torch.full_like(graph.z, 7)
    row = summarize([score(case, graph)], "one")
    assert (row["f1"], row["elements"], row["hydrogen"]) == (1.0, 0.0, 0.0)
    assert row["skeleton"] == pytest.approx(2 * 6 / (12 + 6))  # the hydrogens are called heavy atoms
    graph.pos = graph.pos + torch.tensor([3.0, 2.0, 0.0])
    assert summarize([score(case, graph)], "one")["f1"] < 0.3


def test_a_refused_scan_is_an_empty_prediction(case):
    record = score_scene(case, None, CLASSES, Calibration(), 0)
    row = summarize([json.loads(json.dumps(record | {"refused": "too few", "cpu_s": 0.1}))], "one")
    assert (row["refused"], row["f1"], row["recall"], row["skeleton"]) == (1, 0.0, 0.0, 0.0)
    assert row["nll"] == pytest.approx(-np.log(0.01)) and row["pearson"] is None


def test_elements_that_the_network_does_not_have_are_missing_ones():
    molecule = benzene()
    molecule.z[6] = 53
    row = summarize([score(measured(molecule), benzene())], "one")
    assert row["elements"] == pytest.approx(11 / 12) and row["nll"] > -np.log(0.01) / 12


def test_tables_have_a_cell_for_every_score(case):
    record = score_scene(case, None, CLASSES, Calibration(), 0) | {"refused": "no", "cpu_s": 0.0}
    row = summarize([record], "one")
    for columns in TABLES.values():
        assert all(isinstance(cell(row), str) for cell in columns.values())
