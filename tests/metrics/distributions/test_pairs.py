"""Sums and medians over pairs, against the whole matrix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from torch_afm.metrics.distributions import pairs
from torch_afm.metrics.distributions.samples import Sample


@pytest.mark.parametrize("chunk", [1, 50, 1_000_000])
@pytest.mark.parametrize("d", [1, 3])
def test_block_sums(monkeypatch, draw, chunk, d):
    monkeypatch.setattr(pairs, "_CHUNK", chunk)
    x = Sample.of("x", [draw(4, d), draw(0, d), draw(9, d)])
    y = Sample.of("y", [draw(3, d), draw(1, d)])
    x = x.take(np.random.default_rng(0).permutation(len(x)))  # need not be sorted by structure
    values = np.concatenate([x.values, y.values])
    member = np.eye(5)[np.concatenate([x.structure, y.structure + 3])]
    expected = member.T @ np.exp(-cdist(values, values)) @ member
    np.testing.assert_allclose(pairs.block_sums(x, y, lambda r: np.exp(-r)), expected, rtol=1e-12)


@pytest.mark.parametrize("chunk", [1, 1_000_000])
@pytest.mark.parametrize("d", [1, 2])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_median_is_that_of_the_full_matrix(chunk, d, data):
    element = st.floats(-100, 100).map(lambda v: round(v, 2)) | st.sampled_from([0.0, 1.0])
    values = data.draw(arrays(float, st.tuples(st.integers(1, 12), st.just(d)), elements=element))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "_CHUNK", chunk)
        found = pairs.median_distance(values)
    assert found == pytest.approx(np.median(cdist(values, values)), abs=1e-12)


@pytest.mark.parametrize("d", [1, 2])
def test_median_of_many(draw, d):
    values = draw(1500, d)
    assert pairs.median_distance(values) == pytest.approx(np.median(cdist(values, values)), rel=1e-12)
