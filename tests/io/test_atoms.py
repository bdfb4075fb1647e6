"""Many structures from files and folders."""

import json

import ase.db
import ase.io
import numpy as np
import pytest
from ase.build import bulk, molecule

from torch_afm.io import read_atoms
from torch_afm.utils import InputError


def test_a_folder_of_every_format_in_the_order_of_names(tmp_path):
    cell = bulk("Au", cubic=True)
    water, ammonia = molecule("H2O"), molecule("NH3")
    ase.io.write(tmp_path / "a.extxyz", [cell, water])
    (tmp_path / "b.xyz").write_text("2\n\n8 0.125 0 1e-9 0.3\nH 1 2 3 -0.3\n1\nsecond\n1 4 5 6\n\n")
    with ase.db.connect(tmp_path / "c.db") as database:
        database.write(ammonia)
        database.write(cell)
    with ase.db.connect(tmp_path / "d.json") as database:
        database.write(water)
    (tmp_path / "e.json").write_text(json.dumps({"atoms": []}))  # a prediction's own, no database
    (tmp_path / "notes.txt").write_text("not read")
    found = read_atoms(tmp_path)
    names = ["a-1", "a-2", "b-1", "b-2", "c-1", "c-2", "d"]
    assert [atoms.info["name"] for atoms in found] == names
    expected = [cell, water, None, None, ammonia, cell, water]
    for atoms, other in zip(found, expected, strict=True):
        if other is not None:
            assert atoms.symbols.get_chemical_formula() == other.symbols.get_chemical_formula()
            np.testing.assert_allclose(atoms.positions, other.positions, atol=1e-7)
            np.testing.assert_allclose(atoms.cell, other.cell)
            assert atoms.pbc.tolist() == other.pbc.tolist()
    assert found[2].numbers.tolist() == [8, 1]
    np.testing.assert_array_equal(
        found[2].positions, [[0.125, 0, 1e-9], [1, 2, 3]]
    )  # float64 to the last digit
    assert not found[2].pbc.any()


def test_a_structure_without_atoms_is_one(tmp_path):
    (tmp_path / "nothing.xyz").write_text("0\nthe network found nothing\n")
    (atoms,) = read_atoms(tmp_path / "nothing.xyz")
    assert len(atoms) == 0


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("none.xyz", None, "none.xyz: no such file"),
        ("none.db", None, "none.db: no such file"),
        ("empty.xyz", "", "empty.xyz: expected at least one structure, got none"),
        ("cut.xyz", "3\n\nO 0 0 0\n", r"cut.xyz, line 3: expected 3 atom line\(s\), as line 1 says, got 1"),
        ("second.xyz", "1\n\nO 0 0 0\nx\n", "second.xyz, line 4: expected the number of atoms, got 'x'"),
        ("element.xyz", "1\n\nUo 0 0 0\n", "element.xyz, line 3: .*Uo"),
        ("nan.xyz", "1\n\nO 0 nan 0\n", "nan.xyz, line 3: expected finite numbers"),
        ("columns.xyz", "1\n\nO 0 0\n", "columns.xyz, line 3: expected 'element x y z"),
        ("bad.extxyz", "1\nProperties=species:S:1:pos:R:3\nO 0 zero 0\n", "bad.extxyz: ASE cannot read it"),
        ("inf.extxyz", "1\nProperties=species:S:1:pos:R:3\nO 0 inf 0\n", "inf.extxyz: expected finite"),
        ("bad.db", "no database", "bad.db: ASE cannot read it as a database"),
        ("bad.json", "{", "bad.json: ASE cannot read it as a database"),
        ("structure.cif", "", "expected a folder or a file ending in .xyz"),
    ],
)
def test_bad_files(tmp_path, name, text, told):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=told):
        read_atoms(tmp_path / name)


def test_a_folder_without_structures(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(InputError, match=r"expected files ending in .*, found none"):
        read_atoms(tmp_path)
