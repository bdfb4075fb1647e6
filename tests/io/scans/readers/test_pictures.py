import numpy as np
import pytest
from PIL import Image

from tests.io.scans import files
from torch_afm.io.scans import read_scan
from torch_afm.utils import InputError

RNG = np.random.default_rng(4)
GRAYS = {
    "uint8": RNG.integers(0, 256, (3, 4), np.uint8),
    "uint16": RNG.integers(0, 2**16, (3, 4), np.uint16),
    "float32": RNG.normal(size=(3, 4)).astype(np.float32),
}


@pytest.mark.parametrize(
    ("kind", "dtype"), [("PNG", "uint8"), ("PNG", "uint16")] + [("TIFF", d) for d in GRAYS]
)
def test_grays(tmp_path, kind, dtype):
    path = tmp_path / f"slice.{kind.lower()}"
    path.write_bytes(files.picture(GRAYS[dtype], kind=kind))
    stack = read_scan(path, heights=[5.0], pixel_size=0.5)
    assert np.array_equal(stack.values[0], GRAYS[dtype]) and stack.unit == "gray value"
    assert stack.x == pytest.approx([-0.75, -0.25, 0.25, 0.75]) and stack.y == pytest.approx([-0.5, 0, 0.5])


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


def test_colors(tmp_path):
    gray = np.repeat(GRAYS["uint8"][..., None], 3, axis=2)
    for name, pixels in (("gray", gray), ("colors", gray + np.arange(3, dtype=np.uint8))):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    stack = read_scan(tmp_path / "gray.png", heights=[1.0], pixel_size=1.0)
    assert np.array_equal(stack.values[0], GRAYS["uint8"][::-1])
    with pytest.raises(InputError, match=r"colors\.png: expected gray values, got colors"):
        read_scan(tmp_path / "colors.png", heights=[1.0], pixel_size=1.0)
