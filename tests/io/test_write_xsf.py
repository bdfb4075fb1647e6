"""Grids for XCrySDen, as ASE reads them."""

import ase.io.xsf
import numpy as np
import pytest

from torch_afm.io import AFMStack, write_stack
from torch_afm.utils import InputError

X, Y, Z = np.linspace(-3, 5, 6), np.linspace(20, 23, 4), np.array([4.0, 3.9, 3.8])
VALUES = np.random.default_rng(0).normal(size=(2, 3, 4, 6)).astype(np.float32)
ATOMS = [{"element": "C", "pos": [0.0, 1.0, 2.0], "charge": 0.1}, {"element": "Au", "pos": [3.0, -1.0, 0.5]}]


def _read(tmp_path, channels=1, z=Z, **meta):
    path = tmp_path / "stack.xsf"
    write_stack(path, AFMStack(VALUES[:channels], X, Y, z, meta))
    with path.open() as file:
        return ase.io.xsf.read_xsf(file, read_data=True)


def test_as_ase_reads_it(tmp_path):
    """x, y, z; z upwards; edges from the first to the last point."""
    values, origin, edges, atoms = _read(tmp_path)
    assert np.array_equal(values.astype(np.float32), VALUES[0, ::-1].transpose(2, 1, 0))
    assert origin == pytest.approx([-3, 20, 3.8])
    assert edges == pytest.approx(np.diag([8, 3, 0.2]))
    assert atoms.numbers.tolist() == [0] and not atoms.pbc.any()


def test_atoms_and_cell(tmp_path):
    atoms = _read(tmp_path, atoms=ATOMS)[3]
    assert atoms.get_chemical_symbols() == ["C", "Au"] and not atoms.pbc.any()
    assert atoms.positions == pytest.approx(np.array([[0, 1, 2], [3, -1, 0.5]]))
    cell = [[5.0, 0.0, 0.0], [1.0, 6.0, 0.0], [0.0, 0.0, 20.0]]
    atoms = _read(tmp_path, atoms=ATOMS, cell=cell)[3]
    assert atoms.cell.array == pytest.approx(np.array(cell)) and len(atoms) == 2


@pytest.mark.parametrize("meta", [{"atoms": 3}, {"atoms": [{"pos": [1, 2, 3]}]}, {"cell": "none"}])
def test_atoms_of_other_programs_are_left_out(tmp_path, meta):
    assert _read(tmp_path, **meta)[3].numbers.tolist() == [0]


def test_a_grid_for_each_channel(tmp_path):
    values, *_ = _read(tmp_path, channels=2)
    assert np.array_equal(values.astype(np.float32), VALUES[0, ::-1].transpose(2, 1, 0))
    text = (tmp_path / "stack.xsf").read_text()
    assert text.count("BEGIN_DATAGRID_3D_channel_") == 2 == text.count("END_DATAGRID_3D\n")
    second = text.split("BEGIN_DATAGRID_3D_channel_1\n")[1].splitlines()[5:-2]
    assert np.array_equal(np.loadtxt(second, np.float32), VALUES[1, ::-1].reshape(-1, 6))


def test_what_is_no_even_grid(tmp_path):
    with pytest.raises(InputError, match=r"^z: expected evenly spaced .* 0\.1 to 0\.3 Å; resample it"):
        _read(tmp_path, z=np.array([4.0, 3.7, 3.6]))
    with pytest.raises(InputError, match=r"got 1 x 4 x 6; write \.gwy or \.npz"):
        write_stack(tmp_path / "a.xsf", AFMStack(VALUES[:1, :1], X, Y, Z[:1]))
    assert not (tmp_path / "a.xsf").exists()
