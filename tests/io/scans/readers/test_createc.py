import zlib

import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io.scans import ChannelError, read_scan
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


@pytest.mark.parametrize("version", [2, 3])
def test_a_header_that_was_shortened(tmp_path, version):
    """The data follow DATA, wherever that stands, also where the word stands in the header too."""
    content = files.createc(IMAGES, version, extra="Path=C:\\DATA\\\r\n")
    for short in (content, content[:16000] + content[16120:]):
        assert np.array_equal(_read(tmp_path, short, "Channel2").values[0], IMAGES[2])


@pytest.mark.parametrize(("first", "last"), [(0, 5), (3, 8), (0, 8)])
def test_lines_that_were_not_scanned(tmp_path, first, last):
    """Zeros in every channel, at the lower edge (ScanYMode 1) or the upper one (2); the line that was being
    scanned is half zero. A zero in one channel is a zero."""
    images = np.random.default_rng(0).integers(1, 999, (4, 8, 8)).astype(float)
    images[:, :first] = images[:, last:] = 0
    begun = first if first else last - 1 if last < 8 else None
    if begun is not None:
        images[:, begun, 4:] = 0
    images[2, 4, 3] = 0
    found = _read(tmp_path, files.createc(list(images), select=15), "ADC2").values[0]
    missing = np.zeros((8, 8), bool)
    missing[:first] = missing[last:] = True
    if begun is not None:
        missing[begun, 4:] = True
    np.testing.assert_array_equal(np.isnan(found), missing)
    np.testing.assert_array_equal(found[~missing], images[2][~missing])


def test_what_the_header_says(tmp_path):
    """400 and -200 steps of 0.01 Å, amplified; the resonance where the PLL was on."""
    extra = "Scanrotoffx / OffsetX=-400\r\nScanrotoffy / OffsetY=200\r\nDacto[A]xy=0.001\r\n"
    extra += "GainX / GainX=10\r\nGainY / GainY=10\r\n"
    extra += "PLLOn=1\r\nPLLCenterFreq=30713.24\r\n"
    stack = _read(tmp_path, files.createc(IMAGES, extra=extra), "Channel2")
    assert np.mean(stack.x) == pytest.approx(4.0) and np.mean(stack.y) == pytest.approx(-2.0)
    assert stack.meta["f0"] == 30713.24
    controlled = files.createc(IMAGES).replace(b"CHMode=1", b"CHMode=0")
    with pytest.raises(InputError, match=r"image\.dat: expected an image of constant height"):
        _read(tmp_path, controlled, "Channel2")
    assert np.array_equal(_read(tmp_path, controlled, "Channel2", constant_height=True).values[0], IMAGES[2])


def test_the_channel_of_the_frequency_shift(tmp_path):
    """Bit 7, in Hz, where the PLL was on."""
    for extra, names in (("PLLOn=1\r\n", ["Frequency shift"]), ("PLLOn=0\r\n", ["ADC7"])):
        content = files.createc(IMAGES, select=0b10000011, extra=extra)
        (tmp_path / "image.dat").write_bytes(content)
        if names == ["ADC7"]:
            with pytest.raises(ChannelError) as error:
                read_scan(tmp_path / "image.dat")
            assert error.value.channels == ("Z", "Current", "ADC7")
        else:
            stack = read_scan(tmp_path / "image.dat")
            assert stack.unit == "Hz" and stack.channel == names[0]
            assert "bit 7 was taken for it" in stack.meta["warnings"][0]


def test_a_stream_that_expands_without_end_is_cut(tmp_path):
    """What comes after the images of the header is never expanded."""
    content = files.createc(IMAGES)
    stream = zlib.decompress(content[16384:])
    found = _read(tmp_path, content[:16384] + zlib.compress(stream + bytes(10**8)), "Channel0")
    assert np.array_equal(found.values[0], IMAGES[0])
