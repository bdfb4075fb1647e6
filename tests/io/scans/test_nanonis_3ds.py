import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io.scans import read_scan
from torch_afm.utils import InputError

RNG = np.random.default_rng(1)
DF, BACK, CURRENT = (RNG.normal(size=(4, 2, 3)).astype(np.float32) for _ in range(3))
CHANNELS = {
    "Current (A)": CURRENT,
    "OC M1 Freq. Shift (Hz)": DF,
    "Current [bwd] (A)": -CURRENT,
    "OC M1 Freq. Shift [bwd] (Hz)": BACK,
}


def _read(tmp_path, content, **options):
    path = tmp_path / "grid.3ds"
    path.write_bytes(content)
    return read_scan(path, **options)


def test_volume(tmp_path):
    """From 10 to 7 Å in 4 points: far to near as it was measured."""
    stack = _read(tmp_path, files.grid_3ds(CHANNELS))
    assert np.array_equal(stack.values, DF) and stack.heights == pytest.approx([10, 9, 8, 7], rel=1e-6)
    assert stack.unit == "Hz" and stack.meta["amplitude"] == pytest.approx(0.5)
    assert stack.x == pytest.approx([10 - 20 / 3, 10, 10 + 20 / 3]) and stack.y == pytest.approx([17.5, 22.5])
    assert np.array_equal(_read(tmp_path, files.grid_3ds(CHANNELS), direction="backward").values, BACK)
    assert np.array_equal(_read(tmp_path, files.grid_3ds(CHANNELS), channel="Current").values, CURRENT)


def test_sweeps_away_from_the_surface_are_turned(tmp_path):
    stack = _read(tmp_path, files.grid_3ds(CHANNELS, start=0.7e-9, end=1e-9))
    assert np.array_equal(stack.values, DF[::-1]) and stack.heights[0] == pytest.approx(10)


def test_one_channel(tmp_path):
    content = files.grid_3ds({"OC M1 Freq. Shift (Hz)": DF})
    assert np.array_equal(_read(tmp_path, content).values, DF)


BAD = {
    "unfinished": (lambda c: c[:-4], "unfinished|expected"),
    "too long": (lambda c: c + bytes(4), "damaged or unfinished"),
    "huge": (lambda c: c.replace(b"3 x 2", b"30000 x 20000"), "announces"),
    "huge points": (lambda c: c.replace(b"Points=4", b"Points=400000000"), "announces"),
    "more channels": (lambda c: c.replace(b"(A);", b"(A);a;b;"), "bytes of data"),
    "no parameters": (lambda c: c.replace(b"byte)=5", b"byte)=0"), "parameters"),
    "negative": (lambda c: c.replace(b"3 x 2", b"-3 x -2"), "expected pixels"),
    "no key": (lambda c: c.replace(b"Points=", b"Pointz="), "Points"),
    "no header": (lambda c: c.replace(b":HEADER_END:", b":HEADER_ENT:"), "header"),
    "other sweep": (lambda c: c.replace(b"Z (m)", b"V (m)"), "sweep of Z"),
    "same name": (lambda c: c.replace(b"Current [bwd] (A)", b"Current (A)"), "name twice"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(tmp_path, capsys, name):
    change, words = BAD[name]
    with pytest.raises(InputError, match=words) as error:
        _read(tmp_path, change(files.grid_3ds(CHANNELS)))
    assert "grid.3ds" in str(error.value) and "\n" not in str(error.value)
    assert capsys.readouterr().out == ""


def test_heights_that_differ_between_pixels(tmp_path):
    starts = np.full((2, 3), 1e-9)
    starts[1, 1] += 0.5e-10
    with pytest.raises(InputError, match=r"same heights at each pixel.* 0.5 Å"):
        _read(tmp_path, files.grid_3ds(CHANNELS, starts=starts))
