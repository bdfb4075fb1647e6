"""Images as PNG and TIFF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

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


@scan_reader("picture", suffixes=(".png", ".tif", ".tiff"), magic=(b"\x89PNG", b"II*\0", b"MM\0*"))
def read_picture(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """The gray values of a PNG, or of each page of a TIFF, 8 or 16 bits or floating point; of a picture in
    colors only if all of these are gray. The first line is the uppermost.

    Raises:
        InputError: for a damaged picture, pages of different sizes, and colors.
    """
    check_forward(path, direction)
    with reading(path, "picture (PNG or TIFF)"), Image.open(path, formats=("PNG", "TIFF")) as picture:
        pages: list[np.ndarray] = []
        n_pages = getattr(picture, "n_frames", 1)
        if n_pages > _MAX_PAGES:
            raise InputError(f"{path}: expected at most {_MAX_PAGES} pages, got {n_pages}")
        for page in range(n_pages):
            picture.seek(page)
            # Four numbers a pixel in colors with transparency.
            size = picture.width * picture.height
            check_size(path, 4 * size, MAX_VALUES)
            check_size(path, size * n_pages, 8 * EXPANSION * path.stat().st_size)
            pages.append(_gray(path, picture)[::-1].astype(np.float64))
        if len({p.shape for p in pages}) != 1:
            raise InputError(f"{path}: expected pages of one size, got different ones")
    return ScanBlock(
        values=np.stack(pages),
        heights=None,
        size=None,
        center=(0.0, 0.0),
        unit="gray value",
        channel="gray",
        direction="forward",
        channels=("gray",),
    )


def _gray(path: Path, picture: Image.Image) -> np.ndarray:
    if picture.mode in _GRAY:
        return np.asarray(picture)
    colors = np.asarray(picture.convert("RGB"))
    if (colors != colors[..., :1]).any():
        raise InputError(f"{path}: expected gray values, got colors, which no scale can be read from")
    return colors[..., 0]
