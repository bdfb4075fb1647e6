import struct

import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io.scans import read_scan
from torch_afm.utils import InputError

A, B, C = np.random.default_rng(3).normal(size=(3, 3, 4))


def _height(z):
    return {"Z-Controller>Z (m)": f"{z:g}", "Bias": "1 V"}


def _read(tmp_path, content, **options):
    path = tmp_path / "image.gwy"
    path.write_bytes(content)
    return read_scan(path, **options)


def test_slices_and_heights(tmp_path):
    fields = [
        ("OC M1 Freq. Shift", A, _height(7e-10)),
        ("Current", C, _height(7e-10)),
        ("OC M1 Freq. Shift [Backward]", C, _height(7e-10)),
        ("OC M1 Freq. Shift (Forward)", B, _height(8e-10)),
    ]
    stack = _read(tmp_path, files.gwy(fields))
    assert np.array_equal(stack.values, [B, A]) and stack.heights == pytest.approx([8, 7])
    assert stack.x == pytest.approx([2.5, 7.5, 12.5, 17.5]) and stack.unit == "Hz"
    assert stack.y == pytest.approx([-10 + 10 / 6, -5, -10 / 6])
    backward = _read(tmp_path, files.gwy(fields), direction="backward")
    assert np.array_equal(backward.values, C[None]) and backward.heights == pytest.approx([7])


def test_heights_given(tmp_path):
    content = files.gwy([("df", A, {}), ("df", B, {})])
    with pytest.raises(InputError, match="give heights"):
        _read(tmp_path, content)
    assert np.array_equal(_read(tmp_path, content, heights=[1.0, 2.0]).values, [B, A])


def test_resolution_that_does_not_fit(tmp_path):
    content = files.gwy([("df", A, _height(0))])
    wrong = content.replace(b"xres\0i" + struct.pack("<i", 4), b"xres\0i" + struct.pack("<i", 2**30))
    assert wrong != content
    with pytest.raises(InputError, match="damaged"):
        _read(tmp_path, wrong)
    with pytest.raises(InputError, match="one size and place"):
        _read(tmp_path, files.gwy([("df", A, _height(0)), ("df", A[:2], _height(1))]))
