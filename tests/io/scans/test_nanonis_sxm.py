import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io.scans import read_scan
from torch_afm.utils import InputError

RNG = np.random.default_rng(0)
DF, BACK, CURRENT = (RNG.normal(size=(3, 4)).astype(np.float32) for _ in range(3))
BOTH = {
    "Current": {"forward": CURRENT, "backward": -CURRENT},
    "OC_M1_Freq._Shift": {"forward": DF, "backward": BACK},
}


def _read(tmp_path, content, **options):
    path = tmp_path / "image.sxm"
    path.write_bytes(content)
    return read_scan(path, **options)


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize(("direction", "image"), [("forward", DF), ("backward", BACK)])
def test_orientation_of_both_directions(tmp_path, up, direction, image):
    stack = _read(tmp_path, files.sxm(BOTH, up=up, z=1.23e-9), direction=direction)
    assert np.array_equal(stack.values, image[None])
    assert stack.heights == pytest.approx([12.3]) and stack.unit == "Hz"
    assert (stack.channel, stack.direction) == ("OC_M1_Freq._Shift", direction)


def test_window_and_settings(tmp_path):
    stack = _read(tmp_path, files.sxm(BOTH, z=1e-9))
    # 20 x 10 Å in 4 x 3 pixels about (30, -10) Å: pixels stand for their areas.
    assert stack.x == pytest.approx([22.5, 27.5, 32.5, 37.5])
    assert stack.y == pytest.approx([-10 - 10 / 3, -10, -10 + 10 / 3])
    assert stack.meta["amplitude"] == pytest.approx(0.5) and stack.meta["angle"] == 15.0


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_channels_of_one_direction(tmp_path, order):
    channels = [("Current", {"forward": CURRENT}), ("Frequency Shift", {"backward": BACK})]
    content = files.sxm(dict(channels[i] for i in order), z=0.0)
    assert np.array_equal(_read(tmp_path, content, direction="backward").values, BACK[None])
    assert np.array_equal(_read(tmp_path, content, channel="current").values, CURRENT[None])
    with pytest.raises(InputError, match="direction: expected one of 'Frequency Shift'"):
        _read(tmp_path, content)


def test_unfinished_images_hold_nan(tmp_path):
    image = DF.copy()
    image[2] = np.nan
    stack = _read(tmp_path, files.sxm({"df": {"forward": image}}, z=0.0))
    assert np.isnan(stack.values[0, 2]).all() and np.isfinite(stack.values[0, :2]).all()
    with pytest.raises(InputError, match="stack: expected finite"):
        stack.tensor()


BAD = {
    "truncated": (lambda c: c[:-1], "expected 48 values"),
    "no end of the header": (lambda c: c.replace(b"SCANIT_END", b"SCANIT_ENT"), "expected a header"),
    "shifted data": (lambda c: c.replace(b"\x1a\x04", b"\n\x1a"), "1a 04"),
    "huge": (lambda c: c.replace(b"       4       3", b" 400000 3000000"), "announces"),
    "no pixels": (lambda c: c.replace(b"       4       3", b"       0       3"), "pixel"),
    "negative": (lambda c: c.replace(b"       4       3", b"      -4      -3"), "pixel"),
    "overflow": (lambda c: c.replace(b"       4       3", b" " + b"9" * 30 + b" 3"), "damaged"),
    "words": (lambda c: c.replace(b"2.000000E-09", b"two"), "damaged"),
    "infinite range": (lambda c: c.replace(b"2.000000E-09", b"inf"), "finite"),
    "no range": (lambda c: c.replace(b":SCAN_RANGE:", b":SCAN_RANGF:"), "scan_range"),
    "odd direction": (lambda c: c.replace(b"\tboth", b"\tboht"), "direction both"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(tmp_path, name):
    change, words = BAD[name]
    with pytest.raises(InputError, match=words) as error:
        _read(tmp_path, change(files.sxm(BOTH, z=0.0)))
    assert "image.sxm" in str(error.value) and "\n" not in str(error.value)


def test_channels_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match=r"channel: expected exactly one to be 'Z'.*'Current', 'OC_M1"):
        _read(tmp_path, files.sxm(BOTH, z=0.0), channel="Z")
    with pytest.raises(InputError, match=r"frequency shift.*got 0"):
        _read(tmp_path, files.sxm({"Current": BOTH["Current"]}, z=0.0))
    with pytest.raises(InputError, match="direction: expected 'forward' or 'backward'"):
        _read(tmp_path, files.sxm(BOTH, z=0.0), direction="up")
    with pytest.raises(InputError, match="heights: expected the files to tell them"):
        _read(tmp_path, files.sxm(BOTH))
