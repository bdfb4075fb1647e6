from pathlib import Path

import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io.scans import read_scan
from torch_afm.io.scans.nanonis import settings
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
