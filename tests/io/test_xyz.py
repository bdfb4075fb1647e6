"""Plain and extended xyz: the parser, and files."""

import io

import ase
import ase.io
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.io.molecule_files import WATER
from torch_afm.data import AFMData, covalent_bonds, from_ase, from_smiles
from torch_afm.elements import symbol
from torch_afm.io import read_molecule, write_xyz
from torch_afm.io.xyz import format_xyz, parse_element, parse_xyz, xyz_frames
from torch_afm.testing import assert_same_graph, water
from torch_afm.utils import InputError

FIRST, SECOND = "2\nwater, in part\nO 0 0 0\nH 0.96 0 0\n", "1\n\nC 1 2 3\n"


def test_frames_begin_at_counts_and_know_their_lines():
    assert list(xyz_frames(FIRST + SECOND)) == [(1, FIRST), (5, SECOND)]
    # A comment that is a number is none that counts.
    assert [line for line, _ in xyz_frames("1\n7\nC 0 0 0\n" + SECOND)] == [1, 4]
    # What a damaged structure lacks leaves the next one whole.
    assert list(xyz_frames("3\n\nO 0 0 0\n" + SECOND))[1] == (4, SECOND)


@pytest.mark.parametrize(
    ("label", "z"),
    [("C", 6), ("c12", 6), ("H_3", 1), ("O2'", 8), ("D", 1), ("T", 1), ("17", 17), ("Cl3", 17)],
)
def test_elements(label, z):
    assert parse_element(label) == z


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("charged", [False, True])
def test_text_is_read_by_ase_and_by_us_alike(periodic, charged):
    rng = np.random.default_rng(0)
    atoms = ase.Atoms("CHO", rng.normal(size=(3, 3)) * 3)
    if periodic:
        atoms.set_cell([[9.0, 0, 0], [2.0, 8, 0], [0, 0, 20]])
        atoms.pbc = True, True, False
    if charged:
        atoms.set_initial_charges([0.25, 0.5, -0.75])
    text = format_xyz(atoms)
    found = parse_xyz(text, "a.xyz")
    assert np.allclose(found.positions, atoms.positions, atol=1e-7)
    assert np.allclose(found.get_initial_charges(), atoms.get_initial_charges())
    assert (found.pbc == atoms.pbc).all() and np.allclose(found.cell, atoms.cell)
    again = ase.io.read(io.StringIO(text), format="extxyz" if periodic else "xyz")
    assert (again.numbers == found.numbers).all() and np.allclose(again.positions, found.positions)


BAD = [
    ("two\n\nC 0 0 0\n", 1),
    ("2\n\nC 0 0 0\n", 3),
    ("1\n\nXx 0 0 0\n", 3),
    ("1\n\nC 0 zero 0\n", 3),
    ("1\n\nC 0 0 nan\n", 3),
    ("2\n\nC 0 0 0\nH 1 0\n", 4),
]


def test_bad_text_names_the_line():
    for text, line in BAD:
        with pytest.raises(InputError, match=rf"^a\.xyz, line {line + 10}: "):
            parse_xyz(text, "a.xyz", first=11)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 118), *[st.floats(-0.25, 0.25, width=32)] * 3, st.floats(-0.375, 0.375, width=32)
        ),
        min_size=1,
        max_size=9,
    )
)
def test_xyz_round_trip(tmp_path, rows):
    z = torch.tensor([r[0] for r in rows])
    numbers = torch.tensor([r[1:] for r in rows], dtype=torch.float32)
    pos = numbers[:, :3] + torch.arange(len(rows))[:, None] * torch.tensor([1.0, -7.0, 11.0])
    data = AFMData(z=z, pos=pos, charge=numbers[:, 3].contiguous(), edge_index=covalent_bonds(z, pos))
    path = tmp_path / "molecule.xyz"
    write_xyz(path, data)
    assert_same_graph(read_molecule(path), data, atol=1e-8)
    assert path.read_text().splitlines()[2].split()[0] == symbol(rows[0][0])


def test_xyz_can_be_read_by_ase(tmp_path):
    data = from_smiles("CC(=O)OC")
    write_xyz(tmp_path / "a.xyz", data)
    atoms = ase.io.read(tmp_path / "a.xyz")
    assert atoms.numbers.tolist() == data.z.tolist()
    assert atoms.positions == pytest.approx(data.pos.numpy(), abs=1e-6)


@pytest.mark.parametrize(
    "raw",
    [
        WATER.encode(),
        WATER.replace("O ", "8 ").replace("H ", "1 ").encode(),
        WATER.replace("O ", "o ").replace("H ", "  h\t").encode(),
        WATER.replace("\n", "\r\n").encode() + b"\r\n\r\n",
        WATER.replace("water", "").encode(),
        WATER.rstrip("\n").encode(),
        WATER.replace("O ", "O1 ").replace("H 0", "H2 0").replace("H -", "H_3' -").encode(),
        WATER.replace("H ", "D ").encode(),
        WATER.replace("0.76", "7.6D-1").replace("0.59", "59.*^-2").encode(),
        b"\xef\xbb\xbf" + WATER.encode(),
        WATER.encode("utf-16"),
        WATER.replace("water", "water in \u00c5").encode("latin-1"),
        WATER.replace("water", "wa\x0cter\u2028of\x85mine").encode(),
    ],
)
def test_forms_of_xyz(tmp_path, raw):
    (tmp_path / "water.xyz").write_bytes(raw)
    data = read_molecule(tmp_path / "water.xyz")
    assert data.z.tolist() == [8, 1, 1]
    assert data.pos.tolist() == [pytest.approx(p) for p in ([0, 0, 0], [0.76, 0, -0.59], [-0.76, 0, -0.59])]
    assert data.charge.tolist() == pytest.approx([-0.8, 0.4, 0.4])
    assert data.edge_index.tolist() == [[0, 0, 1, 2], [1, 2, 0, 0]]


def test_xyz_without_charges(tmp_path):
    data = water()
    del data.charge
    write_xyz(tmp_path / "WATER.XYZ", data)
    assert all(len(line.split()) == 4 for line in (tmp_path / "WATER.XYZ").read_text().splitlines()[2:])
    assert read_molecule(str(tmp_path / "WATER.XYZ")).charge.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ([8, 1, 1], "atomic numbers"),  # of an O and two H
        ([4, -2, -2], "4 on an atom"),
        ([1, 2, 3], "6 in all"),  # the number of a layer, or of the atom
        ([1.5, 1.5, 1.5], "4.5 in all"),
    ],
)
def test_a_fifth_column_of_something_else_is_no_charge(tmp_path, column, reason):
    rows = [f"{e} {i} 0 0 {q}" for i, (e, q) in enumerate(zip("OHH", column, strict=True))]
    (tmp_path / "a.xyz").write_text("\n".join(["3", "", *rows]) + "\n")
    with pytest.raises(InputError, match=reason):
        read_molecule(tmp_path / "a.xyz")
    named = "Properties=species:S:1:pos:R:3:initial_charges:R:1"  # the way out that the message tells
    (tmp_path / "a.xyz").write_text("\n".join(["3", named, *rows]) + "\n")
    assert read_molecule(tmp_path / "a.xyz").charge.tolist() == column


@pytest.mark.parametrize("charges", [[-2.0], [-1.0, -1, -1, -1, 1], [-0.6] * 4 + [0.0]])
def test_ions_keep_their_charges(tmp_path, charges):
    rows = [f"O {2 * i} 0 0 {q}" for i, q in enumerate(charges)]
    (tmp_path / "a.xyz").write_text("\n".join([str(len(rows)), "", *rows]) + "\n")
    assert read_molecule(tmp_path / "a.xyz").charge.tolist() == pytest.approx(charges)


@pytest.mark.parametrize("name", ["a.xyz", "a.extxyz"])
def test_extended_xyz_keeps_charges_cell_and_periodic_directions(tmp_path, slab, name):
    ase.io.write(tmp_path / name, slab, format="extxyz")
    data = read_molecule(tmp_path / name)
    assert_same_graph(data, from_ase(slab), atol=1e-6)
    assert data.pbc.tolist() == [[True, True, False]]
    np.testing.assert_allclose(data.cell[0], slab.cell, atol=1e-6)
    write_xyz(tmp_path / "again.xyz", data)
    assert_same_graph(read_molecule(tmp_path / "again.xyz"), data, atol=1e-6)


def test_a_lattice_without_columns_and_labels_in_extended_xyz(tmp_path, slab):
    """The columns are those of plain xyz, charges included; ASE alone would drop these and stumble over D."""
    rows = ["D1 0 0 0 -0.1", "O2 1.0D0 0 0 0.1"]
    (tmp_path / "a.xyz").write_text("\n".join(["2", 'Lattice="5 0 0 0 5 0 0 0 9"', *rows]) + "\n")
    data = read_molecule(tmp_path / "a.xyz")
    assert data.z.tolist() == [1, 8] and data.charge.tolist() == pytest.approx([-0.1, 0.1])
    assert data.cell[0].diagonal().tolist() == [5, 5, 9] and data.pbc.all()
    assert data.pos[1].tolist() == [1, 0, 0]
