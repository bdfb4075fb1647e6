import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.ppm import kernel_forward
from torch_afm.ppm.base import pixel_positions, prepare
from torch_afm.ppm.kernel_forward import KernelInput
from torch_afm.ppm.opencl import OpenCLDevice
from torch_afm.testing import benzene, water

SCAN = Scan(window=((-4.0, 4.0), (-3.0, 3.0)), pixels=(9, 7), n_slices=2, n_oscillation=5)


def graphs():
    """Charged, without charges, charged."""
    neutral = benzene()
    neutral.charge = torch.zeros(12)
    return [water(), neutral, water()]


def kernel_input(data) -> KernelInput:
    return KernelInput(OpenCLDevice(), prepare(data, SCAN, Tip(), 8.5), SCAN, pixel_positions(SCAN))


def test_entries_with_and_without_charges_are_launched_apart():
    groups = kernel_input(Batch.from_data_list(graphs()))._groups()
    assert [g.tolist() for g in groups] == [[1], [0, 2]]


def test_entries_that_pay_tiles_are_launched_apart(monkeypatch):
    monkeypatch.setattr(kernel_forward, "FEW", 10)
    monkeypatch.setattr(kernel_forward, "pays", lambda batch, *_: np.ones(batch.n_entries, bool))
    batch = Batch.from_data_list([water(), benzene(), water()])
    kinds = [g.tolist() for g in kernel_input(batch)._groups()]
    assert [1] in kinds and sorted(e for kind in kinds for e in kind) == [0, 1, 2]


def test_rows_come_back_in_order():
    shift, unconverged, count = kernel_input(Batch.from_data_list(graphs())).frequency_shift()
    assert shift.shape == (3, 2, 63) and unconverged.shape == count.shape == (3, 63)
    for i, graph in enumerate(graphs()):
        assert torch.equal(kernel_input(graph).frequency_shift()[0][0], shift[i])


@pytest.mark.parametrize("entries", [[2], [2, 0]])
def test_taken_entries_are_those_of_the_batch(entries):
    batch = prepare(Batch.from_data_list(graphs()), SCAN, [Tip(tilt=(0.1 * i, 0)) for i in range(3)], 8.5)
    part = batch.take(np.array(entries))
    for i, e in enumerate(entries):
        own, theirs = slice(*part.ptr[i : i + 2]), slice(*batch.ptr[e : e + 2])
        assert torch.equal(part.pos[own], batch.pos[theirs])
        assert (part.radius[own] == batch.radius[theirs]).all()
        assert (part.tips.springs[i] == batch.tips.springs[e]).all()
        assert torch.equal(part.parameters.tilt[i], batch.parameters.tilt[e])
