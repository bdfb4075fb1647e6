import subprocess
import sys

from ase.io.formats import filetype

from torch_afm.config.formats import SCAN_SUFFIXES, STRUCTURE_FORMATS, STRUCTURE_SUFFIXES


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
