import h5py
import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io.scans import ChannelError, read_scan
from torch_afm.utils import InputError

IMAGES = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
BOTH = pytest.mark.parametrize("version", [3, 4])


def _write(tmp_path, content, name="scan001-M-Xp-dFreq.nc"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@BOTH
def test_an_image(tmp_path, version):
    """Values times dz in Hz, y upwards; the frame has its pixels' size, its place and its angle."""
    path = _write(tmp_path, files.gxsm(IMAGES[:1], version))
    stack = read_scan(path)
    np.testing.assert_allclose(stack.values[0], IMAGES[0], rtol=1e-6)
    assert (stack.unit, stack.channel, stack.direction) == ("Hz", "dFreq", "forward")
    assert stack.pixel_size == pytest.approx((5, 10 / 3))
    assert (np.mean(stack.x), np.mean(stack.y)) == pytest.approx((30, -10), abs=1e-5)
    assert stack.meta["angle"] == 15 and stack.meta["times"] == [1_700_000_030.0]
    assert "warnings" not in stack.meta


@BOTH
def test_layers_are_slices_in_the_order_of_given_heights(tmp_path, version):
    path = _write(tmp_path, files.gxsm(IMAGES, version))
    stack = read_scan(path, heights=[1.0, 1.5])
    np.testing.assert_allclose(stack.values, IMAGES[::-1], rtol=1e-6)
    with pytest.raises(InputError, match="give heights"):
        read_scan(path)


@BOTH
def test_backward_lines_run_to_the_left(tmp_path, version):
    """As their positions say; the name of the file says which direction it has."""
    path = _write(tmp_path, files.gxsm(IMAGES[:1], version, backward=True), "scan001-Xm-dFreq.nc")
    stack = read_scan(path, direction="backward")
    np.testing.assert_allclose(stack.values[0], IMAGES[0], rtol=1e-6)
    with pytest.raises(InputError, match="direction: expected 'backward'"):
        read_scan(path)
    unsaid = files.gxsm(IMAGES[:1], version, backward=True, drop=["dimx"])
    with pytest.raises(InputError, match="dimx"):
        read_scan(_write(tmp_path, unsaid, "scan001-Xm-dFreq.nc"), direction="backward")


def test_a_folder_gives_the_frequency_shift(tmp_path):
    """Other channels are left out."""
    for i, image in enumerate(IMAGES):
        _write(tmp_path, files.gxsm(image[None]), f"scan{i}-Xp-dFrequency.nc")
        _write(tmp_path, files.gxsm(image[None], unit="AA"), f"scan{i}-M-Xp-Topo.nc")
        _write(tmp_path, files.gxsm(image[None], backward=True), f"scan{i}-Xm-dFrequency.nc")
    with pytest.raises(InputError, match="heights"):
        read_scan(tmp_path)
    paths = sorted(tmp_path.glob("*Xp-dFrequency.nc"))
    assert read_scan(paths, step=0.1).values.shape == (2, 3, 4)
    topography = read_scan(tmp_path / "scan0-M-Xp-Topo.nc", channel="Topo")
    assert topography.unit == "Å"
    with pytest.raises(ChannelError) as error:
        read_scan(tmp_path / "scan0-M-Xp-Topo.nc")
    assert error.value.channels == ("Topo",)


@BOTH
@pytest.mark.parametrize(
    ("unit", "drop", "word"), [("", [], None), ("mHz", [], "'mHz' is not known"), ("Hz", ["dz"], "no dz")]
)
def test_values_of_no_certain_unit_keep_that_of_the_converter(tmp_path, version, unit, drop, word):
    if version == 4 and drop:
        return  # dz is what such a file is known by
    path = _write(tmp_path, files.gxsm(IMAGES[:1], version, unit=unit, drop=drop))
    stack = read_scan(path)
    assert stack.unit == "DAC"
    assert word is None or word in stack.meta["warnings"][0]
    scaled = read_scan(path, scale=-50.0)
    assert scaled.unit == "Hz" and np.array_equal(scaled.values, -50 * stack.values)


def test_sixteen_bits_of_older_versions(tmp_path):
    """Their positions have the offset in them, and no text that says they have not."""
    counts = np.arange(1, 13).reshape(1, 3, 4)
    content = files.gxsm(counts, kind="H", scale=1.0)
    x = np.frombuffer(content, ">f4", 4, content.index(np.array([-7.5], ">f4").tobytes()))
    moved = content.replace(x.tobytes(), (x + 30).astype(">f4").tobytes()).replace(
        b"extra_info", b"extra_inf0"
    )
    y = np.array([10 / 3, 0, -10 / 3], ">f4")
    moved = moved.replace(y.tobytes(), (y - 10).astype(">f4").tobytes())
    for bytes_ in (content, moved):
        stack = read_scan(_write(tmp_path, bytes_))
        assert np.array_equal(stack.values, counts)
        assert (np.mean(stack.x), np.mean(stack.y)) == pytest.approx((30, -10), abs=1e-5)


@BOTH
def test_what_was_not_scanned(tmp_path, version):
    """The fill value of netCDF, and zeros over whole lines at an edge."""
    image = IMAGES[0].copy()
    image[0] = 0
    image[1, 1] = 9.96920996838687e36
    stack = read_scan(_write(tmp_path, files.gxsm(image[None], version, scale=1.0)))
    assert np.isnan(stack.values[0]).tolist() == [[True] * 4, [False, True, False, False], [False] * 4]
    assert "1 lines of" in stack.meta["warnings"][0]


@BOTH
def test_a_frame_that_hangs_from_its_upper_edge(tmp_path, version):
    """GXSM may count places from the middle of the first line; the positions of lines say so."""
    y = np.array([0, -10 / 3, -20 / 3], "f4")
    content = files.gxsm(IMAGES[:1], version, numbers={"alpha": 0.0})
    default = np.array([10 / 3, 0, -10 / 3], "f4")
    order = ">f4" if version == 3 else "<f4"
    changed = content.replace(default.astype(order).tobytes(), y.astype(order).tobytes())
    assert changed != content
    stack = read_scan(_write(tmp_path, changed))
    assert np.mean(stack.y) == pytest.approx(-10 - 10 / 3, abs=1e-5)


def test_without_the_size_of_a_pixel(tmp_path):
    path = _write(tmp_path, files.gxsm(IMAGES[:1], drop=["dx"]))
    with pytest.raises(InputError, match="pixel_size: expected the files to tell it"):
        read_scan(path)
    assert read_scan(path, pixel_size=0.5).pixel_size == (0.5, 0.5)


def test_texts_of_variable_length_are_never_read(tmp_path):
    path = _write(tmp_path, files.gxsm(IMAGES[:1], 4))
    with h5py.File(path, "a") as file:
        del file["rangez"].attrs["unit"]
        file["rangez"].attrs["unit"] = "Hz"
    assert read_scan(path).unit == "DAC"


def test_other_netcdf_files(tmp_path):
    with pytest.raises(
        InputError, match=r"x\.nc: expected an image of GXSM .* got the variables 'alpha', 'dimx'"
    ):
        read_scan(_write(tmp_path, files.gxsm(IMAGES[:1], drop=["FloatField"]), "x.nc"))
    with pytest.raises(InputError, match=r"x\.nc: .* HDF5 file with the datasets"):
        read_scan(_write(tmp_path, files.gxsm(IMAGES[:1], 4, drop=["FloatField"]), "x.nc"))
    with pytest.raises(InputError, match=r"x\.nc: "):
        read_scan(_write(tmp_path, b"CDF\x05" + bytes(200), "x.nc"))
