import numpy as np
import pytest

from torch_afm.metrics.intervals import bootstrap
from torch_afm.utils import InputError


def test_interval_of_a_mean_is_that_of_theory():
    # Standard error of the mean of 400 independent numbers: std / 20.
    values = np.random.default_rng(1).normal(3.0, 2.0, size=400)
    low, high = bootstrap(lambda index: values[index].mean(), np.arange(400), n=2000)
    half = 1.96 * values.std() / 20
    assert [low, high] == pytest.approx([values.mean() - half, values.mean() + half], abs=0.15 * half)


def test_rows_of_a_molecule_stay_together():
    # 25 equal rows a molecule tell no more than one: the interval is five times that of independent rows.
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=100), 25)
    molecule = np.repeat(rng.permutation(100), 25)
    shuffle = rng.permutation(2500)
    values, molecule = values[shuffle], molecule[shuffle]
    width = {
        name: np.ptp(bootstrap(lambda index: values[index].mean(), groups, n=1000))
        for name, groups in (("molecules", molecule), ("rows", np.arange(2500)))
    }
    assert width["molecules"] / width["rows"] == pytest.approx(5, rel=0.1)


def test_layout_seed_and_what_is_undefined():
    values = np.array([1.0, 2.0, 3.0])

    def statistic(index):
        return {"a": [float(values[index].sum()), None], "b": {"n": len(index)}}

    got = bootstrap(statistic, np.array([5, 9, 9]), n=50, seed=3)
    assert got == bootstrap(statistic, np.array([5, 9, 9]), n=50, seed=3)
    assert got != bootstrap(statistic, np.array([5, 9, 9]), n=50, seed=4) or got["a"][0] == [2.0, 10.0]
    assert got["a"][1] is None
    # Two molecules, of one row and of two: from twice the first to twice the second.
    assert 2 <= got["b"]["n"][0] < 3 < got["b"]["n"][1] <= 4
    assert bootstrap(lambda index: None, np.empty(0, dtype=int), n=2) is None


@pytest.mark.parametrize(("n", "level"), [(0, 0.95), (10, 1.0), (10, 0.0)])
def test_bad_settings(n, level):
    with pytest.raises(InputError, match="n, level"):
        bootstrap(lambda index: 0.0, np.arange(3), n, level)
