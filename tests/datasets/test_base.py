"""What PyG's data sets can do, ours can."""

import numpy as np
import pytest
import torch
from torch.utils.data import Subset

from torch_afm.config import Scan
from torch_afm.datasets import AFMDataset, MoleculeDataset, WaterSurfaces
from torch_afm.testing import assert_same_graph, benzene, water

MAKE = {
    "molecules": lambda **more: MoleculeDataset(["C", "CC", "O", "CO", "N", "CN"], cache=False, **more),
    "steps": lambda **more: AFMDataset(
        [water(), benzene()], Scan(pixels=(8, 8), n_slices=2), rotations=3, candidates=10, **more
    ),
    "surfaces": lambda **more: WaterSurfaces(6, arrangements=["chains"], metals=["Au"], size=6, **more),
}
#: An index, and the items that it chooses of six.
SUBSETS = [
    (slice(1, 4), [1, 2, 3]),
    (slice(None, None, -2), [5, 3, 1]),
    (range(2, 5), [2, 3, 4]),
    ([3, -1, 0], [3, 5, 0]),
    ([], []),
    (torch.tensor([4, 2]), [4, 2]),
    (np.array([1, 0], dtype=np.int32), [1, 0]),
    (torch.tensor([True, False, False, True, False, True]), [0, 3, 5]),
    (np.array([False, True] * 3), [1, 3, 5]),
    ([True] * 2 + [False] * 4, [0, 1]),
]


@pytest.fixture(scope="module", params=MAKE)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def dataset(name):
    return MAKE[name]()


def test_items_end_and_negative_ones_count_from_there(dataset):
    items = list(dataset)
    assert len(items) == len(dataset) == 6
    for index in (np.int64(2), torch.tensor(2), -4):
        assert_same_graph(dataset[index], items[2])
    for index in (6, -7):
        with pytest.raises(IndexError):
            dataset[index]


def test_subsets(dataset):
    items = list(dataset)
    for index, expected in SUBSETS:
        part = dataset[index]
        assert type(part) is type(dataset) and len(part) == len(expected)
        for got, i in zip(part, expected, strict=True):
            assert_same_graph(got, items[i])
    assert_same_graph(dataset[1:][-2:][0], items[4])
    for wrong in ([True, False], torch.ones(7, dtype=torch.bool), [0.5], "two", [6], np.zeros((2, 2), int)):
        with pytest.raises(IndexError):
            dataset[wrong]


def test_shuffled(dataset):
    torch.manual_seed(0)
    part, order = dataset.shuffle(return_perm=True)
    assert sorted(order.tolist()) == list(range(6)) != order.tolist()
    for got, i in zip(part, order.tolist(), strict=True):
        assert_same_graph(got, dataset[i])


def test_transform(name, dataset):
    def mark(data):
        data.mark = len(data.z)
        return data

    marked = MAKE[name](transform=mark)
    assert [data.mark for data in marked[2:4]] == [len(data.z) for data in dataset[2:4]]
    assert "mark" not in dataset[0] and marked[0].mark == marked[[0]][0].mark


def test_steps_that_a_loader_fetches_are_transformed_and_those_of_the_subset():
    def mark(data):
        data.mark = 1
        return data

    dataset = MAKE["steps"](transform=mark)
    keys = [dataset[2:].__getitems__([0, (3, -1)]), Subset(dataset, [2, 5]).__getitems__([0])]
    assert [s.drawn for s in keys[0]] == [dataset[0, 2].drawn, dataset[3, 5].drawn]
    assert [s.drawn for s in keys[1]] == [dataset[1, 2].drawn]
    assert all(s.mark == 1 for part in keys for s in part)
    assert all(s.mark == 1 for s in dataset.replay([s.drawn for s in keys[0]]))


def test_molecules_of_a_subset_keep_their_names():
    part = MAKE["molecules"]()[[2, 0]]
    assert part.smiles == ["O", "C"] == [data.smiles for data in part]
    assert part.names == ["molecule-3", "molecule-1"] and part.ids.tolist() == [2, 0]
    assert repr(part) == "MoleculeDataset(2)"
    assert repr(MAKE["steps"]()[:4]) == (
        "AFMDataset(RotatedMolecules(2 molecules x 3 rotations), 4 of 6 items)"
    )
