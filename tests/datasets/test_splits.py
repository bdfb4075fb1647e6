import numpy as np
import pytest

from torch_afm.datasets import split_by_molecule
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
