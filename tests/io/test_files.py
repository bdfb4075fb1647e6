import json
import os
import pickle
import stat

import numpy as np
import pytest

from torch_afm.io.files import decode, decode_bytes, load_npz, read_text, split_lines, write_json, write_whole
from torch_afm.utils import InputError


def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_whole(path, b"first")
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()
    monkeypatch.setattr(os, "fsync", _fail)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_whole(path, b"second")
    assert caught.value.filename == str(path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"first"


def test_documents_in_utf_8(tmp_path):
    path, document = tmp_path / "file.json", {"unit": "Å", "values": [1, None, 0.1]}
    write_json(path, document)
    assert json.loads(path.read_text("utf-8")) == document and "Å".encode() in path.read_bytes()


def _fail(descriptor):
    raise OSError(28, "No space left on device")


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize(
    "raw",
    [
        "1\nÅ\n".encode(),
        "1\nÅ\n".encode("utf-8-sig"),
        "1\nÅ\n".encode("utf-16"),
        "1\nÅ\n".encode("latin-1"),
        "1\nÅ\n\x1a".encode(),
    ],
)
def test_encodings(tmp_path, raw):
    (tmp_path / "a.xyz").write_bytes(raw)
    assert read_text(tmp_path / "a.xyz") == "1\nÅ\n"


def test_bytes_of_windows_and_of_nobody():
    """In ISO 8859-1 0x80 to 0x9f would be control characters; 0x81 is no character in either."""
    assert decode_bytes(b"\x803 \xc5") == "€3 Å" == decode_bytes("€3 Å".encode("utf-8-sig"))
    assert decode_bytes(b"a\x81b\x00") == "a\ufffdb\x00"


def test_lines_end_where_lines_end():
    """Unlike those of ``str.splitlines``, which ends them at a form feed and at U+2028, too."""
    assert split_lines("a\x0cb\u2028c\r\nd\re\x85\n\nf") == ["a\x0cb\u2028c", "d", "e\x85", "", "f"]
    assert split_lines("a\n") == ["a"] and split_lines("") == []


def test_no_file_no_text(tmp_path):
    with pytest.raises(InputError, match=r"none.xyz: no such file"):
        read_text(tmp_path / "none.xyz")
    for raw in (b"\xff\xfe\x00", bytes(range(256)), b"CDF\x01"):
        with pytest.raises(InputError, match=r"b.xyz: cannot read it as text"):
            decode(raw, "b.xyz")


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "arrays.npz"
    np.savez(path, a=np.arange(300.0), b=np.array("text"))
    return path


def test_arrays_come_back(archive):
    arrays = load_npz(archive)
    assert sorted(arrays) == ["a", "b"]
    assert arrays["a"].tolist() == list(range(300)) and arrays["b"].item() == "text"


def test_no_flipped_byte_changes_a_number(archive):
    """Either the damage is found, or it sits in a zip field that means nothing to the arrays."""
    raw, sound = archive.read_bytes(), load_npz(archive)
    found = 0
    for position in range(0, len(raw), 7):
        damaged = bytearray(raw)
        damaged[position] ^= 0xFF
        archive.write_bytes(bytes(damaged))
        try:
            arrays = load_npz(archive)
        except InputError as error:
            assert str(archive) in str(error) and "\n" not in str(error)
            found += 1
        else:
            for key in arrays.keys() & sound.keys():
                assert np.array_equal(arrays[key], sound[key])
    assert found > 0.8 * len(raw) / 7


def test_archives_that_would_fill_the_memory(tmp_path, monkeypatch):
    """What an archive expands to is known before anything is read."""
    monkeypatch.setattr("torch_afm.io.files.MAX_BYTES", 10_000)
    np.savez_compressed(tmp_path / "small.npz", a=np.zeros(1000))
    np.savez_compressed(tmp_path / "large.npz", a=np.zeros(1000), b=np.zeros(1000))
    assert load_npz(tmp_path / "small.npz")["a"].shape == (1000,)
    with pytest.raises(
        InputError, match=r"large\.npz: cannot read the archive \(16\d+ bytes, more than 10000"
    ):
        load_npz(tmp_path / "large.npz")


def test_truncated(archive):
    raw = archive.read_bytes()
    for share in (0.0, 0.1, 0.5, 0.9, 0.999):
        archive.write_bytes(raw[: int(share * len(raw))])
        with pytest.raises(InputError, match=r"arrays\.npz"):
            load_npz(archive)


def test_not_an_archive(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_npz(tmp_path / "none.npz")
    with pytest.raises(InputError, match="no such file"):
        load_npz(tmp_path)
    text, array = tmp_path / "text.npz", tmp_path / "array.npz"
    text.write_text("hello")
    with open(array, "wb") as file:
        np.save(file, np.arange(3))
    for path in (text, array):
        with pytest.raises(InputError, match="expected an npz archive"):
            load_npz(path)


class _Bomb:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


def test_pickles_are_never_loaded(tmp_path):
    path = tmp_path / "pickle.npz"
    path.write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(InputError, match="expected an npz archive"):
        load_npz(path)
    np.savez(path, stack=np.array([_Bomb()], dtype=object))
    with pytest.raises(InputError, match="cannot read stack"):
        load_npz(path)
