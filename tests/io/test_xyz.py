"""The parser of xyz alone; files, charges and formats beside it: ``test_structures``."""

import io

import ase
import ase.io
import numpy as np
import pytest

from torch_afm.io.xyz import format_xyz, parse_element, parse_xyz, xyz_frames
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
