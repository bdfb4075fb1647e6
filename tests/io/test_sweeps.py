"""Several stacks in one file."""

import json

import numpy as np
import pytest

from torch_afm.config import Scan, to_dict
from torch_afm.io import AFMStack, read_stack, read_sweep, write_stack, write_sweep
from torch_afm.utils import InputError

SCAN = Scan(pixels=(4, 3), n_slices=2)


def stack(k, top=9.0, **changes):
    rng = np.random.default_rng(int(10 * k))
    meta = {"parameters": {"lateral_stiffness": k}, "scan": to_dict(SCAN), "z_top": top}
    fields = {"stack": rng.normal(size=(1, *SCAN.shape)), "x": SCAN.x, "y": SCAN.y}
    return AFMStack(**(fields | {"z": SCAN.slice_heights(top), "meta": meta} | changes))


def test_round_trip(tmp_path):
    stacks = [stack(0.2), stack(0.4, top=8.5)]
    write_sweep(tmp_path / "s.npz", stacks)
    for found, expected in zip(read_sweep(tmp_path / "s.npz"), stacks, strict=True):
        for name in ("stack", "x", "y", "z"):
            assert np.array_equal(getattr(found, name), getattr(expected, name))
        assert found.meta == json.loads(json.dumps(expected.meta)) and found.recorded_scan == SCAN
    with np.load(tmp_path / "s.npz") as arrays:
        assert arrays["stacks"].shape == (2, 2, 3, 4) and arrays["z"].shape == (2, 2)
        assert arrays["lateral_stiffness"].tolist() == [0.2, 0.4]


def test_what_is_no_sweep(tmp_path):
    for stacks in ([], [stack(0.2), stack(0.4, stack=np.zeros((1, 2, 3, 5)), x=np.arange(5.0))]):
        with pytest.raises(InputError, match="stacks: expected"):
            write_sweep(tmp_path / "s.npz", stacks)
    with pytest.raises(InputError, match="the same pixels"):
        write_sweep(tmp_path / "s.npz", [stack(0.2), stack(0.4, x=SCAN.x + 1)])
    with pytest.raises(InputError, match="cannot write"):
        write_sweep(tmp_path, [stack(0.2)])
    write_stack(tmp_path / "one.npz", stack(0.2))
    with pytest.raises(InputError, match=r"one\.npz: expected the keys .* stacks missing"):
        read_sweep(tmp_path / "one.npz")
    write_sweep(tmp_path / "s.npz", [stack(0.2), stack(0.4)])
    with pytest.raises(InputError, match=r"s\.npz"):
        read_stack(tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz") as arrays:
        held = dict(arrays)
    for changes in (
        {"meta": np.array("[]")},
        {"meta": np.array("{")},
        {"z": held["z"][0]},
        {"x": held["x"][:2]},
    ):
        np.savez(tmp_path / "bad.npz", **(held | changes))
        with pytest.raises(InputError, match=r"bad\.npz"):
            read_sweep(tmp_path / "bad.npz")
