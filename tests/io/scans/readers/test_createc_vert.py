import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io.scans import ChannelError, read_scan
from torch_afm.utils import InputError

BIAS = np.full(4, -100.0)
Z = np.array([0.0, 50.0, 100.0, 150.0])
DF = np.array([-1.0, -2.0, -4.0, -3.0])
CURRENT = np.array([10.0, 20.0, 40.0, 80.0])


def _write(tmp_path, content, name="A180524.133727.VERT"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("version", [30, 32])
@pytest.mark.parametrize("padded", [False, True])
def test_a_sweep_of_z(tmp_path, version, padded):
    """150 mV at 20 Å/V are 3 Å, toward the surface; Δf in Hz is the channel of bit 7."""
    content = files.vert([BIAS, Z, CURRENT, DF], version, padded=padded)
    stack = read_scan(_write(tmp_path, content), pixel_size=1.0)
    assert stack.heights.tolist() == [0, -1, -2, -3] and stack.values[:, 0, 0].tolist() == DF.tolist()
    assert (stack.unit, stack.channel) == ("Hz", "Frequency shift")
    assert stack.meta["f0"] == 30_000 and stack.meta["bias"] == -0.1
    assert "bit 7" in stack.meta["warnings"][1]
    current = read_scan(tmp_path / "A180524.133727.VERT", channel="Current", pixel_size=1.0)
    assert current.unit == "DAC" and current.values[:, 0, 0].tolist() == CURRENT.tolist()


def test_points_of_a_grid(tmp_path):
    """In steps of 0.1 Å to the right and downwards, from the middle of the frame of images."""
    extra = "Scanrotoffx / OffsetX=-300\r\nScanrotoffy / OffsetY=100\r\n"
    for i in range(2):
        for j in range(3):
            curve = [BIAS, Z, CURRENT, DF + 10 * i + 100 * j]
            _write(tmp_path, files.vert(curve, x=20 * i, y=20 * j, extra=extra), f"A.X{i}.Y{j}.VERT")
    stack = read_scan(tmp_path)
    want = DF[:, None, None] + 10 * np.arange(2) + 100 * np.arange(2, -1, -1)[:, None]
    assert np.array_equal(stack.values, want)
    assert stack.pixel_size == pytest.approx((2, 2))
    assert (stack.x[0], stack.y[-1]) == pytest.approx((30, -10))


def test_the_way_back(tmp_path):
    """The second half of the rows where the sweep was repeated backwards."""
    both = [np.concatenate([a, a[::-1] + shift]) for a, shift in ((BIAS, 0), (Z, 0), (CURRENT, 0), (DF, 5))]
    path = _write(tmp_path, files.vert(both, extra="VertSpecBack=1\r\n"))
    forward, backward = (read_scan(path, direction=way, pixel_size=1.0) for way in ("forward", "backward"))
    assert forward.heights.tolist() == backward.heights.tolist() == [0, -1, -2, -3]
    assert np.array_equal(backward.values, forward.values + 5)
    path = _write(tmp_path, files.vert([BIAS, Z, CURRENT, DF]))
    with pytest.raises(InputError, match="expected 'forward'"):
        read_scan(path, direction="backward")


def test_decimal_commas_and_other_channels(tmp_path):
    content = files.vert([BIAS, Z, CURRENT], bits=(4,)).replace(b".000000", b",000000")
    path = _write(tmp_path, content)
    assert read_scan(path, channel="ADC1", pixel_size=1.0).values[:, 0, 0].tolist() == CURRENT.tolist()
    with pytest.raises(ChannelError) as error:
        read_scan(path)
    assert error.value.channels == ("ADC1",)
    off = files.vert([BIAS, Z, CURRENT, DF]).replace(b"PLLOn=1", b"PLLOn=0")
    with pytest.raises(ChannelError, match="'ADC7'"):
        read_scan(_write(tmp_path, off))


def test_columns_before_the_channels(tmp_path):
    """Of version 4 there are three, or as many as the seventh number says."""
    content = files.vert([BIAS, Z, CURRENT, DF], 30).replace(b"[ParVERT30]", b"[ParVERT32]")
    with pytest.raises(InputError, match="6 columns"):
        read_scan(_write(tmp_path, content))
    content = content.replace(b"    129\r\n", b"    129    3    7    2    1.5\r\n")
    stack = read_scan(_write(tmp_path, content), pixel_size=1.0)
    assert stack.values[:, 0, 0].tolist() == DF.tolist()


GOOD = files.vert([BIAS, Z, CURRENT, DF])
BAD = {
    "one of the bias, 0 to 150 mV": files.vert([Z, Z, CURRENT, DF]),
    "a curve at one height": files.vert([BIAS, BIAS, CURRENT, DF]),
    "VertFBMode: expected 4": GOOD.replace(b"VertFBMode=4", b"VertFBMode=1"),
    "ZPiezoconst: expected a finite": GOOD.replace(b"ZPiezoconst", b"ZPiezo"),
    "ZPiezoconst: expected a positive": GOOD.replace(b"= 20.00", b"=-20.00"),
    "ends in DATA": GOOD.replace(b"DATA", b"DATE"),
    "expected points, position": GOOD.replace(b"    4    0", b"    x    0"),
    "7 columns": GOOD.replace(b"    129", b"    131"),
    "expected 3 points": GOOD.replace(b"    4    0", b"    3    0"),
    "VertSpecBack": files.vert([BIAS, Z, CURRENT, DF], extra="VertSpecBack=x\r\n"),
    "damaged": GOOD.replace(b"\t40.000000", b"\tforty"),
    "an older or a damaged one": GOOD.replace(b"[ParVERT32]", b"[Parameter]"),
    "version 3 or 4": b"words",
}


@pytest.mark.parametrize("word", BAD)
def test_what_is_refused(tmp_path, word):
    with pytest.raises(InputError, match=r"A180524\.133727\.VERT") as error:
        read_scan(_write(tmp_path, BAD[word]))
    assert word in str(error.value)
