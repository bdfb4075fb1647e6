import lzma

import pytest

from torch_afm.datasets.smi import embedded_smiles, read_smi, write_smi
from torch_afm.utils import InputError


@pytest.mark.parametrize("name", ["list.smi", "list.smi.xz"])
def test_names_comments_and_line_numbers(tmp_path, name):
    raw = b"# three molecules\nCCO ethanol\n\nC\tmethane gas\nO\n"
    (tmp_path / name).write_bytes(lzma.compress(raw) if name.endswith("xz") else raw)
    assert read_smi(tmp_path / name) == [
        (2, "CCO", "ethanol"),
        (4, "C", "methane gas"),
        (5, "O", "molecule-5"),
    ]


@pytest.mark.parametrize("name", ["list.smi", "list.smi.xz"])
def test_round_trip(tmp_path, name):
    write_smi(tmp_path / name, ["C", "CC"])
    assert [smiles for _, smiles, _ in read_smi(tmp_path / name)] == ["C", "CC"]


def test_compressed_list_is_small(tmp_path):
    write_smi(tmp_path / "a.smi.xz", embedded_smiles())
    assert (tmp_path / "a.smi.xz").stat().st_size < 100_000


@pytest.mark.parametrize("raw", ["# Å\nC Å".encode("latin-1"), b"\xef\xbb\xbfC\n", "C\n".encode("utf-16")])
def test_encodings(tmp_path, raw):
    (tmp_path / "a.smi").write_bytes(raw)
    assert [smiles for _, smiles, _ in read_smi(tmp_path / "a.smi")] == ["C"]


def test_bad_files(tmp_path):
    (tmp_path / "empty.smi").write_text("# nothing\n")
    (tmp_path / "binary.smi").write_bytes(bytes(range(256)))
    (tmp_path / "cut.smi.xz").write_bytes(lzma.compress(b"C\n" * 99)[:-20])
    (tmp_path / "list.txt").write_text("C\n")
    for name, words in [
        ("empty.smi", "expected at least one SMILES"),
        ("binary.smi", "cannot read it as text"),
        ("cut.smi.xz", "cannot read"),
        ("list.txt", "existing .smi or"),
        ("none.smi", "existing .smi or"),
    ]:
        with pytest.raises(InputError, match=words) as error:
            read_smi(tmp_path / name)
        assert name in str(error.value)
