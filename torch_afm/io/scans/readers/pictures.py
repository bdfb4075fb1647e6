"""Images as PNG, TIFF and JPEG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from torch_afm.io.scans.palettes import gray_from_colors
from torch_afm.io.scans.recognize import GWYDDION
from torch_afm.io.scans.registry import scan_reader
from torch_afm.io.scans.scan_block import (
    EXPANSION,
    MAX_VALUES,
    ScanBlock,
    check_forward,
    check_size,
    reading,
)
from torch_afm.utils import InputError

#: Pillow's modes of one number a pixel.
_GRAY = {"1", "L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}

#: Pages of a TIFF at most.
_MAX_PAGES = 10_000

#: Tag of TIFF that Park Systems marks its files by (Gwyddion's reader psia.c): data are in others beside it.
_PARK = 50432

#: Levels by which the red, green and blue of a gray pixel may differ in a JPEG, whose chroma is rounded.
_CHROMA_NOISE = 12

_LOSSY = (
    "the images are JPEG, which loses contrast of less than a few gray levels and disturbs blocks of 8 x 8 "
    "pixels"
)


@scan_reader(
    "picture",
    suffixes=(".png", ".tif", ".tiff", ".jpg", ".jpeg"),
    magic=(b"\x89PNG", b"II*\0", b"MM\0*", b"\xff\xd8\xff"),
)
def read_picture(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """The gray values of a PNG, a JPEG, or of each page of a TIFF, 8 or 16 bits or floating point; of a
    picture in colors those of the palette that the colors lie on (:mod:`torch_afm.io.scans.palettes`), which
    ``meta["warnings"]`` names. The first line is the uppermost, after a turn that EXIF asks for; transparent
    pixels are NaN.

    Raises:
        InputError: for a damaged picture, pages of different sizes, and colors of no palette.
    """
    check_forward(path, direction)
    # By a file rather than its name: Pillow 13 maps turned TIFFs in the wrong shape.
    with (
        reading(path, "picture (PNG, TIFF or JPEG)"),
        open(path, "rb") as file,
        Image.open(file, formats=("PNG", "TIFF", "JPEG")) as picture,
    ):
        if _PARK in getattr(picture, "tag_v2", ()):
            raise InputError(
                f"{path}: expected a picture, got a preview in the file of a Park Systems microscope; "
                f"{GWYDDION}"
            )
        lossy = picture.format == "JPEG"
        n_pages = getattr(picture, "n_frames", 1)
        if n_pages > _MAX_PAGES:
            raise InputError(f"{path}: expected at most {_MAX_PAGES} pages, got {n_pages}")
        pages: list[np.ndarray] = []
        hidden: list[np.ndarray] = []
        for page in range(n_pages):
            picture.seek(page)
            # Four numbers a pixel in colors with transparency.
            size = picture.width * picture.height
            check_size(path, 4 * size, MAX_VALUES)
            check_size(path, size * n_pages, 8 * EXPANSION * path.stat().st_size)
            values, transparent = _pixels(ImageOps.exif_transpose(picture), lossy)
            pages.append(values[::-1])
            hidden.append(transparent[::-1])
    if len({values.shape[:2] for values in pages}) != 1:
        raise InputError(f"{path}: expected pages of one size, got different ones")
    warnings = [_LOSSY] if lossy else []
    if any(values.ndim == 3 for values in pages):
        if any(values.dtype != np.uint8 for values in pages):
            raise InputError(f"{path}: expected pages in gray or in colors, got both")
        colors = [values if values.ndim == 3 else np.repeat(values[..., None], 3, -1) for values in pages]
        try:
            images, (palette, *others) = gray_from_colors(np.stack(colors).astype(np.uint8), lossy)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        alike = f" ({' and '.join(others)} would fit nearly as well)" if others else ""
        warnings.append(
            f"colors were mapped back to gray values by the palette {palette}{alike}; give a negative scale "
            "where it was used the other way round"
        )
    else:
        images = np.stack(pages).astype(np.float64)
    return ScanBlock(
        values=np.where(hidden, np.nan, images),
        heights=None,
        size=None,
        center=(0.0, 0.0),
        unit="gray value",
        channel="gray",
        direction="forward",
        meta={"warnings": warnings} if warnings else {},
        channels=("gray",),
    )


def _pixels(picture: Image.Image, lossy: bool) -> tuple[np.ndarray, np.ndarray]:
    """Gray values ``[y, x]``, or colors ``[y, x, 3]`` where not all are gray, and which are transparent."""
    if picture.mode in _GRAY:
        values = np.asarray(picture)
        return values, np.zeros(values.shape, bool)
    pixels = np.asarray(picture.convert("RGBA"))
    colors, transparent = pixels[..., :3], pixels[..., 3] == 0
    spread = np.ptp(colors[~transparent], axis=-1) if not transparent.all() else np.zeros(1)
    if spread.max() == 0:
        return colors[..., 0], transparent
    if lossy and spread.max() <= _CHROMA_NOISE:
        return np.asarray(picture.convert("L")), transparent
    # What a transparent pixel hides is of no palette.
    visible = colors[~transparent]
    return np.where(transparent[..., None], visible[0], colors), transparent
