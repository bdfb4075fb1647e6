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


def test_a_fifth_column_of_anything_is_left_out(tmp_path):
    (tmp_path / "a.xyz").write_text("2\n\nO 0 0 0 8\nO 2 0 0 8\n")
    (atoms,) = read_atoms(tmp_path / "a.xyz")
    assert len(atoms) == 2 and not atoms.has("initial_charges")


def test_a_structure_without_atoms_is_one(tmp_path):
    (tmp_path / "nothing.xyz").write_text("0\nthe network found nothing\n")
    (atoms,) = read_atoms(tmp_path / "nothing.xyz")
    assert len(atoms) == 0


def test_one_file_of_another_format(tmp_path):
    """In a folder it is passed over: predictions come with a CIF beside each xyz."""
    gold = bulk("Au", cubic=True)
    ase.io.write(tmp_path / "POSCAR", gold, format="vasp")
    ase.io.write(tmp_path / "a.cif", gold)
    (tmp_path / "a.xyz").write_text("1\n\nO 0 0 0\n")
    for name in ("POSCAR", "a.cif"):
        (atoms,) = read_atoms(tmp_path / name)
        np.testing.assert_allclose(atoms.cell.cellpar(), gold.cell.cellpar(), atol=1e-6)
        assert atoms.pbc.all() and len(atoms) == 4
    assert [len(atoms) for atoms in read_atoms(tmp_path)] == [1]


EXTENDED = "1\nProperties=species:S:1:pos:R:3\nO 0 zero 0\n"

BAD = [
    ("none.xyz", None, "none.xyz: no such file"),
    ("none.db", None, "none.db: no such file"),
    ("empty.xyz", "", "empty.xyz: expected at least one structure"),
    ("cut.xyz", "3\n\nO 0 0 0\n", "cut.xyz, line 3: expected 3 atom"),
    ("second.xyz", "1\n\nO 0 0 0\nx\n", "second.xyz, line 4: expected the number of atoms"),
    ("element.xyz", "1\n\nUo 0 0 0\n", "element.xyz, line 3: "),
    ("nan.xyz", "1\n\nO 0 nan 0\n", "nan.xyz, line 3: "),
    ("columns.xyz", "1\n\nO 0 0\n", "columns.xyz, line 3: "),
    ("bad.extxyz", EXTENDED, "bad.extxyz: ASE cannot read it"),
    ("inf.extxyz", EXTENDED.replace("zero", "inf"), "inf.extxyz: expected finite"),
    ("bad.db", "no database", "bad.db: ASE cannot read it as a database"),
    ("bad.json", "{", "bad.json: ASE cannot read it as a database"),
    ("structure.cif", "", "structure.cif: expected at least one structure"),
    ("a.sdf", "", "a.sdf: expected a file that ASE reads"),
    ("a.docx", "", "a.docx: expected a file ending in"),
    ("folder", None, "folder: expected files ending in"),
]


def test_bad_files(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("nothing")
    for name, text, told in BAD:
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(InputError) as error:
            read_atoms(tmp_path / name)
        assert str(error.value).startswith(f"{tmp_path}/{told}")
