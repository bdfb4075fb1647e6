import h5py
import numpy as np
import pytest

from torch_afm.io.scans.datasets import read_attribute, read_dataset
from torch_afm.utils import InputError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.h5"


def test_a_dataset(path):
    with h5py.File(path, "w") as file:
        file["a"], file["text"] = np.arange(6).reshape(2, 3), np.bytes_("words")
    with h5py.File(path) as file:
        assert read_dataset(path, file, "a", "fiu").tolist() == [[0, 1, 2], [3, 4, 5]]
        assert read_dataset(path, file, "text", "S") == b"words"
        with pytest.raises(InputError, match=r"file\.h5: a: expected a text of fixed length .* got int64"):
            read_dataset(path, file, "a", "S")


@pytest.mark.parametrize(
    "make",
    [
        lambda f: f.__setitem__("a", h5py.SoftLink("/b")),
        lambda f: f.__setitem__("a", h5py.ExternalLink("other.h5", "/a")),
        lambda f: f.create_dataset("a", (3,), "f8", external=[("other", 0, 24)]),
        lambda f: f.create_virtual_dataset("a", h5py.VirtualLayout((3,), "f8")),
        lambda f: f.create_group("a"),
        lambda f: f.create_dataset("a", (2**20, 2**20), "f8", chunks=(8, 8)),
        lambda f: f.create_dataset("a", (3,) * 3, "f8", chunks=(2**9,) * 3, maxshape=(None,) * 3),
        lambda f: f.create_dataset("a", data=["words"]),
        lambda f: f.create_dataset("two\nlines", data=[1.0]),
    ],
)
def test_what_leads_out_of_the_file_or_takes_memory(path, make):
    with h5py.File(path, "w") as file:
        make(file)
    with h5py.File(path) as file, pytest.raises(InputError, match=r"file\.h5: ") as error:
        read_dataset(path, file, "a", "fiu")
    assert "\n" not in str(error.value)


def test_attributes(path):
    with h5py.File(path, "w") as file:
        attributes = file.create_dataset("a", data=[1.0]).attrs
        attributes["fixed"], attributes["one"] = np.bytes_("Hz"), np.array([b"nm"])
        attributes["variable"], attributes["number"] = "Hz", 3.0
        attributes["many"], attributes["long"] = np.array([b"a", b"b"]), np.bytes_("a" * 2000)
        names = ("fixed", "one", "variable", "number", "many", "long", "absent")
        found = [read_attribute(file["a"], name) for name in names]
    assert found == ["Hz", "nm", "", "", "", "", None]
