"""Images as PNG and TIFF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from torch_afm.io.scans.scan_block import EXPANSION, MAX_VALUES, ScanBlock, check_size, reading
from torch_afm.utils import InputError

#: Pillow's modes of one number a pixel.
_GREY = {"1", "L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}

#: Pages of a TIFF at most.
_MAX_PAGES = 10_000


def read_picture(path: Path) -> ScanBlock:
    """The grey values of a PNG, or of each page of a TIFF, 8 or 16 bits or floating point; of a picture in
    colours only if all of these are grey. The first line is the uppermost.

    Raises:
        InputError: for a damaged picture, pages of different sizes, and colours.
    """
    with reading(path, "picture (PNG or TIFF)"), Image.open(path, formats=("PNG", "TIFF")) as picture:
        pages: list[np.ndarray] = []
        n_pages = getattr(picture, "n_frames", 1)
        if n_pages > _MAX_PAGES:
            raise InputError(f"{path}: expected at most {_MAX_PAGES} pages, got {n_pages}")
        for page in range(n_pages):
            picture.seek(page)
            # Four numbers a pixel in colours with transparency.
            size = picture.width * picture.height
            check_size(path, 4 * size, MAX_VALUES)
            check_size(path, size * n_pages, 8 * EXPANSION * path.stat().st_size)
            pages.append(_grey(path, picture)[::-1].astype(np.float64))
        if len({p.shape for p in pages}) != 1:
            raise InputError(f"{path}: expected pages of one size, got different ones")
    return ScanBlock(
        values=np.stack(pages),
        heights=None,
        size=None,
        center=(0.0, 0.0),
        unit="grey value",
        channel="grey",
        direction="forward",
    )


def _grey(path: Path, picture: Image.Image) -> np.ndarray:
    if picture.mode in _GREY:
        return np.asarray(picture)
    colours = np.asarray(picture.convert("RGB"))
    if (colours != colours[..., :1]).any():
        raise InputError(f"{path}: expected grey values, got colours, which no scale can be read from")
    return colours[..., 0]
