from pathlib import Path

import nanonispy2.read
import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io.scans import read_scan
from torch_afm.io.scans.readers.nanonis import settings
from torch_afm.utils import InputError

FILE = Path("file.sxm")


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        # Headers tell the distance from the middle to the turning point: half of what is between these.
        ("Oscillation Control>Amplitude Setpoint (m)", "5E-11", "amplitude", 1.0),
        ("oscillation control>amplitude setpoint (pm)", "50", "amplitude", 1.0),
        ("Oscillation Control>Amplitude Setpoint", "0.05 nm", "amplitude", 1.0),
        ("Oscillation Control>Center Frequency (Hz)", "30.3E+3", "f0", 30300.0),
        ("Oscillation Control>Center Frequency (kHz)", "30.3", "f0", 30300.0),
        ("Oscillation Control>Center Frequency (mHz)", "30300000", "f0", 30300.0),
        ("Bias>Bias (V)", "1E-3", "bias", 0.001),
        ("Z-Controller>Controller status", "Off ", "feedback", "OFF"),
    ],
)
def test_settings_in_our_units(name, text, key, value):
    assert settings(FILE, {name: text, "else": "1"}) == {key: pytest.approx(value)}


@pytest.mark.parametrize("text", ["x", "1 Hz", "inf", ""])
def test_bad_settings(text):
    with pytest.raises(InputError, match=r"file\.sxm: Oscillation Control>Amplitude"):
        settings(FILE, {"Oscillation Control>Amplitude Setpoint (m)": text})


IMAGE = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
Z = np.array([0.0, -1e-10, -2e-10])


def _content(ending):
    if ending == "sxm":
        return files.sxm({"df": {"forward": IMAGE}}, z=-3e-9)
    if ending == "3ds":
        return files.grid_3ds({"df (Hz)": np.stack([IMAGE, 2 * IMAGE])})
    return files.spectrum_dat({"Z rel (m)": Z, "df (Hz)": Z * 1e10}, x=1e-9, y=2e-9, z=-3e-9)


@pytest.mark.parametrize("ending", ["sxm", "3ds", "dat"])
def test_whatever_editors_do_to_headers(tmp_path, ending):
    """LF for CRLF and the reverse, blank lines, comments in Windows' letters, names in capitals: all of it
    must give what the file as the microscope wrote it gives."""
    content = _content(ending)
    end = {"sxm": b"\x1a\x04", "3ds": b":HEADER_END:", "dat": b"[DATA]"}[ending]
    head, data = content[: content.index(end)], content[content.index(end) :]
    comment = {
        "sxm": (b"two lines", "3 Å µ"),
        "3ds": (b'User="x"', 'User="3 Å µ"'),
        "dat": (b"User\t", "User\t3 Å µ"),
    }
    old, new = comment[ending]
    heads = [
        head.replace(b"\r\n", b"\n"),
        head.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
        head.replace(old, new.encode("cp1252")),
        head.replace(old, new.encode()),
        b"\xef\xbb\xbf" + head if ending != "sxm" else head,
        head.replace(old, b"\n\n" + old if ending != "sxm" else old + b"\n\n"),
    ]
    path = tmp_path / f"file.{ending}"
    path.write_bytes(content)
    want = read_scan(path)
    for i, changed in enumerate(heads):
        path = tmp_path / f"{i}.{ending.upper()}"
        # The line with the mark ends as it did: what follows is data.
        path.write_bytes(changed + data)
        found = read_scan(path)
        np.testing.assert_array_equal(found.values, want.values)
        np.testing.assert_array_equal(found.heights, want.heights)
        assert found.window == want.window, i
        assert found.meta | {"files": 0} == want.meta | {"files": 0}


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


CURVE = np.array([-1.0, -3.0, -2.0])


def _spectrum(df=CURVE, **options):
    columns = {"Z rel (m)": Z, "Current (A)": 0 * Z, "OC M1 Freq. Shift (Hz)": df}
    return files.spectrum_dat(columns | {"OC M1 Freq. Shift [bwd] (Hz)": df + 10}, **options)


def test_one_curve(tmp_path):
    path = tmp_path / "curve.dat"
    path.write_bytes(_spectrum(x=1e-9, y=2e-9, z=5e-10))
    stack = read_scan(path)
    assert stack.values[:, 0, 0] == pytest.approx(CURVE) and stack.heights == pytest.approx([5, 4, 3])
    assert stack.window == ((10, 10), (20, 20)) and stack.unit == "Hz"
    assert read_scan(path, direction="backward").values[:, 0, 0] == pytest.approx(CURVE + 10)


def test_the_mean_of_several_sweeps(tmp_path):
    names = ("[00001] ", "[00002] ", "[AVG] ", "[AVG] [filt] ")
    columns = {f"Freq. Shift {n}(Hz)": CURVE + i for i, n in enumerate(names)}
    path = tmp_path / "curve.dat"
    path.write_bytes(files.spectrum_dat({"Z rel (m)": Z} | dict(list(columns.items())[:3])))
    assert read_scan(path).values[:, 0, 0] == pytest.approx(CURVE + 2)
    path.write_bytes(files.spectrum_dat({"Z rel (m)": Z, "df (Hz)": CURVE, "df [filt] (Hz)": 2 * CURVE}))
    assert read_scan(path).values[:, 0, 0] == pytest.approx(CURVE)


def test_curves_at_the_points_of_a_grid(tmp_path):
    """In any order of names."""
    places = [(i, j) for i in range(3) for j in range(2)]
    for n, k in enumerate(np.random.default_rng(0).permutation(6)):
        i, j = places[k]
        (tmp_path / f"{n}.dat").write_bytes(_spectrum(CURVE + 10 * i + 100 * j, x=i * 2e-10, y=j * 3e-10))
    stack = read_scan(tmp_path)
    want = CURVE[:, None, None] + 100 * np.arange(2)[:, None] + 10 * np.arange(3)
    assert stack.values == pytest.approx(want)
    assert stack.x == pytest.approx([0, 2, 4]) and stack.y == pytest.approx([0, 3])
    (tmp_path / "5.dat").unlink()
    with pytest.raises(InputError, match="points: expected a grid of 3 x 2, got 5"):
        read_scan(tmp_path)


def test_a_curve_that_ends_early(tmp_path):
    """The near end, which the tip did not reach, is NaN; in a grid each curve at its own height."""
    z = np.linspace(0, -5e-10, 6)
    for i in range(4):
        df = np.where(np.arange(6) < 3 + i, 1e10 * z, np.nan)
        curve = files.spectrum_dat(
            {"Z rel (m)": z, "OC M1 Freq. Shift (Hz)": df}, x=i % 2 * 1e-10, y=i // 2 * 1e-10
        )
        (tmp_path / f"{i}.dat").write_bytes(curve)
    one = read_scan(tmp_path / "0.dat", pixel_size=1.0)
    assert one.heights == pytest.approx([0, -1, -2, -3, -4, -5])
    assert np.isnan(one.values[:, 0, 0]).tolist() == [False] * 3 + [True] * 3
    grid = read_scan(tmp_path)
    assert np.isfinite(grid.values).sum(axis=0).tolist() == [[3, 4], [5, 6]]
