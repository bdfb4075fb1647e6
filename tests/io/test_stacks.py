import dataclasses
import json

import numpy as np
import pytest
import torch

from torch_afm.config import Scan, Tip, from_dict, to_dict
from torch_afm.config.formats import STACK_SUFFIXES
from torch_afm.io import AFMStack, read_stack, write_stack
from torch_afm.io.stacks import _WRITERS
from torch_afm.utils import InputError


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "stack": rng.normal(size=(2, 3, 4, 5)).astype(np.float32),
        "x": np.linspace(-1, 1, 5),
        "y": np.linspace(-2, 2, 4),
        "z": np.array([7.0, 6.9, 6.8]),
    }


def test_round_trip(tmp_path, arrays):
    meta = {"scan": to_dict(Scan()), "tip": to_dict(Tip()), "z_top": 7.5, "molecule": "Å", "version": "0"}
    write_stack(tmp_path / "stack.npz", AFMStack(**arrays, meta=meta))
    back = read_stack(tmp_path / "stack.npz")
    for key, value in arrays.items():
        assert np.array_equal(getattr(back, key), value) and getattr(back, key).dtype == value.dtype
    assert back.meta == json.loads(json.dumps(meta))
    assert from_dict(Scan, back.meta["scan"]) == Scan()
    assert from_dict(Tip, back.meta["tip"]) == Tip()


def test_the_file_is_written_where_it_was_asked_to_be(tmp_path, arrays):
    write_stack(tmp_path / "stack.v1.NPZ", AFMStack(**arrays))
    assert [p.name for p in tmp_path.iterdir()] == ["stack.v1.NPZ"]


def test_an_ending_of_no_format(tmp_path, arrays):
    for name in ("stack", "stack.h5", "stack.v1"):
        with pytest.raises(InputError, match=f"{name}: expected a file name ending in .npz, .gwy, .xsf$"):
            write_stack(tmp_path / name, AFMStack(**arrays))
    assert set(_WRITERS) == set(STACK_SUFFIXES) and not list(tmp_path.iterdir())


def test_files_of_other_programs(tmp_path, arrays):
    """No meta, integers and double precision do."""
    arrays["stack"] = np.arange(120).reshape(2, 3, 4, 5)
    np.savez_compressed(tmp_path / "stack.npz", **arrays, extra=np.zeros(3))
    back = read_stack(tmp_path / "stack.npz")
    assert back.stack.dtype == np.float32 and back.stack.sum() == 119 * 60 and back.meta == {}


def test_one_slice_and_one_channel(arrays):
    AFMStack(arrays["stack"][:1, :1], arrays["x"], arrays["y"], arrays["z"][:1])


def stack_like(grid, z_top=8.0, **meta):
    values = np.random.default_rng(0).normal(size=(1, *grid.shape))
    return AFMStack(values, grid.x, grid.y, grid.slice_heights(z_top), meta)


def test_what_meta_records_comes_as_config_and_numbers(arrays):
    stack = AFMStack(**arrays)
    assert (stack.unit, stack.tip, stack.recorded_scan, stack.z_top) == ("Hz", None, None, None)
    tip, scan = Tip(probe="Xe", tilt=(0.1, 0.0)), Scan(f0=2e4)
    meta = json.loads(json.dumps({"tip": to_dict(tip), "scan": to_dict(scan), "z_top": 7, "unit": "V"}))
    stack = AFMStack(**arrays, meta=meta)
    assert (stack.unit, stack.tip, stack.recorded_scan, stack.z_top) == ("V", tip, scan, 7.0)


def test_a_file_of_version_0_1_is_read(tmp_path, arrays):
    """As ``torch-afm simulate`` wrote it."""
    meta = """{"scan": {"window": [[-8.0, 8.0], [-8.0, 8.0]], "pixels": [128, 128], "n_slices": 10, "dz": 0.1,
    "n_oscillation": 10, "distance": 5.3, "f0": 25000.0, "k": 1800.0, "weights": "giessibl", "substeps": 1},
    "tip": {"probe": "Xe", "charges": [0.3], "charge_heights": [0.0], "stiffness": [0.25, 0.25, 0.0],
    "radial_stiffness": 30.0, "bond_length": 4.0, "tilt": [0.0, 0.0], "radius": null, "depth": null},
    "z_top": 8.62, "molecule": "CO", "version": "0.1.0",
    "atoms": [{"element": "C", "pos": [0.0, 0.0, 0.0], "charge": 0.0}]}"""
    np.savez(tmp_path / "stack.npz", **arrays, meta=np.array(meta))
    stack = read_stack(tmp_path / "stack.npz")
    assert (stack.tip, stack.z_top, stack.unit) == (Tip.preset("Xe"), 8.62, "Hz")
    assert stack.recorded_scan == Scan(f0=25000.0)


def test_images_as_networks_take_them(arrays):
    found = AFMStack(**arrays).tensor()
    assert found.shape == (1, 2, 3, 4, 5) and found.dtype == torch.float32
    np.testing.assert_array_equal(found[0], arrays["stack"])


def test_positions_make_the_scan():
    """Window, pixels and steps are those of the axes; the amplitude stays what it was."""
    grid = Scan(pixels=(20, 30), window=((1.0, 5.0), (0.0, 9.0)), n_slices=4, dz=0.2, n_oscillation=5)
    stack, default = stack_like(grid), Scan(pixels=(64, 64))
    found = stack.scan(default)
    assert found.dz == pytest.approx(0.2) and dataclasses.replace(found, dz=0.2) == grid
    assert stack_like(grid, scan=to_dict(dataclasses.replace(grid, f0=2e4))).scan(default).f0 == 2e4
    assert not stack.fits(default) and stack.fits(grid)


def test_the_oscillation_that_a_stack_states_is_used():
    """Without a whole scan in its meta, too; and what whole steps cannot make is worth a warning."""
    found = stack_like(Scan(), amplitude=1.6, f0=2e4, k=900.0).scan(Scan())
    assert (found.n_oscillation, found.f0, found.k) == (16, 2e4, 900.0)
    with pytest.warns(UserWarning, match=r"1\.00 Å is simulated as 0\.80 Å"):
        assert stack_like(Scan(pixels=(8, 8), dz=0.4)).scan(Scan()).amplitude == pytest.approx(0.8)


def test_a_window_off_by_a_part_of_a_pixel_does_not_fit():
    """Its atoms would be off by as much."""
    scan = Scan(pixels=(64, 64))
    assert stack_like(dataclasses.replace(scan, window=((-7.999, 8.001), (-8.0, 8.0)))).fits(scan)
    assert not stack_like(dataclasses.replace(scan, window=((-7.9, 8.1), (-8.0, 8.0)))).fits(scan)
    two = stack_like(scan)
    assert not dataclasses.replace(two, stack=np.concatenate([two.stack] * 2)).fits(scan)


def test_heights_that_no_scan_has():
    stack = stack_like(Scan(pixels=(8, 8)))
    z = stack.z.copy()
    z[1] += 0.3 * (z[2] - z[1])
    uneven = dataclasses.replace(stack, z=z)
    assert not uneven.fits(Scan(pixels=(8, 8)))
    for bad in (uneven, stack_like(Scan(), scan=to_dict(Scan(dz=0.2)))):
        with pytest.raises(InputError, match=r"^z: "):
            bad.scan(Scan())


@pytest.mark.parametrize(
    "meta",
    [
        {"scan": 3},
        {"scan": {"dz": -1}},
        {"tip": "CO"},
        {"tip": {"color": 1}},
        {"z_top": "high"},
        {"z_top": float("inf")},
        {"amplitude": "wide"},
        {"measured": True},
        {"warnings": "no"},
    ],
)
def test_settings_that_cannot_be_are_refused_at_the_door(tmp_path, arrays, meta):
    with pytest.raises(InputError, match=f"^meta: .*{next(iter(meta))}"):
        AFMStack(**arrays, meta=meta)
    np.savez(tmp_path / "bad.npz", **arrays, meta=np.array(json.dumps(meta)))
    with pytest.raises(InputError, match=r"bad\.npz: meta: "):
        read_stack(tmp_path / "bad.npz")


def _with(key, value):
    return lambda a: a | {key: value(a[key]) if callable(value) else value}


def _nan(stack):
    stack = stack.copy()
    stack[0, 1, 2, 3] = np.nan
    return stack


BAD = [
    (_with("stack", _nan), "stack"),
    (_with("stack", lambda s: np.full(s.shape, 1e300)), "stack"),
    (_with("stack", lambda s: s[0]), "stack"),
    (_with("stack", lambda s: s[:0]), "stack"),
    (_with("stack", lambda s: s.astype(str)), "stack"),
    (_with("stack", lambda s: s.astype(complex)), "stack"),
    (_with("stack", lambda s: s.transpose(0, 1, 3, 2)), "y"),
    (_with("x", lambda x: x[:-1]), "x"),
    (_with("y", lambda y: np.append(y, 3)), "y"),
    (_with("z", lambda z: z[:2]), "z"),
    (_with("x", lambda x: x[None]), "x"),
    (_with("y", lambda y: y * 0), "y"),
    (_with("x", lambda x: x * np.nan), "x"),
    (_with("x", lambda x: x * np.abs(x) ** 0.5), "x: expected evenly spaced"),
]

#: What a file is sorted for.
DISORDERED = [(_with("x", lambda x: x[::-1]), "x"), (_with("z", lambda z: z[::-1]), "z")]


def test_bad_arrays(tmp_path, arrays):
    path = tmp_path / "bad.npz"
    for change, name in BAD + DISORDERED:
        with pytest.raises(InputError, match=f"^{name}"):
            AFMStack(**change(arrays))
    for change, name in BAD:
        np.savez(path, **change(arrays))
        with pytest.raises(InputError) as error:
            read_stack(path)
        assert str(error.value).startswith(f"{path}: {name}") and "\n" not in str(error.value)


def test_files_in_another_order_are_sorted(tmp_path, arrays):
    """Heights from near to far, and lines from above."""
    turned = {"stack": arrays["stack"][:, ::-1, ::-1], "x": arrays["x"], "y": arrays["y"][::-1]}
    np.savez(tmp_path / "stack.npz", **turned, z=arrays["z"][::-1])
    back = read_stack(tmp_path / "stack.npz")
    for key, value in arrays.items():
        assert np.array_equal(getattr(back, key), value)


def test_missing_key(tmp_path, arrays):
    for key in arrays:
        np.savez(tmp_path / "bad.npz", **{k: v for k, v in arrays.items() if k != key})
        with pytest.raises(InputError, match=rf"bad\.npz: .*; {key} missing"):
            read_stack(tmp_path / "bad.npz")


def test_bad_meta_in_a_file(tmp_path, arrays):
    for meta in ("{", "[1]", 3.0, ["{}", "{}"]):
        np.savez(tmp_path / "bad.npz", **arrays, meta=np.array(meta))
        with pytest.raises(InputError, match=r"bad\.npz: meta"):
            read_stack(tmp_path / "bad.npz")


def test_other_bad_input(tmp_path, arrays):
    with pytest.raises(InputError, match="meta: expected a dict"):
        AFMStack(**arrays, meta=[1])
    for value in (object(), float("nan")):
        with pytest.raises(InputError, match="meta: expected settings that fit into JSON"):
            write_stack(tmp_path / "bad.npz", AFMStack(**arrays, meta={"a": value}))
    assert not (tmp_path / "bad.npz").exists()
    with pytest.raises(InputError, match="cannot write"):
        write_stack(tmp_path / "none" / "stack.npz", AFMStack(**arrays))
    with pytest.raises(InputError, match="no such file"):
        read_stack(tmp_path / "none.npz")


def test_a_failed_write_leaves_the_earlier_stack(tmp_path, arrays, monkeypatch):
    write_stack(tmp_path / "a.npz", AFMStack(**arrays, meta={"number": 1}))

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match=r"a\.npz: cannot write \(No space left"):
        write_stack(tmp_path / "a.npz", AFMStack(**arrays, meta={"number": 2}))
    assert read_stack(tmp_path / "a.npz").meta == {"number": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
