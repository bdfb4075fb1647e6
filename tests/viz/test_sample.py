import io

import numpy as np
import pytest
import torch
from matplotlib.collections import EllipseCollection, PolyCollection

from torch_afm.config import Scan
from torch_afm.data import from_smiles
from torch_afm.transforms import Orient, RandomMutant
from torch_afm.viz import plot_sample

pytestmark = pytest.mark.filterwarnings("error")

SCAN = Scan(pixels=(12, 9), n_slices=5)


def _sample(removed):
    data = RandomMutant.apply(Orient()(from_smiles("CCO")), removed, z_min=-9.0)
    data.reference, data.simulated = torch.randn(
        2, 1, 1, *SCAN.shape, generator=torch.Generator().manual_seed(0)
    )
    return data


@pytest.mark.parametrize("removed", [[], [0, 2], list(range(9))], ids=["stop", "two", "all"])
def test_graphs(removed):
    data = _sample(removed)
    figure = plot_sample(data, SCAN, title="ethanol")
    whole, mutant = figure.axes[0], figure.axes[4]
    circles = [[c for c in ax.collections if isinstance(c, EllipseCollection)] for ax in (whole, mutant)]
    assert [len(c.get_offsets()) for c in circles[0]] == [9, len(removed)]
    assert sum(len(c.get_offsets()) for c in circles[1]) == 9
    for rings in (circles[0][-1], circles[1][-1]):
        assert np.allclose(rings.get_offsets(), data.missing_pos[:, :2])
    bars = [c for c in whole.collections if isinstance(c, PolyCollection)]
    known = data.edge_index.shape[1] // 2 + data.missing_edge_index.shape[1]
    assert len(bars[0].get_paths()) == known
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=50)


def test_stacks_far_to_near():
    data = _sample([1])
    figure = plot_sample(data, SCAN)
    for key, axes in (("reference", figure.axes[1:4]), ("simulated", figure.axes[5:8])):
        for ax, s, name in zip(axes, (0, 2, 4), ("far", "middle", "near"), strict=True):
            assert ax.get_title() == f"{key}, {name}"
            assert np.array_equal(ax.images[0].get_array(), data[key][0, 0, s])
            assert "Hz" not in ax.get_xlabel()
