import errno
import os

import numpy as np
import pytest

from torch_afm.datasets.store import read_arrays, write_arrays


def test_round_trip_leaves_nothing_else(tmp_path):
    path = tmp_path / "deep" / "a.npz"
    arrays = {"pos": np.arange(6.0).reshape(2, 3), "z": np.array([1, 6])}
    assert write_arrays(path, arrays)
    back = read_arrays(path)
    assert back is not None and set(back) == {"pos", "z"}
    assert all(np.array_equal(back[key], value) for key, value in arrays.items())
    assert [p.name for p in path.parent.iterdir()] == ["a.npz"]


def test_absent_is_none(tmp_path):
    assert read_arrays(tmp_path / "none.npz") is None


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b[:-200] + b[-200:][::-1], lambda b: b""]
)
def test_damage_is_noticed(tmp_path, damage):
    path = tmp_path / "a.npz"
    write_arrays(path, {"pos": np.random.default_rng(0).normal(size=(50, 3))})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(UserWarning, match="damaged"):
        assert read_arrays(path) is None


def test_arrays_that_are_not_those_of_the_checksum(tmp_path):
    """A sound archive with a number changed, and one without checksum."""
    path = tmp_path / "a.npz"
    write_arrays(path, {"z": np.array([1, 6]), "pos": np.zeros((2, 3))})
    with np.load(path) as archive:
        arrays = dict(archive)
    for changed in ({"z": np.array([1, 7])}, {"pos": np.zeros((3, 2))}, {"more": np.zeros(1)}):
        np.savez(path, **arrays | changed)
        with pytest.warns(UserWarning, match=f"{path}.*checksum.*damaged"):
            assert read_arrays(path) is None
    np.savez(path, z=arrays["z"])
    with pytest.warns(UserWarning, match="damaged"):
        assert read_arrays(path) is None


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="going on without"):
        assert not write_arrays(tmp_path / "file" / "a.npz", {"z": np.array([1])})
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_full_disk(tmp_path, monkeypatch):
    """What was there stays, and no half of a file is left."""
    write_arrays(tmp_path / "a.npz", {"z": np.array([1])})

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(UserWarning, match=r"a\.npz: cannot write.*No space left"):
        assert not write_arrays(tmp_path / "a.npz", {"z": np.array([2])})
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]
    stored = read_arrays(tmp_path / "a.npz")
    assert stored is not None and stored["z"].tolist() == [1]
