"""Distances as text."""

import numpy as np

from torch_afm.metrics.distributions import compare, format_comparisons


def test_tables_hold_the_numbers():
    reference = [{"d_OO": np.array([2.7, 2.8]), "LSI": np.empty(0)}] * 3
    shifted = [{"d_OO": np.array([3.05, 3.15]), "LSI": np.ones(1)}] * 2
    given = {
        "near": compare(reference, reference, ["wasserstein"], n=5),
        "far": compare(shifted, reference, ["wasserstein", "kl"], n=5),
    }
    values, wasserstein = format_comparisons(given).split("\n\n")[:2]
    assert [line.split() for line in values.splitlines()[2:]] == [
        ["d_OO", "6", "4", "6"],
        ["LSI", "0", "2", "0"],
    ]
    header, rule, first, second = wasserstein.splitlines()
    assert header.split() == ["wasserstein,", "normalised", "near", "far", "floor"]
    assert set(rule) == {"-"}
    near, far = ["0.00000", "(0.00000-0.00000)"], ["0.100", "(0.100-0.100)"]
    assert first.split() == ["d_OO", *near, *far, "0.00000"]
    assert second.split() == ["LSI", "–", "–", "–"]
