import json

import h5py
import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.config import Scan, to_dict
from torch_afm.io import AFMStack, write_stack
from torch_afm.io.scans import read_scan, read_stack
from torch_afm.utils import InputError


@pytest.fixture
def arrays():
    return {
        "stack": np.random.default_rng(0).normal(size=(1, 3, 4, 5)).astype(np.float32),
        "x": np.linspace(-1, 1, 5),
        "y": np.linspace(-2, 4, 4),
        "z": np.array([7.0, 6.9, 6.8]),
    }


def _write(tmp_path, arrays, kind, meta=None):
    path = tmp_path / f"stack.{kind}"
    if kind == "npz":
        write_stack(path, AFMStack(**arrays, meta=meta or {}))
    else:
        path.write_bytes(files.hdf5(arrays, json.dumps(meta or {})))
    return path


@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_round_trip(tmp_path, arrays, kind):
    path = _write(tmp_path, arrays, kind, {"z_top": 8.5})
    scan, stack = read_scan(path), read_stack(path)
    assert np.array_equal(scan.values, arrays["stack"][0]) and np.array_equal(stack.stack, arrays["stack"])
    assert scan.window == ((-1, 1), (-2, 4)) and np.array_equal(scan.heights, arrays["z"])
    assert scan.meta["z_top"] == stack.meta["z_top"] == 8.5
    assert np.allclose(stack.x, arrays["x"]) and np.allclose(stack.y, arrays["y"])


@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_channels_by_number(tmp_path, arrays, kind):
    arrays["stack"] = np.concatenate([arrays["stack"], -arrays["stack"]])
    path = _write(tmp_path, arrays, kind)
    assert np.array_equal(read_scan(path, channel="1").values, arrays["stack"][1])
    with pytest.raises(InputError, match=r"channel: expected one of 0, 1 .* got None"):
        read_scan(path)


def test_three_axes_without_meta(tmp_path, arrays):
    path = tmp_path / "stack.hdf5"
    path.write_bytes(files.hdf5(arrays | {"stack": arrays["stack"][0]}))
    assert np.array_equal(read_scan(path).values, arrays["stack"][0])


@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_positions_in_another_order(tmp_path, arrays, kind):
    """Heights that rise, lines from above, or no order at all: sorted, and the images with them."""
    want = read_scan(_write(tmp_path, arrays, kind))
    order = np.array([1, 0, 2])
    mixed = {
        "stack": arrays["stack"][:, order][:, :, ::-1, ::-1],
        "z": arrays["z"][order],
        "y": arrays["y"][::-1],
        "x": arrays["x"][::-1],
    }
    path = tmp_path / f"mixed.{kind}"
    if kind == "npz":
        np.savez(path, **mixed)
    else:
        path.write_bytes(files.hdf5(mixed))
    found = read_scan(path)
    assert np.array_equal(found.values, want.values) and np.array_equal(found.heights, want.heights)
    assert np.array_equal(read_stack(path).stack, arrays["stack"])


def test_uneven_heights_are_kept(tmp_path, arrays):
    """They are interpolated from where they are."""
    arrays["z"] = np.array([7.0, 6.7, 6.6])
    assert read_scan(_write(tmp_path, arrays, "npz")).heights.tolist() == [7.0, 6.7, 6.6]


def test_what_meta_says(tmp_path, arrays):
    """Unit and oscillation, also where they are those of a simulation."""
    scan = Scan(dz=0.2, n_oscillation=4, f0=25000.0, k=1500.0)
    stack = read_scan(_write(tmp_path, arrays, "npz", {"scan": to_dict(scan), "unit": "kHz"}))
    assert stack.unit == "Hz" and np.allclose(stack.values, 1000 * arrays["stack"][0])
    told = {key: stack.meta[key] for key in ("amplitude", "f0", "k")}
    assert told == {"amplitude": pytest.approx(0.8), "f0": 25000.0, "k": 1500.0}
    stack = read_scan(
        _write(tmp_path, arrays, "h5", {"amplitude": 1.6, "unit": "gray value", "channel": "g"})
    )
    assert stack.meta["amplitude"] == 1.6 and (stack.unit, stack.channel) == ("gray value", "g")


def test_what_leads_out_of_the_file_or_takes_memory(tmp_path, arrays):
    np.save(tmp_path / "secret.npy", np.zeros(60))
    path = tmp_path / "stack.h5"
    ways = {
        "soft": lambda f: f.__setitem__("stack", h5py.SoftLink("/x")),
        "link": lambda f: f.__setitem__("stack", h5py.ExternalLink("other.h5", "/stack")),
        "external": lambda f: f.create_dataset(
            "stack", (3, 4, 5), "f8", external=[(str(tmp_path / "secret.npy"), 0, 480)]
        ),
        "virtual": lambda f: f.create_virtual_dataset("stack", h5py.VirtualLayout((3, 4, 5), "f8")),
        "group": lambda f: f.create_group("stack"),
        "huge": lambda f: f.create_dataset("stack", (2**20, 2**20), "f8", chunks=(8, 8)),
        "huge chunks": lambda f: f.create_dataset(
            "stack", (3, 4, 5), "f8", chunks=(2**9,) * 3, maxshape=(None,) * 3
        ),
        "words": lambda f: f.create_dataset("stack", data=["a"]),
    }
    for way, make in ways.items():
        with h5py.File(path, "w") as file:
            for key in "xyz":
                file[key] = arrays[key]
            make(file)
        with pytest.raises(InputError, match=r"stack\.h5: "):
            read_scan(path)
            pytest.fail(way)


def test_published_stacks(tmp_path):
    """``data`` [X, Y, Z] with y upwards, far to near; heights are given."""
    data = np.random.default_rng(0).normal(size=(5, 4, 3))
    path = tmp_path / "published.npz"
    path.write_bytes(files.npz(data=data, lengthX=20.0, lengthY=np.array([10])))
    stack = read_scan(path, step=0.1)
    assert np.array_equal(stack.values, np.moveaxis(data, (0, 1, 2), (2, 1, 0)))
    assert stack.pixel_size == pytest.approx((4, 2.5)) and stack.heights[0] > stack.heights[-1]
    assert (stack.unit, stack.channel) == ("arbitrary unit", "data")
    assert read_scan(path, channel="data", step=0.1, scale=2.0).unit == "Hz"
    for options, word in (({}, "give heights"), ({"channel": "stack"}, "expected 'data'")):
        with pytest.raises(InputError, match=word):
            read_scan(path, **options)
    bad = ({"data": data[0]}, "data: expected"), ({"lengthX": -1.0}, "lengthX"), ({"lengthY": "a"}, "lengthY")
    for change, word in bad:
        path.write_bytes(files.npz(**({"data": data, "lengthX": 20.0, "lengthY": 10.0} | change)))
        with pytest.raises(InputError, match=word):
            read_scan(path, step=0.1)
