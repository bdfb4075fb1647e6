from pathlib import Path

import pytest

from torch_afm.io.scans.nanonis import settings
from torch_afm.utils import InputError

FILE = Path("file.sxm")


def test_settings_in_our_units():
    """5e-11 m are 0.5 Å, whatever the case of the keys."""
    header = {
        "Oscillation Control>Amplitude Setpoint (m)": "5E-11",
        "oscillation control>center frequency (hz)": "30.3E+3",
        "Bias>Bias (V)": "1E-3",
        "Z-Controller>Controller status": "OFF ",
    }
    want = {"amplitude": pytest.approx(0.5), "f0": 30300.0, "bias": 0.001, "feedback": "OFF"}
    assert settings(FILE, header) == want
    assert settings(FILE, {"else": "1"}) == {}


def test_bad_settings():
    with pytest.raises(InputError, match=r"file\.sxm: bias>bias \(v\): expected a finite number, got 'x'"):
        settings(FILE, {"Bias>Bias (V)": "x"})
