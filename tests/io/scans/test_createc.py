import zlib

import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io.scans import read_scan
from torch_afm.utils import InputError

IMAGES = list(np.random.default_rng(2).integers(-999, 999, size=(6, 3, 4)))


def _read(tmp_path, content, channel="ADC5", heights=(4.0,), **options):
    path = tmp_path / "image.dat"
    path.write_bytes(content)
    return read_scan(path, channel=channel, heights=heights, **options)


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_versions(tmp_path, version):
    """Bits 0, 1 and 5 are stored, forward and then backward."""
    content = files.createc(IMAGES, version, select=0b100011)
    stack = _read(tmp_path, content)
    assert np.array_equal(stack.values[0], IMAGES[2]) and stack.unit == "DAC"
    assert stack.x == pytest.approx([-7.5, -2.5, 2.5, 7.5]) and stack.heights == [4.0]
    assert stack.meta["ch_zoff"] == "-0.5"
    assert np.array_equal(_read(tmp_path, content, direction="backward").values[0], IMAGES[5])
    assert np.array_equal(_read(tmp_path, content, channel="z").values[0], IMAGES[0])
    scaled = _read(tmp_path, content, scale=0.25)
    assert np.array_equal(scaled.values[0], IMAGES[2] / 4) and scaled.unit == "Hz"


def test_channels_without_bits(tmp_path):
    content = files.createc(IMAGES, select=3, extra="Scanmode / ScanXMode=2\r\n")
    assert np.array_equal(_read(tmp_path, content, "Channel1", direction="backward").values[0], IMAGES[4])
    assert np.array_equal(_read(tmp_path, files.createc(IMAGES), "Channel4").values[0], IMAGES[4])
    with pytest.raises(InputError, match=r"frequency shift.*'Channel0', 'Channel1'.*give channel"):
        _read(tmp_path, content, None)


def test_heights_must_be_given(tmp_path):
    with pytest.raises(InputError, match="heights: expected the files to tell them"):
        _read(tmp_path, files.createc(IMAGES), "Channel0", None)


BAD = {
    "truncated": (lambda c: c[:-4], 2, "expected 72 values"),
    "truncated stream": (lambda c: c[:-90], 3, "expected 72 values"),
    "no stream": (lambda c: c[:16384] + b"words", 3, "damaged"),
    "truncated header": (lambda c: c[:9000], 3, "header of 16384"),
    "huge": (lambda c: c.replace(b"Num.X=4", b"Num.X=400000000"), 2, "announces"),
    "huge stream": (
        lambda c: c.replace(b"Num.X=4", b"Num.X=40000").replace(bytes(4) + b"DATA", b"DATA"),
        3,
        "expected 720000 values",
    ),
    "negative": (lambda c: c.replace(b"Num.X=4", b"Num.X=-4"), 2, "positive whole number"),
    "no size": (lambda c: c.replace(b"Length", b"Lenght"), 2, "length x"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(tmp_path, name):
    change, version, words = BAD[name]
    with pytest.raises(InputError, match=words) as error:
        _read(tmp_path, change(files.createc(IMAGES, version)), "Channel0")
    assert "image.dat" in str(error.value) and "\n" not in str(error.value)


def test_a_stream_that_expands_without_end_is_cut(tmp_path):
    content = files.createc(IMAGES)[:16384] + zlib.compress(bytes(10**8))
    assert not _read(tmp_path, content, "Channel0").values.any()
