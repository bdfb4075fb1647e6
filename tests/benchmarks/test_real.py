"""The scores of predictions from measured scans, of predictions that are made up."""

import json
from types import SimpleNamespace

import pytest
import torch

from benchmarks.real.run import level, read_pose, score
from torch_afm.data import AFMData
from torch_afm.testing import benzene


def prediction(graph: AFMData):
    return SimpleNamespace(graph=graph, context=AFMData.empty())


def test_the_truth_itself_is_perfect_whatever_its_height():
    truth, lifted = benzene(), benzene()
    lifted.pos = lifted.pos + torch.tensor([0.0, 0.0, 0.7])
    row = score(prediction(lifted), truth)
    assert row["f1_0.5"] == row["f1_0.8"] == row["bonds_f1"] == 1.0
    assert row["elements_0.8"] == [12, 12] and 0 < row["chance_0.5"] < row["chance_0.8"] < 1


def test_other_elements_and_places_are_counted():
    graph = benzene()
    graph.z = torch.full_like(graph.z, 7)
    assert score(prediction(graph), benzene())["elements_0.8"] == [0, 12]
    graph.pos = graph.pos + torch.tensor([20.0, 0.0, 0.0])
    assert score(prediction(graph), benzene())["f1_0.8"] == 0.0


def test_heights_are_shifted_by_the_median():
    truth = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, -0.5], [4.0, 0.0, 0.0]])
    found = truth + torch.tensor([0.1, 0.0, 1.3])
    found[1, 2] += 5
    assert level(found, truth)[:, 2].tolist() == pytest.approx([0.0, 4.5, 0.0], abs=1e-6)


def test_poses_of_both_files_have_their_top_atom_at_zero(tmp_path):
    (tmp_path / "pose.xyz").write_text(
        "2\nelement, x, y, z, charge\nBr 1.0 2.0 3.0 0.1\nC 2.0 3.0 2.5 -0.1\n"
    )
    pose = {"scan": {"z": [35, 6], "pos": [[1.0, 2.0, 3.0], [2.0, 3.0, 2.5]]}}
    (tmp_path / "pose.json").write_text(json.dumps(pose))
    for name in ("pose.xyz", "pose.json"):
        truth = read_pose(tmp_path / name, "scan.h5")
        assert truth.z.tolist() == [35, 6] and truth.pos[:, 2].tolist() == [0.0, -0.5]
