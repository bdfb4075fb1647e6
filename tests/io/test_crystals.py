import ase.io
import numpy as np
import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.io.crystals import write_cif
from torch_afm.testing import benzene
from torch_afm.utils import InputError

CELL = [[6.0, 0.0], [3.0, 5.0]]


def test_a_structure_comes_back_with_its_cell(tmp_path):
    pos = torch.tensor([[1.0, 1.0, 0.0], [1.0, 2.0, -0.5], [-1.0, 0.5, -2.0]])
    data = AFMData(z=torch.tensor([8, 1, 1]), pos=pos, charge=torch.zeros(3))
    assert write_cif(tmp_path / "a.cif", data, CELL) == 3
    back = ase.io.read(tmp_path / "a.cif")
    assert sorted(back.get_chemical_symbols()) == ["H", "H", "O"]
    a, b, c = back.cell.lengths()
    assert (a, b, c) == pytest.approx((6.0, np.hypot(3, 5), 22.0))
    # Distances, periodic in the plane, are what they were.
    expected = ase.Atoms("OHH", pos.numpy(), cell=[[6, 0, 0], [3, 5, 0], [0, 0, 22]], pbc=(1, 1, 0))
    back.pbc = (True, True, False)
    assert np.sort(back.get_all_distances(mic=True).ravel()) == pytest.approx(
        np.sort(expected.get_all_distances(mic=True).ravel()), abs=1e-4
    )


def test_periodic_images_become_the_most_probable_one(tmp_path):
    pos = torch.tensor([[0.0, 0.0, 0.0], [6.2, 0.1, 0.0], [9.0, 5.1, 0.1], [3.0, 2.0, 0.0]])
    data = AFMData(z=torch.tensor([8, 6, 7, 1]), pos=pos, charge=torch.zeros(4))
    assert write_cif(tmp_path / "first.cif", data, CELL) == 2
    assert "O" in ase.io.read(tmp_path / "first.cif").get_chemical_symbols()
    data.confidence = torch.tensor([0.5, 0.6, 0.9, 0.4])
    assert write_cif(tmp_path / "best.cif", data, CELL) == 2
    assert sorted(ase.io.read(tmp_path / "best.cif").get_chemical_symbols()) == ["H", "N"]


@pytest.mark.parametrize(
    "cell", [[[1, 0]], [[1, 0], [2, 0]], [[1, 0], [float("nan"), 1]], "abc", [[1], [2, 3]]]
)
def test_no_cell(tmp_path, cell):
    with pytest.raises(InputError, match="cell: expected two vectors"):
        write_cif(tmp_path / "x.cif", benzene(), cell)


def test_nothing_is_written_in_part(tmp_path):
    write_cif(tmp_path / "a.cif", benzene(), CELL)
    before = (tmp_path / "a.cif").read_bytes()
    with pytest.raises(InputError, match="at least one atom"):
        write_cif(tmp_path / "a.cif", AFMData.empty(), CELL)
    with pytest.raises(InputError, match="cannot write"):
        write_cif(tmp_path / "none" / "x.cif", benzene(), CELL)
    assert (tmp_path / "a.cif").read_bytes() == before
