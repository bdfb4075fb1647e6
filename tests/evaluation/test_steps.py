"""Steps scored once, and what a trained network has to beat."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.evaluation import brightest_pixel, evaluate_steps, random_atom, stop_at_once
from torch_afm.metrics import StepMetrics

CLASSES = AtomClasses()


class _Steps:
    """Steps whose missing atom tells their index."""

    classes, z_min, rotations, mutants = CLASSES, -0.7, 3, 2

    def __getitems__(self, keys):
        return [
            AFMData(
                z=torch.tensor([6]),
                pos=torch.zeros(1, 3),
                missing_z=torch.tensor([1]),
                missing_pos=torch.tensor([[float(key), 0.0, 0.0]]),
                missing_edge_index=torch.tensor([[0], [0]]),
            )
            for _, key in keys
        ]


def test_all_predictors_see_the_same_steps_once():
    seen = []

    def one(batch):
        seen.append(batch.num_graphs)
        return stop_at_once(batch, CLASSES)

    def far(batch):
        out = stop_at_once(batch, CLASSES)
        return out._replace(pos=out.pos + 1)

    indices = [0, 5, 6, 13, 7]
    found = evaluate_steps({"one": one, "far": far}, _Steps(), indices, batch_size=2)
    assert seen == [2, 2, 1]
    rows = found["one"].rows()
    assert rows["true"][:, 0].tolist() == indices
    # Three rotations with two mutants each: six steps a molecule.
    assert rows["molecule"].tolist() == [0, 0, 1, 2, 1]
    np.testing.assert_allclose(found["far"].rows()["pred"], rows["pred"] + 1)

    whole = StepMetrics(CLASSES)
    batch = Batch.from_data_list(_Steps().__getitems__([(0, i) for i in indices]))
    whole.update(far(batch), batch, rows["molecule"])
    assert whole.compute() == found["far"].compute()


def test_what_is_in_the_file_is_not_computed_again(tmp_path):
    seen = []

    def one(batch):
        seen.append(batch.num_graphs)
        return stop_at_once(batch, CLASSES)

    indices = [0, 5, 6, 13, 7]
    whole = evaluate_steps({"one": one}, _Steps(), indices, 2)["one"].rows()
    seen.clear()
    file = tmp_path / "steps.npz"
    for count in (2, 5, 4):
        found = evaluate_steps({"one": one}, _Steps(), indices[:count], 2, file)["one"].rows()
        for key, values in found.items():
            np.testing.assert_array_equal(values, whole[key][:count])
    assert seen == [2, 2, 1]


def _batch(graphs, n=2):
    # One hydrogen missing in the middle of a square window, at the top, bonded to the first atom.
    data = AFMData(
        z=torch.full((n,), 6),
        pos=torch.zeros(n, 3),
        missing_z=torch.tensor([1]),
        missing_pos=torch.zeros(1, 3),
        missing_edge_index=torch.tensor([[0], [0]]),
    )
    return Batch.from_data_list([data] * graphs)


def test_random_atom_scores_what_chance_gives():
    batch = _batch(4000)
    metrics = StepMetrics(CLASSES)
    scan = Scan(window=((-8.0, 8.0), (-4.0, 4.0)))
    out = random_atom(batch, scan, CLASSES, torch.Generator().manual_seed(0))
    metrics.update(out, batch)
    table = metrics.compute()
    # |x|, |y|, |z| uniform on [0, 8], [0, 4], [0, 0.7]: means 4, 2, 0.35
    for axis, mean in (("x", 4.0), ("y", 2.0), ("z", 0.35)):
        assert table["position_error"]["mean"][axis] == pytest.approx(mean, rel=0.05)
    assert out.pos[:, 2].max() <= 0 and out.pos[:, 2].min() >= -0.7
    assert table["class"]["count"][1][0] == 0
    assert table["class"]["fraction"][1][1] == pytest.approx(0.5, abs=0.04)
    for row in table["bond"]["fraction"]:
        assert row == pytest.approx([0.5, 0.5], abs=0.04)
    again = random_atom(batch, scan, CLASSES, torch.Generator().manual_seed(0))
    assert all(torch.equal(a, b) for a, b in zip(out, again, strict=True))


def test_stop_at_once():
    batch = _batch(3)
    metrics = StepMetrics(CLASSES)
    metrics.update(stop_at_once(batch, CLASSES), batch)
    table = metrics.compute()
    assert table["class"]["count"] == [[0, 0, 0], [3, 0, 0], [0, 0, 0]]
    assert table["bond"]["count"] == [[3, 0], [3, 0]]
    assert table["stop"]["precision"] == 0


def test_brightest_pixel():
    scan = Scan(pixels=(8, 6), window=((-7.0, 7.0), (-5.0, 5.0)))
    batch = _batch(2)
    batch.reference = torch.zeros(2, 1, scan.n_slices, 6, 8)
    batch.reference[:, :, 0, 0, 0] = 9  # far from the sample: not looked at
    batch.reference[0, 0, -1, 1, 6] = 1
    batch.reference[1, 0, -1, 5, 0] = 1
    out = brightest_pixel(batch, scan, CLASSES)
    assert out.pos.tolist() == [[5.0, -3.0, 0.0], [-7.0, 5.0, 0.0]]
    assert out.class_logits.argmax(1).tolist() == [1, 1] and (out.edge_logits < 0).all()
