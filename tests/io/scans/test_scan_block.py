from pathlib import Path

import pytest

from torch_afm.io.scans.scan_block import (
    MAX_VALUES,
    check_size,
    parse_number,
    parse_quantity,
    pick_channel,
    plain_name,
    reading,
    split_unit,
)
from torch_afm.utils import InputError

FILE = Path("file.sxm")


def test_names_of_the_frequency_shift():
    for name in (
        "OC M1 Freq. Shift (Hz)",
        "OC_M1_Freq._Shift",
        "Frequency Shift",
        "frequency_shift [AVG] (Hz)",
        "df",
        "Δf (Hz)",
    ):
        assert pick_channel(FILE, ["Current (A)", "Z (m)", name, "Offset", "dIdV"], None) == 2


def test_names_that_are_given():
    names = ["Current (A)", "LI Demod 1 X (A)", "LI_Demod_1_Y"]
    assert pick_channel(FILE, names, "current") == 0
    assert pick_channel(FILE, names, "LI Demod 1 X (A)") == 1
    assert pick_channel(FILE, names, "LI Demod 1 Y") == 2
    with pytest.raises(InputError, match="exactly one to be 'LI'"):
        pick_channel(FILE, names, "LI")
    with pytest.raises(InputError, match=r"got 2 of 'df', 'Freq\. Shift'"):
        pick_channel(FILE, ["df", "Freq. Shift"], None)
    assert plain_name("Z-Controller>Z (m)") == "zcontrollerzm"


def test_sizes():
    check_size(FILE, 3, 3)
    for values, held in ((0, 9), (-3, 9), (MAX_VALUES + 1, 2**60), (4, 3)):
        with pytest.raises(InputError, match=r"file\.sxm"):
            check_size(FILE, values, held)


def test_numbers():
    for text in ("", "nan", "inf", "1e999", "one", None, "1 2"):
        with pytest.raises(InputError, match=r"file\.sxm: Z: expected a finite number"):
            parse_number(FILE, "Z", text)
    assert parse_number(FILE, "Z", " 1e-3 ") == 1e-3


@pytest.mark.parametrize(
    ("text", "unit", "base", "value"),
    [
        ("3", "pm", "m", 3e-12),
        ("3 nm", "pm", "m", 3e-9),
        ("-1.5E-3 Å", "", "m", -1.5e-13),
        ("2", "", "m", 2.0),
        ("30.3", "kHz", "Hz", 30300.0),
        ("5 mHz", "", "Hz", 5e-3),
        ("5 m", "", "Hz", None),
        ("5", "A", "m", None),
        ("px", "", "m", None),
        ("1e999", "m", "m", None),
    ],
)
def test_quantities(text, unit, base, value):
    assert parse_quantity(text, unit, base) == (None if value is None else pytest.approx(value, rel=1e-12))


def test_names_and_units_in_brackets():
    assert split_unit("OC M1 Freq. Shift (Hz)") == ("OC M1 Freq. Shift", "Hz") and split_unit("df") == (
        "df",
        "",
    )


def test_whatever_a_library_raises(capsys):
    words = r"^file\.sxm: expected an intact thing, "
    for error in (KeyError("k"), RecursionError(), MemoryError(), AssertionError("a\nb")):
        with pytest.raises(InputError, match=words) as raised, reading(FILE, "thing"):
            print("noise")
            raise error
        assert "\n" not in str(raised.value) and capsys.readouterr().out == ""
