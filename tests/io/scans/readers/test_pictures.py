import matplotlib
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from tests.io.scans import files
from torch_afm.io.scans import read_scan
from torch_afm.utils import InputError

RNG = np.random.default_rng(4)
GRAYS = {
    "uint8": RNG.integers(0, 256, (3, 4), np.uint8),
    "uint16": RNG.integers(0, 2**16, (3, 4), np.uint16),
    "float32": RNG.normal(size=(3, 4)).astype(np.float32),
}
#: A smooth image from 0 to 1, as of a microscope.
SMOOTH = gaussian_filter(RNG.normal(size=(64, 80)), 4)
SMOOTH = (SMOOTH - SMOOTH.min()) / np.ptp(SMOOTH)
SIZED = {"heights": [1.0], "pixel_size": 1.0}


def _read(path, content, **options):
    path.write_bytes(content)
    return read_scan(path, **SIZED | options)


@pytest.mark.parametrize(
    ("kind", "dtype"), [("PNG", "uint8"), ("PNG", "uint16")] + [("TIFF", d) for d in GRAYS]
)
def test_grays(tmp_path, kind, dtype):
    path = tmp_path / f"slice.{kind.lower()}"
    stack = _read(path, files.picture(GRAYS[dtype], kind=kind), heights=[5.0], pixel_size=0.5)
    assert np.array_equal(stack.values[0], GRAYS[dtype]) and stack.unit == "gray value"
    assert stack.x == pytest.approx([-0.75, -0.25, 0.25, 0.75]) and stack.y == pytest.approx([-0.5, 0, 0.5])
    assert "warnings" not in stack.meta


def test_slices_in_a_folder_by_their_numbers(tmp_path):
    for i in (1, 2, 10):
        (tmp_path / f"slice{i}.png").write_bytes(files.picture(np.full((3, 4), i, np.uint8)))
    (tmp_path / "notes.txt").write_text("else")
    stack = read_scan(tmp_path, heights=[5, 7, 6], pixel_size=(0.5, 1.0), scale=0.1)
    assert stack.values[:, 0, 0] == pytest.approx([0.2, 1.0, 0.1]) and stack.unit == "Hz"
    assert stack.meta["files"] == ["slice2.png", "slice10.png", "slice1.png"]
    assert stack.pixel_size == pytest.approx((0.5, 1.0))


def test_pages(tmp_path):
    path = tmp_path / "stack.tif"
    pages = [GRAYS["float32"] + i for i in range(3)]
    path.write_bytes(files.picture(*pages, kind="TIFF"))
    assert np.array_equal(read_scan(path, heights=[3, 2, 1], pixel_size=1.0).values, pages)


def test_jpeg(tmp_path):
    """Gray, and gray in colors, which its chroma makes not quite gray; with a warning."""
    gray = np.rint(255 * SMOOTH).astype(np.uint8)
    tinted = np.stack([gray, gray, np.clip(gray, 3, None) - 3], axis=-1).astype(np.uint8)
    for name, pixels in (("a.jpg", gray), ("b.jpeg", np.repeat(gray[..., None], 3, 2)), ("c.JPG", tinted)):
        content = files.picture(pixels, kind="JPEG", quality=90)
        stack = _read(tmp_path / name, content)
        assert np.sqrt(np.mean((stack.values[0] - gray) ** 2)) < 1.5 and stack.unit == "gray value"
        assert [w for w in stack.meta["warnings"] if "JPEG" in w] == stack.meta["warnings"]
    # By its first bytes, too.
    assert np.array_equal(_read(tmp_path / "d.png", content).values, stack.values)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_turn_that_exif_asks_for(tmp_path, kind, orientation):
    """The picture as every viewer shows it; the table is that of the EXIF standard (tag 0x0112)."""
    gray = np.zeros((16, 24), np.uint8)
    gray[12:, 16:] = 255  # the upper right corner of the picture, y upwards
    shown = {
        1: gray,
        2: gray[:, ::-1],
        3: gray[::-1, ::-1],
        4: gray[::-1],
        # Line 0 of the file, the uppermost, is the left side of the picture; and so on.
        5: gray[::-1].T[::-1],
        6: gray.T[::-1],
        7: gray[:, ::-1].T[::-1],
        8: gray[::-1, ::-1].T[::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stack = _read(tmp_path / f"a.{kind.lower()}", files.picture(gray, kind=kind, exif=exif))
    assert stack.values.shape[1:] == shown.shape and np.abs(stack.values[0] - shown).max() < 8


def test_gray_in_colors(tmp_path):
    gray = np.repeat(GRAYS["uint8"][..., None], 3, axis=2)
    stack = _read(tmp_path / "gray.png", files.picture(gray))
    assert np.array_equal(stack.values[0], GRAYS["uint8"]) and "warnings" not in stack.meta


@pytest.mark.parametrize("palette", ["afmhot", "viridis"])
def test_colors_of_a_palette(tmp_path, palette):
    """Back to the values that matplotlib made them from, to the rounding of 8 bits."""
    colors = matplotlib.colormaps[palette](SMOOTH, bytes=True)
    stack = _read(tmp_path / "colors.png", files.picture(colors))
    assert np.abs(stack.values[0] - 255 * SMOOTH).max() < 2
    (warning,) = stack.meta["warnings"]
    assert warning.startswith(f"colors were mapped back to gray values by the palette {palette}; give")
    lossy = _read(tmp_path / "colors.jpg", files.picture(colors[..., :3], kind="JPEG", quality=90))
    assert np.corrcoef(lossy.values[0].ravel(), SMOOTH.ravel())[0, 1] > 0.998
    assert len(lossy.meta["warnings"]) == 2


def test_one_palette_for_all_pages(tmp_path):
    colors = matplotlib.colormaps["inferno"](np.stack([SMOOTH, SMOOTH**2]), bytes=True)[..., :3]
    content = files.picture(*colors, kind="TIFF")
    stack = _read(tmp_path / "a.tif", content, heights=[2.0, 1.0])
    assert np.abs(stack.values / 255 - [SMOOTH, SMOOTH**2]).max() < 0.01


def test_transparent_pixels_are_not_measured(tmp_path):
    """As matplotlib leaves them where an image is NaN."""
    image = SMOOTH.copy()
    image[:5] = np.nan
    colors = matplotlib.colormaps["hot"](np.ma.masked_invalid(image), bytes=True)
    values = _read(tmp_path / "a.png", files.picture(colors)).values[0]
    assert np.isnan(values[:5]).all() and np.abs(values[5:] - 255 * SMOOTH[5:]).max() < 2.5


def test_colors_of_no_palette(tmp_path):
    colors = np.stack([SMOOTH, SMOOTH**3, 1 - SMOOTH], axis=-1)
    for kind in ("PNG", "JPEG"):
        path = tmp_path / f"colors.{kind.lower()}"
        with pytest.raises(InputError, match=r"none of gray, viridis, .*export the picture in gray") as error:
            _read(path, files.picture((255 * colors).astype(np.uint8), kind=kind))
        assert str(error.value).startswith(f"{path}: expected gray values or the colors of a palette")
    both = [Image.fromarray((255 * colors).astype(np.uint8)), Image.fromarray(SMOOTH.astype(np.float32))]
    both[0].save(tmp_path / "both.tif", save_all=True, append_images=both[1:])
    with pytest.raises(InputError, match="pages in gray or in colors, got both"):
        read_scan(tmp_path / "both.tif", heights=[2, 1], pixel_size=1.0)
