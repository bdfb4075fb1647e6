import numpy as np
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.ppm import kernel_forward
from torch_afm.ppm.inputs import prepare
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
    return KernelInput(OpenCLDevice(), prepare(data, SCAN, Tip(), 8.5))


def test_entries_with_and_without_charges_are_launched_apart():
    groups = kernel_input(Batch.from_data_list(graphs()))._groups()
    assert [g.tolist() for g in groups] == [[1], [0, 2]]


def test_entries_that_pay_tiles_are_launched_apart(monkeypatch):
    monkeypatch.setattr(kernel_forward, "FEW", 10)
    monkeypatch.setattr(kernel_forward, "worth_tiling", lambda batch, *_: np.ones(batch.n_entries, bool))
    batch = Batch.from_data_list([water(), benzene(), water()])
    groups = [g.tolist() for g in kernel_input(batch)._groups()]
    assert [1] in groups and sorted(e for group in groups for e in group) == [0, 1, 2]


def test_rows_come_back_in_order():
    shift, unconverged, count = kernel_input(Batch.from_data_list(graphs())).frequency_shift()
    assert shift.shape == (3, 2, 63) and unconverged.shape == count.shape == (3, 63)
    for i, graph in enumerate(graphs()):
        assert torch.equal(kernel_input(graph).frequency_shift()[0][0], shift[i])


def test_entries_with_dipoles_are_launched_apart():
    with_dipoles = [*graphs(), graphs()[1]]
    for i, graph in enumerate(with_dipoles):
        graph.dipole = torch.full((len(graph.z), 3), 0.1 * (i > 1))
    groups = kernel_input(Batch.from_data_list(with_dipoles))._groups()
    assert [g.tolist() for g in groups] == [[1], [0], [2, 3]]
