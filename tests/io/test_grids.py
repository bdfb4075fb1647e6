import re
import warnings

import ase.io.cube
import ase.io.xsf
import numpy as np
import pytest
from ase import Atoms

from torch_afm.io import read_density, read_potential
from torch_afm.utils import InputError

#: CODATA 2018: eV in a Hartree, Å in a Bohr.
HARTREE, BOHR = 27.211386245988, 0.529177210903

#: A grid of 2 x 3 x 2 points, a nucleus at the second point along z, the potential high there.
CUBE = """made by hand
units: Bohr, Hartree
1 1.0 0.0 -2.0
2 1.5 0.0 0.0
3 0.0 2.0 0.0
2 0.5 0.0 3.0
6 0.0 1.5 0.0 1.0
0.0 1.0
2.0 3.0
4.0 5.0
6.0 7.0
8.0 9.0
10.0 11.0
"""

#: The general grid of the format: 3 x 2 x 3 points with both ends, the last along x and z those of the first.
XSF = """# made by hand
CRYSTAL
PRIMVEC
 4.0 0.0 0.0
 0.0 3.0 0.0
 0.0 0.0 6.0
PRIMCOORD
 1 1
 6  2.5 0.5 3.0
BEGIN_BLOCK_DATAGRID_3D
 potential
 BEGIN_DATAGRID_3D_potential
 3 2 3
 0.5 0.5 0.0
 4.0 0.0 0.0
 0.0 3.0 0.0
 0.0 0.0 6.0
 0.0 1.0 0.0
 2.0 3.0 2.0
 4.0 9.0 4.0
 5.0 6.0 5.0
 0.0 1.0 0.0
 2.0 3.0 2.0
 END_DATAGRID_3D
END_BLOCK_DATAGRID_3D
"""


def point(grid, i, j, k):
    return grid.origin + np.array([i, j, k]) / grid.values.shape @ grid.cell


def test_cube_by_hand(tmp_path):
    path = tmp_path / "hartree.cube"
    path.write_text(CUBE)
    grid = read_potential(path, electron=True)
    assert grid.values.shape == (2, 3, 2)
    # The last index runs fastest; an electron's energy is turned into a positive charge's.
    assert np.allclose(grid.values, -HARTREE * np.arange(12).reshape(2, 3, 2), rtol=1e-6)
    assert np.allclose(grid.origin, [BOHR, 0, -2 * BOHR])
    assert np.allclose(point(grid, 1, 0, 0), [2.5 * BOHR, 0, -2 * BOHR])
    assert np.allclose(point(grid, 1, 2, 1), [3.0 * BOHR, 4 * BOHR, BOHR])
    assert np.allclose(np.abs(np.linalg.det(grid.cell)), (2 * 1.5) * (3 * 2.0) * (2 * 3.0) * BOHR**3)


def test_xsf_by_hand(tmp_path):
    path = tmp_path / "v.xsf"
    path.write_text(XSF)
    grid = read_potential(path)
    # The first index runs fastest; the far faces repeat the near ones along x and z, not along y.
    assert grid.values.shape == (2, 2, 2)
    expected = np.zeros((2, 2, 2))
    expected[:, 0, 0], expected[:, 1, 0], expected[:, 0, 1], expected[:, 1, 1] = (
        [0, 1],
        [2, 3],
        [4, 9],
        [5, 6],
    )
    assert np.array_equal(grid.values, expected)
    assert np.allclose(grid.origin, [0.5, 0.5, 0.0])
    assert np.allclose(point(grid, 1, 1, 1), [2.5, 3.5, 3.0])
    # Two points 3 Å apart along y, both within: the box reaches one step past the last.
    assert np.allclose(grid.cell, np.diag([4.0, 6.0, 6.0]))


def test_both_formats_hold_the_same_field(tmp_path):
    """A Gaussian charge in an oblique cell, written by ASE, evaluated at the grid points of what was read."""
    cell = np.array([[5.0, 0.5, 0.0], [0.0, 4.0, 0.0], [0.3, 0.0, 6.0]])
    atoms = Atoms("C", [[2.6, 2.2, 3.1]], cell=cell, pbc=True)

    def field(points):
        return 5.0 * np.exp(-np.sum((points - atoms.positions[0]) ** 2, axis=-1) / 2)

    index = np.stack(np.meshgrid(*map(np.arange, (8, 7, 9)), indexing="ij"), axis=-1)
    values = field(index / (8, 7, 9) @ cell)
    with open(tmp_path / "v.cube", "w") as file:
        ase.io.cube.write_cube(file, atoms, values / HARTREE)
    closed = np.pad(values, ((0, 1),) * 3, mode="wrap")
    with open(tmp_path / "v.xsf", "w") as file:
        ase.io.xsf.write_xsf(file, [atoms], closed, origin=np.zeros(3), span_vectors=cell)
    for name in ("v.cube", "v.xsf"):
        grid = read_potential(tmp_path / name)
        assert grid.values.dtype == np.float64 and grid.values.shape == (8, 7, 9)
        points = grid.origin + index / grid.values.shape @ grid.cell
        assert np.allclose(grid.values, field(points), atol=2e-5)
        assert np.allclose(grid.cell, cell, atol=1e-5)


def test_wrong_sign_is_warned_of(tmp_path):
    path = tmp_path / "v.xsf"
    path.write_text(XSF)
    with pytest.warns(UserWarning, match=r"v\.xsf: .*expected electron=False, got True"):
        read_potential(path, electron=True)
    # Nuclei outside the grid say nothing.
    path.write_text(XSF.replace(" 6  2.5 0.5 3.0", " 6  2.5 0.5 -3.0"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_potential(path, electron=True)


def test_cube_in_angstrom_with_fortran_exponents(tmp_path):
    """Negative numbers of points mean Å, of origin, edges and atoms alike."""
    path = tmp_path / "v.cube"
    path.write_text(CUBE)
    bohr = read_potential(path, electron=True)
    text = (
        CUBE.replace("2 1.5 0.0", "-2 1.5 0.0")
        .replace("3 0.0 2.0", "-3 0.0 2.0")
        .replace("2 0.5", "-2 0.5D+00")
    )
    path.write_text(text.replace("2.0 3.0\n", "0.2D+01 30.0d-1\n"))
    grid = read_potential(path, electron=True)
    assert np.array_equal(grid.values, bohr.values)
    assert np.allclose(grid.origin, [1, 0, -2]) and np.allclose(grid.cell[2], [1.0, 0, 6.0])
    assert np.allclose(point(grid, 1, 2, 1), [3.0, 4, 1])
    assert np.allclose(grid.cell * BOHR, bohr.cell)
    with pytest.warns(UserWarning, match="expected electron=True"):  # the nucleus is where it was
        read_potential(path)


def test_units_that_files_state_are_used(tmp_path):
    cube, xsf = tmp_path / "v.cube", tmp_path / "v.xsf"
    cube.write_text(CUBE)
    xsf.write_text(XSF)
    hartree, volt = read_potential(cube, electron=True).values, read_potential(xsf).values
    assert np.allclose(read_potential(cube, electron=True, unit="eV").values * HARTREE, hartree)
    assert np.allclose(read_potential(xsf, unit="Rydberg").values, volt * HARTREE / 2)
    for words, values in (("Hartree potential, eV", hartree / HARTREE), ("V(r) (Ry)", hartree / 2)):
        cube.write_text(CUBE.replace("made by hand", words))
        assert np.allclose(read_potential(cube, electron=True).values, values)
    xsf.write_text(XSF.replace("BEGIN_DATAGRID_3D_potential", "BEGIN_DATAGRID_3D_potential_Rydberg"))
    assert np.allclose(read_potential(xsf).values, volt * HARTREE / 2)
    xsf.write_text(XSF.replace("9.0", "0.9D1"))
    assert np.array_equal(read_potential(xsf).values, volt)


#: File, content, and what the error says of it.
BAD = [
    ("v.txt", CUBE, "expected a file ending"),
    ("v.cube", "", "cannot read it as cube"),
    ("v.cube", CUBE[:-12], "cannot read it as cube"),
    ("v.cube", CUBE.replace("5.0", "five"), "cannot read it as cube"),
    ("v.cube", CUBE.replace("5.0", "nan"), "values: "),
    ("v.cube", CUBE.replace("3 0.0 2.0 0.0", "3 2.0 0.0 0.0"), "cell: "),
    ("v.cube", CUBE.replace("3 0.0 2.0 0.0", "-3 0.0 2.0 0.0"), "all negative"),
    (
        "v.cube",
        CUBE.replace("3 0.0 2.0 0.0", "3000000 0.0 2.0 0.0").replace("2 1.5", "2000000 1.5"),
        "points",
    ),
    ("v.cube", CUBE.replace("3 0.0 2.0 0.0", "0 0.0 2.0 0.0"), "points"),
    ("v.cube", CUBE.replace("-2.0", "-2.0 2") + "12.0\n" * 12, "one value a point"),
    ("v.cube", CUBE.replace("made by hand", "eV or Ry"), "one unit"),
    ("v.xsf", "", "cannot read it as xsf"),
    ("v.xsf", XSF[: XSF.index("BEGIN_BLOCK")], "cannot read it as xsf"),
    ("v.xsf", XSF[: XSF.index(" END_DATAGRID")], "cannot read it as xsf"),
    ("v.xsf", XSF.replace("9.0", "inf"), "values: "),
    ("v.xsf", XSF.replace(" 3 2 3", " 1 6 3"), "at least 2 points"),
    ("v.xsf", XSF.replace(" 3 2 3", " 99999 99999 99999"), "points"),
    ("v.xsf", XSF + XSF[XSF.index("BEGIN_BLOCK") :], "one grid"),
    ("v.cube", bytes(range(256)), "v.cube"),
    ("v.xsf", None, "no such file"),
]


def test_bad_files_are_named(tmp_path):
    for name, text, message in BAD:
        path = tmp_path / name
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(InputError, match=re.escape(message)) as error:
            read_potential(path)
        text = str(error.value)
        assert str(path) in text and "\n" not in text
    with pytest.raises(InputError, match=r"^unit: "):
        read_potential(tmp_path / "v.cube", unit="kcal")


#: VASP's file of 2 x 1 x 2 points in a cell of 24 Å³, x fastest.
VASP = """by hand
1.0
 2.0 0.0 0.0
 0.0 3.0 0.0
 0.0 0.0 4.0
 C
 1
Direct
 0.5 0.0 0.0

 2 2 2
 24.0 48.0 0.0 0.0 72.0
 0.0 0.0 0.0
"""


def test_chgcar_is_divided_by_the_volume(tmp_path):
    for name in ("CHGCAR", "CHGCAR_sum", "AECCAR0.vasp"):
        path = tmp_path / name
        path.write_text(VASP)
        density, atoms = read_density(path)
        np.testing.assert_allclose(density.cell, np.diag([2.0, 3.0, 4.0]))
        assert density.values[0, 0, 0] == pytest.approx(1)
        assert density.values[1, 0, 0] == pytest.approx(2)
        assert density.values[0, 0, 1] == pytest.approx(3)
        np.testing.assert_allclose(atoms.positions, [[1.0, 0, 0]])


def test_locpot_is_an_electrons_energy(tmp_path):
    path = tmp_path / "LOCPOT"
    path.write_text(VASP.replace("24.0 48.0", "-24.0 -48.0"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        potential = read_potential(path)
    assert potential.values[0, 0, 0] == pytest.approx(24)
    assert potential.values[1, 0, 0] == pytest.approx(48)


def test_densities_have_the_units_of_their_formats(tmp_path):
    cube, xsf = tmp_path / "a.cube", tmp_path / "a.xsf"
    cube.write_text(CUBE)
    xsf.write_text(XSF)
    assert read_density(cube)[0].values[0, 0, 1] == pytest.approx(BOHR**-3)
    assert read_density(cube, unit="e/A3")[0].values[0, 0, 1] == pytest.approx(1)
    density, atoms = read_density(xsf)
    assert density.values.max() == pytest.approx(9)
    assert atoms.numbers.tolist() == [6]
    with pytest.raises(InputError, match="unit"):
        read_density(cube, unit="Hartree")
    with pytest.raises(InputError, match="CHGCAR"):
        read_density(tmp_path / "density.txt")
