import numpy as np
import torch
from torch_geometric.data import Batch

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.evaluation import evaluate_steps, stop_at_once
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
