import json

import numpy as np
import pytest

from torch_afm.config import Scan, Tip, from_dict, to_dict
from torch_afm.io import AFMStack, read_stack, write_stack
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
    write_stack(tmp_path / "stack.v1", AFMStack(**arrays))
    assert [p.name for p in tmp_path.iterdir()] == ["stack.v1"]


def test_files_of_other_programs(tmp_path, arrays):
    """No meta, integers and double precision do."""
    arrays["stack"] = np.arange(120).reshape(2, 3, 4, 5)
    np.savez_compressed(tmp_path / "stack.npz", **arrays, extra=np.zeros(3))
    back = read_stack(tmp_path / "stack.npz")
    assert back.stack.dtype == np.float32 and back.stack.sum() == 119 * 60 and back.meta == {}


def test_one_slice_and_one_channel(arrays):
    AFMStack(arrays["stack"][:1, :1], arrays["x"], arrays["y"], arrays["z"][:1])


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
