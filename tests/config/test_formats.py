"""The formats that commands list, against what the readers take."""

import pytest

from torch_afm.config.formats import SCAN_SUFFIXES, STRUCTURE_FORMATS, STRUCTURE_SUFFIXES
from torch_afm.io import read_molecule, write_sdf, write_xyz
from torch_afm.io.atoms import format_of
from torch_afm.testing import benzene


@pytest.mark.parametrize(
    ("suffix", "write"), [(".xyz", write_xyz), (".extxyz", write_xyz), (".sdf", write_sdf)]
)
def test_files_are_read_by_their_ending(suffix, write, tmp_path):
    write(tmp_path / f"benzene{suffix}", benzene())
    assert len(read_molecule(tmp_path / f"benzene{suffix}").z) == 12


def test_endings_are_lower_case_and_each_has_a_format(tmp_path):
    assert all(
        suffix == suffix.lower() and suffix[0] == "." for suffix in (*STRUCTURE_SUFFIXES, *SCAN_SUFFIXES)
    )
    assert {format_of(tmp_path / f"a{suffix.upper()}") for suffix in STRUCTURE_SUFFIXES} == set(
        STRUCTURE_FORMATS
    )
