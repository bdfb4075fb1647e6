"""Molecules and scans from the bytes of files."""

import numpy as np
import pytest

from torch_afm.config import ReadOptions
from torch_afm.data import from_smiles
from torch_afm.io import AFMStack, read_molecule, write_sdf, write_stack, write_xyz
from torch_afm.io.scans import read_scan
from torch_afm.live.files import read_dropped, read_smiles
from torch_afm.testing import assert_same_graph
from torch_afm.utils import InputError


@pytest.mark.parametrize(("ending", "write"), [("xyz", write_xyz), ("sdf", write_sdf)])
def test_a_molecule_is_that_of_its_file(tmp_path, ending, write):
    path = tmp_path / f"phenol.{ending}"
    write(path, from_smiles("Oc1ccccc1"))
    found = read_dropped({path.name: path.read_bytes()})
    assert found.name == path.name
    assert_same_graph(found.content, read_molecule(path))


def test_a_smiles_as_text_and_in_a_file():
    for found in (read_smiles("  CCO ethanol\nCO"), read_dropped({"mine.SMI": b"CCO ethanol\nCO\n"})):
        assert found.name == "CCO"
        assert_same_graph(found.content, from_smiles("CCO"))


@pytest.fixture
def pictures(tmp_path) -> list:
    """Two images, a file each."""
    axis = np.linspace(-2, 2, 9)
    paths = []
    for i, height in enumerate((8.0, 7.9)):
        values = np.random.default_rng(i).normal(size=(1, 1, 9, 9))
        paths.append(tmp_path / f"slice{i}.npz")
        write_stack(paths[-1], AFMStack(values, axis, axis, np.array([height])))
    return paths


def test_a_scan_from_several_files(pictures):
    found = read_dropped({path.name: path.read_bytes() for path in pictures})
    assert found.name == "slice0.npz and 1 more"
    raw = found.content.raw
    np.testing.assert_array_equal(raw.values, read_scan(pictures).values)
    np.testing.assert_array_equal(raw.heights, [8.0, 7.9])
    assert found.content.scan.n_slices == 2


def test_options_of_reading_are_used(pictures):
    with pytest.raises(InputError, match="channel"):
        read_dropped({"a.npz": pictures[0].read_bytes()}, ReadOptions(channel="current"))


#: Files -> what the one line of error says.
BAD = [
    ({}, "got none"),
    ({"a.xyz": b"nonsense"}, r"a\.xyz, line 1"),
    ({"a.sxm": b"nonsense"}, r"a\.sxm"),
    ({"a.npz": b"PK"}, r"a\.npz: expected an npz archive"),
    ({"a.png": b"\x89PNG nonsense"}, r"a\.png"),
    ({"notes.doc": b"nonsense"}, r"notes\.doc"),
    ({"": b"x"}, "got none"),
    ({"a.smi": b" \n"}, "smiles"),
    ({"a.smi": b"C1CC"}, "smiles"),
    ({"a.xyz": b"", "b.xyz": b""}, r"expected one molecule .* got a\.xyz, b\.xyz"),
    ({"a.xyz": b"", "b.sxm": b""}, "expected one molecule"),
]


@pytest.mark.parametrize(("files", "message"), BAD)
def test_a_bad_file_is_one_line_without_places_of_this_machine(files, message):
    with pytest.raises(InputError, match=message) as error:
        read_dropped(files)
    assert "/tmp" not in str(error.value) and "torch-afm-live" not in str(error.value)


def test_names_are_no_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    water = b"3\n\nO 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n"
    for name in ("../../evil.xyz", "C:\\evil\\evil.xyz", "/etc/evil.xyz"):
        assert read_dropped({name: water}).name == "evil.xyz"
    assert list(tmp_path.iterdir()) == []
