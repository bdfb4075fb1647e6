import numpy as np
import pytest

from torch_afm.datasets import published_split, split_by_molecule, split_by_scaffold, splits
from torch_afm.datasets.smi import embedded_smiles
from torch_afm.utils import InputError


@pytest.mark.parametrize("n", [0, 1, 2, 7, 1500])
def test_every_molecule_is_in_one_set(n):
    parts = split_by_molecule(n)
    assert np.sort(np.concatenate(parts)).tolist() == list(range(n))
    assert all((np.diff(p) > 0).all() for p in parts)


def test_sizes():
    assert [len(p) for p in split_by_molecule(1000)] == [750, 95, 155]
    assert [len(p) for p in split_by_molecule(10, (0.5, 0.0, 0.5))] == [5, 0, 5]
    # The split of the thesis.
    assert [len(p) for p in split_by_molecule(6328, (4728 / 6328, 600 / 6328, 1000 / 6328))] == [
        4728,
        600,
        1000,
    ]


def test_seed():
    train = split_by_molecule(100, seed=1)[0]
    assert np.array_equal(train, split_by_molecule(100, seed=1)[0])
    assert not np.array_equal(train, split_by_molecule(100, seed=2)[0])


def test_sets_are_drawn_evenly():
    """Over many seeds each molecule is in the test set as often as its share says."""
    counts = sum(
        np.bincount(split_by_molecule(40, (0.5, 0.25, 0.25), seed)[2], minlength=40) for seed in range(400)
    )
    # Binomial(400, 1/4): mean 100, standard deviation 8.7.
    assert counts.sum() == 4000 and abs(counts - 100).max() < 5 * 8.7


@pytest.mark.parametrize(
    "fractions", [(0.5, 0.5), (0.5, 0.6, 0.2), (1.5, -0.25, -0.25), (0.5, 0.5, float("nan"))]
)
def test_bad_fractions(fractions):
    with pytest.raises(InputError, match="fractions"):
        split_by_molecule(10, fractions)


def test_bad_number():
    with pytest.raises(InputError, match="n: expected"):
        split_by_molecule(-1)


def test_published_split_is_the_thesis_in_size_and_fixed():
    parts = published_split()
    assert [len(p) for p in parts] == [4728, 600, 1000]
    assert np.sort(np.concatenate(parts)).tolist() == list(range(6328))
    # A few ids written down: they must never change.
    assert [p[:3].tolist() for p in parts] == [[0, 1, 2], [16, 176, 215], [29, 51, 57]]


def test_published_split_keeps_what_the_weights_saw_for_training():
    seen = np.concatenate(split_by_molecule(1500)[:2])
    assert len(seen) == 1268
    assert np.isin(seen, published_split()[0]).all()


def test_published_split_of_a_list_that_grew_or_changed(monkeypatch):
    smiles = embedded_smiles()
    monkeypatch.setattr(splits, "embedded_smiles", lambda name: (*smiles, "CCCCCCCCCC"))
    train, validation, test = published_split()
    assert len(train) == 4729 and train[-1] == 6328 and len(validation) == 600 and len(test) == 1000
    monkeypatch.setattr(splits, "embedded_smiles", lambda name: ("C", *smiles[1:]))
    with pytest.raises(InputError, match="embedded list"):
        published_split()


# Two phenyls that differ in side chains, two of biphenyl, a pyridine, and molecules without ring.
SCAFFOLDS = [
    "Cc1ccccc1",
    "c1ccc(-c2ccccc2)cc1",
    "CCO",
    "OCc1ccccc1",
    "Clc1ccc(-c2ccccc2)cc1",
    "c1ccncc1",
    "CCN",
]


@pytest.mark.parametrize("seed", range(20))
def test_scaffolds_stay_together(seed):
    parts = [set(p.tolist()) for p in split_by_scaffold(SCAFFOLDS, (0.4, 0.3, 0.3), seed)]
    assert sorted(i for p in parts for i in p) == list(range(7))
    assert all(not p & pair or pair <= p for p in parts for pair in ({0, 3}, {1, 4}))


def test_scaffold_split_of_the_embedded_list():
    smiles = embedded_smiles()
    parts = split_by_scaffold(smiles, (0.75, 0.1, 0.15))
    assert [len(p) / len(smiles) for p in parts] == pytest.approx([0.75, 0.1, 0.15], abs=1e-3)
    assert np.array_equal(parts[2], split_by_scaffold(smiles, (0.75, 0.1, 0.15))[2])
    assert not np.array_equal(parts[2], split_by_scaffold(smiles, (0.75, 0.1, 0.15), seed=1)[2])


def test_what_comes_again_stays_in_the_strictest_part():
    keys = ["a", "b", "c", None, "b", "c", None, "d", "a"]
    split = np.array([0, 1, 2, 3, 8]), np.array([4, 5, 6]), np.array([2, 7])
    train, validation, test = splits.drop_repeated(split, keys)
    # "c" is for testing, "b" for validation; what has no key is like nothing else.
    assert train.tolist() == [0, 3, 8] and validation.tolist() == [4, 6] and test.tolist() == [2, 7]
    none = np.empty(0, dtype=np.int64)
    assert [p.tolist() for p in splits.drop_repeated((none, none, none), [])] == [[], [], []]


def test_scaffold_split_of_bad_input():
    with pytest.raises(InputError, match="'C\\(' at index 1"):
        split_by_scaffold(["C", "C("])
    with pytest.raises(InputError, match="fractions"):
        split_by_scaffold(["C"], (1, 1, 1))
