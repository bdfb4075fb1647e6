import nanonispy2.read
import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io.scans import read_scan
from torch_afm.io.scans.registry import read_block
from torch_afm.utils import InputError

RNG = np.random.default_rng(0)
DF, BACK, CURRENT = (RNG.normal(size=(3, 4)).astype(np.float32) for _ in range(3))
BOTH = {
    "Current": {"forward": CURRENT, "backward": -CURRENT},
    "OC_M1_Freq._Shift": {"forward": DF, "backward": BACK},
}
STATUS = ":Z-Controller>Controller status:"


def _read(tmp_path, content, **options):
    path = tmp_path / "image.sxm"
    path.write_bytes(content)
    return read_scan(path, **options)


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize(("direction", "image"), [("forward", DF), ("backward", BACK)])
def test_orientation_of_both_directions(tmp_path, up, direction, image):
    stack = _read(tmp_path, files.sxm(BOTH, up=up, z=1.23e-9), direction=direction)
    assert np.array_equal(stack.values, image[None])
    assert stack.heights == pytest.approx([12.3]) and stack.unit == "Hz"
    assert (stack.channel, stack.direction) == ("OC_M1_Freq._Shift", direction)


def test_against_nanonispy2(tmp_path):
    """Lines in the order of acquisition there, so that an image scanned upwards has the same first line."""
    stack = _read(tmp_path, files.sxm(BOTH, z=1.23e-9), direction="backward")
    other = nanonispy2.read.Scan(str(tmp_path / "image.sxm"))
    np.testing.assert_array_equal(stack.values[0, :, ::-1], other.signals["OC_M1_Freq._Shift"]["backward"])
    assert np.ptp(stack.x) * 4 / 3 == pytest.approx(1e10 * other.header["scan_range"][0])


def test_window_and_settings(tmp_path):
    stack = _read(tmp_path, files.sxm(BOTH, z=1e-9))
    # 20 x 10 Å in 4 x 3 pixels about (30, -10) Å: pixels stand for their areas.
    assert stack.x == pytest.approx([22.5, 27.5, 32.5, 37.5])
    assert stack.y == pytest.approx([-10 - 10 / 3, -10, -10 + 10 / 3])
    # A setpoint of 0.5 Å, from the middle.
    assert stack.meta["amplitude"] == pytest.approx(1.0) and stack.meta["angle"] == 15.0


def test_multiples_of_hertz(tmp_path):
    stack = _read(tmp_path, files.sxm(BOTH, z=1e-9, unit="mHz"))
    assert stack.unit == "Hz" and stack.values[0] == pytest.approx(1e-3 * DF)
    given = _read(tmp_path, files.sxm(BOTH, z=1e-9, unit="mHz"), scale=2.0)
    assert given.unit == "Hz" and given.values[0] == pytest.approx(2 * DF)


@pytest.mark.parametrize(
    "extra",
    [
        (STATUS, "ON"),
        (":Z-CONTROLLER:", "\tName\ton\tSetpoint", "\tlog Current\t1\t1.000E-11 A"),
    ],
)
def test_a_controlled_height_is_no_constant_height(tmp_path, extra):
    content = files.sxm(BOTH, z=1e-9, extra=extra)
    with pytest.raises(
        InputError, match=r"image\.sxm: expected an image of constant height.*constant_height"
    ):
        _read(tmp_path, content)
    stack = _read(tmp_path, content, constant_height=True)
    assert np.array_equal(stack.values[0], DF) and "feedback" not in stack.meta
    _read(tmp_path, files.sxm(BOTH, z=1e-9, extra=(STATUS, "OFF")))


def test_tags_behind_the_table_of_channels(tmp_path):
    content = files.sxm(BOTH, z=1e-9).replace(b"\n\n:SCANIT_END:", b"\n\n:Foo:\nbar\n\n:SCANIT_END:")
    assert np.array_equal(_read(tmp_path, content).values[0], DF)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_channels_of_one_direction(tmp_path, order):
    channels = [("Current", {"forward": CURRENT}), ("Frequency Shift", {"backward": BACK})]
    content = files.sxm(dict(channels[i] for i in order), z=0.0)
    assert np.array_equal(_read(tmp_path, content, direction="backward").values, BACK[None])
    assert np.array_equal(_read(tmp_path, content, channel="current").values, CURRENT[None])
    with pytest.raises(InputError, match="direction: expected one of 'Frequency Shift'"):
        _read(tmp_path, content)


def test_unfinished_images_hold_nan(tmp_path):
    image = DF.copy()
    image[2] = np.nan
    stack = _read(tmp_path, files.sxm({"df": {"forward": image}}, z=0.0))
    assert np.isnan(stack.values[0, 2]).all() and np.isfinite(stack.values[0, :2]).all()
    with pytest.raises(InputError, match="stack: expected finite"):
        stack.tensor()


def test_the_heights_that_were_recorded(tmp_path):
    """Their range without a plane: 1 Å of a step beside a tilt, and none of a tilt alone."""
    y, x = np.mgrid[:32, :32] / 31
    tilt, step = 1e-9 * (2 * x + y), 1e-10 * (x > 0.5)
    for heights, spread in ((tilt, 0.0), (tilt + step, 1.0)):
        images = {"Z": {"forward": heights.astype("f4")}, "OC M1 Freq. Shift": {"forward": x.astype("f4")}}
        (tmp_path / "image.sxm").write_bytes(files.sxm(images, z=1e-9))
        block = read_block(tmp_path / "image.sxm", None, "forward")
        assert block.meta["z_spread"] == pytest.approx(spread, abs=0.35 * spread + 1e-3)
