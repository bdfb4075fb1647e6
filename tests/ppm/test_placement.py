import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm import TipParameters, anchor_height
from torch_afm.testing import water

SCAN = Scan(pixels=(4, 4), n_slices=1, n_oscillation=2)


def test_placement_rule():
    # R(O) = 1.6612, R(H) = 1.487: the oxygen at z = 0 is the highest sphere.
    assert anchor_height(water(), SCAN, Tip()).item() == pytest.approx(1.6612 + 5.3 + 1.6612)
    assert anchor_height(water(), SCAN, Tip(probe="Xe")).item() == pytest.approx(1.6612 + 5.3 + 2.1815)
    # A carbon just below an oxygen may stick out, for its sphere is larger.
    both = AFMData(z=torch.tensor([8, 6]), pos=torch.tensor([[0, 0, 0.0], [3, 0, -0.1]]))
    assert anchor_height(both, SCAN, Tip()).item() == pytest.approx(1.908 - 0.1 + 5.3 + 1.6612)


def test_given_heights_win_over_stored_ones_over_placement():
    data = water()
    data.z_top = torch.tensor([7.5])
    batch = Batch.from_data_list([data, data])
    assert anchor_height(batch, SCAN, Tip()).tolist() == [7.5, 7.5]
    assert anchor_height(batch, SCAN, Tip(), z_top=torch.tensor([7.0, 8.0])).tolist() == [7.0, 8.0]
    assert anchor_height(batch, SCAN, Tip(), z_top=7.0).tolist() == [7.0, 7.0]


def test_every_channel_is_placed_by_its_own_probe():
    batch = Batch.from_data_list([water(), water()])
    tops = anchor_height(batch, SCAN, [[Tip(), Tip(probe="Xe")]])
    assert tops.shape == (2, 2)
    assert (tops[:, 1] - tops[:, 0]).tolist() == pytest.approx([2.1815 - 1.6612] * 2)
    each = anchor_height(batch, SCAN, [[Tip()], [Tip(probe="Xe")]])
    assert each.tolist() == pytest.approx(tops[0].tolist())
    as_tensors = TipParameters.from_tips([[Tip(), Tip(probe="Xe")]])
    assert torch.equal(anchor_height(water(), SCAN, as_tensors), tops[:1])
