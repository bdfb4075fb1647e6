"""The scans and molecules of the growth benchmark."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist

from benchmarks.rendering.growth import HEIGHTS, cluster, exponent, slab, with_heights


def test_clusters_are_neutral_dense_and_not_too_close():
    data = cluster(100, seed=1)
    pos = data.pos.numpy()
    assert data.z.shape == (100,) and pos.shape == (100, 3)
    assert pdist(pos).min() > 1.2
    assert pos[:, 2].min() >= -4 and pos[:, 2].max() <= 0
    assert abs(float(data.charge.sum())) < 1e-12
    assert torch.equal(cluster(100, seed=1).pos, data.pos)
    assert not torch.equal(cluster(100, seed=2).pos, data.pos)


@pytest.mark.parametrize("edge, waters", [(3, 1), (5, 4)])
def test_slabs_are_gold_with_whole_neutral_water_above(edge, waters):
    data = slab(edge)
    gold = data.z == 79
    assert int(gold.sum()) == 3 * edge**2
    assert int((data.z == 8).sum()) == waters and int((data.z == 1).sum()) == 2 * waters
    assert float(data.charge.sum()) == pytest.approx(0)
    assert float(data.pos[:, 2].max()) == pytest.approx(0)
    assert pdist(data.pos[gold].numpy()).min() == pytest.approx(4.08 / np.sqrt(2))  # Au: a = 4.08 Å
    assert torch.cdist(data.pos[gold], data.pos[~gold]).min() > 2.5
    oxygen, hydrogen = data.pos[data.z == 8], data.pos[data.z == 1]
    assert (torch.cdist(hydrogen, oxygen).min(dim=1).values - 0.97).abs().max() < 0.02
    assert float(hydrogen[:, 2].max() - hydrogen[:, 2].min()) < 1e-6


@pytest.mark.parametrize("n", HEIGHTS)
def test_heights_are_as_many_as_asked_over_the_same_range(n):
    scan = with_heights(n)
    assert scan.n_heights == n
    assert scan.n_heights * scan.dz == pytest.approx(2)


def test_exponent_of_a_power_law():
    values = np.array([10, 30, 200])
    assert exponent(values, 7 * values**1.5) == pytest.approx(1.5)
