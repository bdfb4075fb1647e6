import nanonispy2.read
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
    # A setpoint of 0.5 Å, from the middle.
    assert stack.unit == "Hz" and stack.meta["amplitude"] == pytest.approx(1.0)
    assert stack.meta["files"] == ["grid.3ds"] and len(stack.meta["centers"]) == 1
    assert stack.x == pytest.approx([10 - 20 / 3, 10, 10 + 20 / 3]) and stack.y == pytest.approx([17.5, 22.5])
    assert np.array_equal(_read(tmp_path, files.grid_3ds(CHANNELS), direction="backward").values, BACK)
    assert np.array_equal(_read(tmp_path, files.grid_3ds(CHANNELS), channel="Current").values, CURRENT)
    other = nanonispy2.read.Grid(str(tmp_path / "grid.3ds"))
    np.testing.assert_array_equal(np.moveaxis(stack.values, 0, 2), other.signals["OC M1 Freq. Shift (Hz)"])


def test_sweeps_away_from_the_surface_are_turned(tmp_path):
    stack = _read(tmp_path, files.grid_3ds(CHANNELS, start=0.7e-9, end=1e-9))
    assert np.array_equal(stack.values, DF[::-1]) and stack.heights[0] == pytest.approx(10)


def test_one_channel(tmp_path):
    content = files.grid_3ds({"OC M1 Freq. Shift (Hz)": DF})
    assert np.array_equal(_read(tmp_path, content).values, DF)


@pytest.mark.parametrize("cut", [4, 4 * (5 + 16) * 2])
def test_a_grid_that_was_stopped_ends_in_nan(tmp_path, cut):
    """Of a point that is not whole nothing is taken."""
    stack = _read(tmp_path, files.grid_3ds(CHANNELS)[:-cut])
    done = 5 if cut == 4 else 4
    points = stack.values.reshape(4, 6)
    assert np.array_equal(points[:, :done], DF.reshape(4, 6)[:, :done]) and np.isnan(points[:, done:]).all()
    assert stack.meta["warnings"] == [f"grid.3ds was stopped after {done} of 6 points"]


def test_heights_that_differ_between_pixels(tmp_path):
    starts = np.full((2, 3), 1e-9)
    starts[1, 1] += 0.5e-10
    with pytest.raises(InputError, match=r"same heights at each pixel.* 0.5 Å"):
        _read(tmp_path, files.grid_3ds(CHANNELS, starts=starts))


def test_the_controller_is_off_in_each_curve(tmp_path):
    content = files.grid_3ds(CHANNELS).replace(
        b":HEADER_END:", b"Z-Controller>Controller status=ON\r\n:HEADER_END:"
    )
    assert np.array_equal(_read(tmp_path, content).values, DF)
