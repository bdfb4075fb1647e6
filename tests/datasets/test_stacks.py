"""Training steps whose reference stacks are measured as drawn."""

import copy
import dataclasses
import json
import pickle

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan
from torch_afm.data import from_smiles, pack_atoms
from torch_afm.datasets import (
    Measurement,
    NuisanceConfig,
    Nuisances,
    RotatedMolecules,
    StepDataset,
    StepDraws,
    StepRenderer,
)
from torch_afm.datasets.measured import finish_measured, render_measured
from torch_afm.functional import normalize_slices
from torch_afm.ppm import ProbeParticleModel

SCAN = Scan(pixels=(16, 16), window=((-6.0, 6.0), (-6.0, 6.0)))
RANGES = NuisanceConfig(window=(6.0, 20.0), slices=(1, 6))


@pytest.fixture(scope="module")
def molecules():
    return [from_smiles(s) for s in ("Oc1ccncc1", "CC(=O)N")]


def dataset(molecules, defer=False, share=1.0, ranges=RANGES, **draws):
    source = RotatedMolecules(molecules, rotations=2, candidates=20)
    draws = StepDraws(nuisances=Nuisances(ranges, share), seed=3, z_min=-2.0, **draws)
    return StepDataset(source, draws, StepRenderer(SCAN, backend="opencl"), defer=defer)


def assert_equal(first, second):
    assert set(first.keys()) == set(second.keys())
    for key, value in first.to_dict().items():
        other = second[key]
        assert torch.equal(value, other) if torch.is_tensor(value) else value == other, key


def test_samples_depend_on_their_number_alone_and_replay(molecules):
    data = dataset(molecules, mutants=2, copies=4)
    together = data.__getitems__([(1, i) for i in (0, 9, 1, 4, 31)])
    again = dataset(molecules, mutants=2, copies=4)
    for sample, i in zip(together, (0, 9, 1, 4, 31), strict=True):
        alone = again[1, i]
        assert_equal(sample, alone)
        (replayed,) = again.replay([alone.drawn])
        assert_equal(alone, replayed)
    assert together[0].drawn != data[2, 0].drawn


def test_reference_is_what_the_record_says(molecules):
    data = dataset(molecules)
    for i in range(4):
        sample = data[0, i]
        record = json.loads(sample.drawn)
        m = Measurement.from_dict(record["measurement"])
        raw = render_measured(data.source.oriented(i), m, SCAN, backend="opencl")
        reference, valid = finish_measured(raw, m, record["reference"]["steps"], SCAN)
        assert torch.equal(sample.reference[0, 0], reference) and torch.equal(sample.valid[0, 0], valid)
        assert float(sample.amplitude) == pytest.approx(m.amplitude if m.amplitude_known else 0.0)
        assert int(valid.sum()) > 0


def test_simulated_is_nominal_where_the_scanner_says_atoms_are(molecules):
    data = dataset(molecules)
    for i in range(4):
        sample = data[0, i]
        m = Measurement.from_dict(json.loads(sample.drawn)["measurement"])
        whole = torch.cat([sample.pos, sample.missing_pos])
        true = data.source.oriented(i)
        found = m.to_sample(whole, SCAN)[:, :2].float()
        distance = torch.cdist(found, true.pos[:, :2]).amin(dim=1)
        assert float(distance.max()) < 1e-4
        shown = data.draws.imaged(sample, true)
        expected = ProbeParticleModel(SCAN, backend="opencl")(pack_atoms([shown]), z_top=sample.z_top)
        torch.testing.assert_close(sample.simulated, normalize_slices(expected), rtol=1e-3, atol=1e-3)


def test_atoms_beside_what_was_measured_are_no_targets(molecules):
    data = dataset(molecules, ranges=NuisanceConfig(window=(2.5, 3.0), scale=0.0, shear=0.0))
    fewer = 0
    for i in range(4):
        sample = data[0, i]
        m = Measurement.from_dict(json.loads(sample.drawn)["measurement"])
        kept = torch.cat([sample.pos, sample.missing_pos])
        assert m.inside(kept, 0.5).all()
        fewer += len(kept) < len(data.source.oriented(i).z)
    assert fewer


def test_copies_are_turned_and_measured_anew(molecules):
    """Of the same rendered pair, so pixels agree but for motion and noise."""
    quiet = NuisanceConfig(
        double_tip=0,
        asymmetric_tip=0,
        drift=0,
        creep=0,
        jitter=0,
        tip_change=0,
        background=0,
        noise=(1e-3, 1e-3),
        rows=0,
    )
    data = dataset(molecules, copies=8, ranges=quiet)
    samples = data.__getitems__([(0, i) for i in range(8)])
    steps = [json.loads(s.drawn) for s in samples]
    assert len({json.dumps(s["frame"]) for s in steps}) == 8
    assert len({json.dumps(s["measurement"]) for s in steps}) == 1
    assert len({json.dumps(s["reference"]["steps"]) for s in steps}) == 8
    energies = [float(s.reference.square().sum()) for s in samples]
    np.testing.assert_allclose(energies, energies[0], rtol=1e-3)


def test_share_of_nominal_references(molecules):
    sample = dataset(molecules, share=0.0)[0, 1]
    assert sample.valid.all() and float(sample.amplitude) == SCAN.amplitude


def test_deferred_samples_come_out_the_same(molecules):
    data, deferred = dataset(molecules, mutants=2), dataset(molecules, defer=True, mutants=2)
    keys = [(0, 0), (0, 1), (0, 5)]
    expected = Batch.from_data_list(data.__getitems__(keys))
    batch = deferred.complete(Batch.from_data_list(deferred.__getitems__(keys)))
    for key in ("reference", "simulated", "valid", "amplitude", "pos", "missing_pos", "z_top"):
        torch.testing.assert_close(batch[key], expected[key], rtol=1e-4, atol=1e-4)


def test_pickles_without_what_it_keeps(molecules):
    data = dataset(molecules, copies=2)
    sample = data[0, 0]
    assert_equal(pickle.loads(pickle.dumps(data))[0, 0], sample)
    assert_equal(copy.deepcopy(data)[0, 0], sample)


def test_records_of_other_data_have_no_measurement(molecules):
    source = RotatedMolecules(molecules, rotations=2, candidates=20)
    plain = StepDataset(source, StepDraws(), StepRenderer(SCAN, backend="opencl"))
    sample = plain[0, 0]
    assert "valid" not in sample and "measurement" not in json.loads(sample.drawn)


def test_nuisances_of_one_draw_are_fields_of_the_record(molecules):
    record = json.loads(dataset(molecules)[0, 0].drawn)
    assert set(record["measurement"]) == {f.name for f in dataclasses.fields(Measurement)}
