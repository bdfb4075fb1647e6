import subprocess
import sys

import pytest
from ase.io.formats import filetype

from torch_afm.config.formats import SCAN_SUFFIXES, STRUCTURE_FORMATS, STRUCTURE_SUFFIXES
from torch_afm.io import read_molecule, write_sdf, write_xyz
from torch_afm.testing import benzene


def test_formats_of_structures_are_listed_once():
    assert len(set(STRUCTURE_FORMATS)) == len(STRUCTURE_FORMATS)
    assert {*STRUCTURE_FORMATS} == {*STRUCTURE_SUFFIXES.values()}


def test_suffixes_mean_what_they_mean_to_ase():
    known = {"a.cif": "cif", "a.xyz": "xyz", "a.sdf": "sdf"}
    for name, format in known.items():
        assert STRUCTURE_SUFFIXES["." + name.split(".")[1]] == format
        assert format in filetype(name, read=False)


def test_suffixes_are_small_letters():
    assert all(s.startswith(".") and s == s.lower() for s in (*SCAN_SUFFIXES, *STRUCTURE_SUFFIXES))


def test_lists_need_no_torch():
    code = "import sys, torch_afm.config.formats; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("suffix", "write"), [(".xyz", write_xyz), (".extxyz", write_xyz), (".sdf", write_sdf)]
)
def test_files_are_read_by_their_ending(suffix, write, tmp_path):
    write(tmp_path / f"benzene{suffix}", benzene())
    assert len(read_molecule(tmp_path / f"benzene{suffix}").z) == 12
