"""Files and cells of ``torch-afm simulate``: one sample, whatever it is written in."""

import warnings

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import fcc111

from torch_afm.cli.main import main
from torch_afm.io import read_stack

SMALL = [
    "--scan.pixels",
    "[6,5]",
    "--scan.n_slices",
    "2",
    "--scan.window",
    "[[-3,3],[-2,2]]",
    "--backend",
    "torch",
]
CO = Atoms("CO", [[1.0, 2.0, 0.0], [1.3, 2.1, 1.13]])


@pytest.fixture
def simulate(tmp_path):
    def simulate(file, *options):
        assert main(["simulate", str(file), "--out", str(tmp_path / "s.npz"), *SMALL, *options]) == 0
        return read_stack(tmp_path / "s.npz")

    return simulate


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.gen", "gen"),
        ("a.xsf", "xsf"),
        ("a.cube", "cube"),
        ("a.gjf", "gaussian-in"),
        ("a.pdb", "proteindatabank"),
        ("geometry.in.next_step", "aims"),
    ],
)
def test_a_molecule_in_other_files_has_the_same_image(simulate, tmp_path, name, format):
    ase.io.write(tmp_path / "a.xyz", CO)
    expected = simulate(tmp_path / "a.xyz")
    other = CO.copy()
    if format == "cube":  # which has a grid in a box
        other.set_cell([9, 9, 9])
        ase.io.write(tmp_path / name, other, format=format, data=np.zeros((2, 2, 2)))
    else:
        ase.io.write(tmp_path / name, other, format=format)
    found = simulate(tmp_path / name)
    assert "cell" not in found.meta
    np.testing.assert_allclose(found.stack, expected.stack, atol=3e-3 * expected.stack.std())


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("POSCAR", "vasp"),
        ("a.cif", "cif"),
        ("geometry.in", "aims"),
        ("a.gen", "gen"),
        ("a.xsf", "xsf"),
        ("a.com", "gaussian-in"),
        ("a.pwi", "espresso-in"),
    ],
)
def test_a_surface_in_other_files_has_the_same_image(simulate, tmp_path, name, format):
    slab = fcc111("Au", (1, 1, 2), vacuum=6.0)
    slab.pbc = True
    ase.io.write(tmp_path / "a.extxyz", slab)
    as_is = ["--position", "as-is"]
    expected = simulate(tmp_path / "a.extxyz", *as_is)
    more = {"pseudopotentials": {"Au": "Au.upf"}} if format == "espresso-in" else {}
    ase.io.write(tmp_path / name, slab, format=format, **more)
    found = simulate(tmp_path / name, *as_is)
    np.testing.assert_allclose(found.meta["cell"], slab.cell, atol=1e-3)
    np.testing.assert_allclose(found.stack, expected.stack, atol=1e-2 * expected.stack.std())


def test_a_cell_beside_a_file_without_one(simulate, tmp_path):
    slab = fcc111("Au", (1, 1, 2), vacuum=6.0)
    slab.pbc = (True, True, False)
    ase.io.write(tmp_path / "a.extxyz", slab)
    expected = simulate(tmp_path / "a.extxyz")
    bare = slab.copy()
    bare.set_cell(None)
    bare.pbc = False
    ase.io.write(tmp_path / "b.extxyz", bare)
    cell = slab.cell[:2, :2].tolist()
    found = simulate(tmp_path / "b.extxyz", "--cell", str(cell))
    np.testing.assert_allclose(found.stack, expected.stack, atol=1e-3 * expected.stack.std())
    assert found.meta["pbc"] == [True, True, False]
    # The same cell is no contradiction; none takes the file's out.
    simulate(tmp_path / "a.extxyz", "--cell", str(cell))
    alone = simulate(tmp_path / "a.extxyz", "--cell", "none")
    assert "cell" not in alone.meta
    np.testing.assert_allclose(alone.stack, simulate(tmp_path / "b.extxyz").stack, atol=1e-6)


def test_cells_that_cannot_be(tmp_path, capsys):
    slab = fcc111("Au", (1, 1, 2), vacuum=6.0)
    slab.pbc = True
    ase.io.write(tmp_path / "a.extxyz", slab)
    ase.io.write(tmp_path / "co.xyz", CO)
    (tmp_path / "b.extxyz").write_text('1\npbc="T T F"\nC 0 0 0\n')
    (tmp_path / "c.abc").write_text("C 0 0 0\n")
    for file, options, message in [
        ("a.extxyz", ["--cell", "[[9,0],[0,9]]"], "--cell: expected none beside that of"),
        ("co.xyz", ["--cell", "[[9,0],[9,0]]"], "--cell: expected"),
        ("co.xyz", ["--cell", "9,9"], "--cell: expected"),
        ("co.xyz", ["--cell", "[[0.3,0],[0,9]]"], "--cell: expected atoms at least 0.5 Å from each other"),
        ("b.extxyz", [], "cell: expected"),
        ("c.abc", [], "'ase convert c.abc out.extxyz'"),
    ]:
        assert (
            main(["simulate", str(tmp_path / file), "--out", str(tmp_path / "s.npz"), *SMALL, *options]) == 2
        )
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1


def test_the_lattice_of_params_against_that_of_the_file(simulate, tmp_path):
    slab = fcc111("Au", (1, 1, 2), vacuum=6.0)
    slab.pbc = True
    ase.io.write(tmp_path / "a.extxyz", slab)
    text = "scanMin 0 0 13\nscanMax 3 2 15\ngridA 9 0 0\ngridB 0 9 0\ngridC 0 0 30\n"
    (tmp_path / "params.ini").write_text(text)
    params = ["--params", str(tmp_path / "params.ini")]
    with pytest.warns(UserWarning, match=r"--params: the cell of .*a\.extxyz is taken"):
        found = simulate(tmp_path / "a.extxyz", *params)
    np.testing.assert_allclose(found.meta["cell"], slab.cell, atol=1e-4)
    same = " ".join(map(str, slab.cell[0])), " ".join(map(str, slab.cell[1]))
    (tmp_path / "params.ini").write_text(text.replace("9 0 0", same[0]).replace("0 9 0", same[1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulate(tmp_path / "a.extxyz", *params)
