import pickle

import numpy as np
import pytest

from torch_afm.io.npz import load_npz
from torch_afm.utils import InputError


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
    monkeypatch.setattr("torch_afm.io.npz.MAX_BYTES", 10_000)
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
