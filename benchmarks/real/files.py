"""Files of microscopes: what ``read_scan`` makes of each, and whether its numbers are those that an
independent reader finds. Needs the public data in the folder that TORCH_AFM_DATA names.

    TORCH_AFM_DATA=... python -m benchmarks.real.files [FOLDER]

All files of ``real`` (or of a folder of your own) are read one by one, pictures with a size of their pixels,
which no picture tells, then the folders as series. Of Nanonis files every channel and direction is compared
to the bit with nanonispy2, of pictures with Pillow, of HDF5 with h5py; Createc's with the stream of the file.
Files of structures and texts are passed over."""

from __future__ import annotations

import argparse
import os
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import table, write
from torch_afm.io.scans import ScanBlock, ScanStack, expand_paths, read_scan
from torch_afm.io.scans.registry import read_block, scan_format, scan_suffixes
from torch_afm.utils import InputError

_WAYS = ("forward", "backward")

#: What files of a format do not tell.
_GIVEN: dict[str, dict[str, Any]] = {"picture": {"pixel_size": 0.1}}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, help="default: real/ of the public data")
    args = parser.parse_args()
    folder = args.folder or Path(os.environ["TORCH_AFM_DATA"]) / "real"
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in scan_suffixes() and f.is_file())
    rows = [describe_file(file, folder) for file in files]
    rows += [describe_series(place, folder) for place in sorted({f.parent for f in files} - {folder})]
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        name: lambda row, name=name: str(row.get(name, "")) for name in ("file", "read", "why", "equal")
    }
    print(table(rows, columns))
    read = sum(row["why"] == "" for row in rows)
    print(f"{read} of {len(rows)} read; {sum(r['differs'] for r in rows)} images differ")
    write(
        "real_files",
        "python -m benchmarks.real.files",
        rows,
        {"files": len(files)},
        ("numpy", "nanonispy2", "h5py", "pillow"),
    )


def describe_file(path: Path, folder: Path) -> dict[str, Any]:
    """What is read of a file, or why not, and how many of its images are those of an independent reader."""
    given = _GIVEN.get(scan_format(path).name, {})
    row = {"file": str(path.relative_to(folder))} | _read(path, **given)
    equal, differs = compare(path)
    return row | {
        "equal": f"{equal} of {equal + differs} images" if equal + differs else "",
        "differs": differs,
    }


def describe_series(folder: Path, root: Path) -> dict[str, Any]:
    """The same of all files of a folder."""
    count = len(expand_paths(folder))
    name = f"{folder.relative_to(root)}/ ({count} files)"
    return {"file": name, "equal": "", "differs": 0} | _read(folder)


def _read(path: Path, **given: Any) -> dict[str, str]:
    try:
        stack = read_scan(path, **given)
    except InputError as error:
        return {"read": "", "why": str(error).replace(f"{path}: ", "").replace(str(path), path.name)}
    options = "".join(f"; {key} given" for key in given)
    return {"read": _words(stack) + options, "why": ""}


def _words(stack: ScanStack) -> str:
    n, ny, nx = stack.values.shape
    (x0, x1), (y0, y1) = stack.window
    words = [f"{n} x {nx} x {ny}", f"{x1 - x0:.1f} x {y1 - y0:.1f} Å", f"{stack.channel} in {stack.unit}"]
    if n > 1:
        words.append(f"{stack.heights[0]:.2f} to {stack.heights[-1]:.2f} Å")
    words += [f"{key} {stack.meta[key]:g}" for key in ("amplitude", "f0", "angle") if key in stack.meta]
    missing = int(np.isnan(stack.values).all(axis=0).sum())
    words += [f"{missing} pixels not measured"] if missing else []
    words += [f"{len(stack.meta['skipped'])} files left out"] if "skipped" in stack.meta else []
    return ", ".join(words)


def compare(path: Path) -> tuple[int, int]:
    """How many images of a file equal those of an independent reader, and how many do not."""
    try:
        known = _INDEPENDENT[scan_format(path).name](path)
    except (KeyError, InputError):
        return 0, 0
    equal = differs = 0
    for (channel, way), image in known.items():
        try:
            block: ScanBlock = read_block(path, channel, way)
        except InputError:
            differs += 1
            continue
        same = np.array_equal(block.values.squeeze(), image.squeeze(), equal_nan=True)
        equal, differs = equal + same, differs + (not same)
    return equal, differs


def _sxm(path: Path) -> dict[tuple[str, str], np.ndarray]:
    from nanonispy2.read import Scan

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scan = Scan(str(path))
    upwards = scan.header["scan_dir"] == "up"
    found = {}
    for channel, images in scan.signals.items():
        for way, image in images.items():
            image = image if upwards else image[::-1]
            found[channel, way] = image[:, ::-1] if way == "backward" else image
    return found


def _picture(path: Path) -> dict[tuple[str, str], np.ndarray]:
    from PIL import Image

    return {("gray", "forward"): np.asarray(Image.open(path).convert("L"), dtype=np.float64)[::-1]}


def _hdf5(path: Path) -> dict[tuple[str, str], np.ndarray]:
    import h5py

    with h5py.File(path) as file:
        stack = np.asarray(file["stack"], dtype=np.float64)
    return {(str(i), "forward"): channel for i, channel in enumerate(stack)}


def _createc(path: Path) -> dict[tuple[str, str], np.ndarray]:
    """The images of a compressed file in its order: forward, then backward."""
    data = path.read_bytes()
    head, stream = data.split(b"DATA", 1)
    text = head.decode("latin-1")
    nx, ny, n = (
        int(text.split(f"{key} / {key}=")[1].split("\r\n")[0]) for key in ("Num.X", "Num.Y", "Channels")
    )
    images = np.frombuffer(zlib.decompress(stream), "<f4")[1 : 1 + n * nx * ny].reshape(n, ny, nx)
    names = read_block(path, "Z", "forward").channels
    order = [(name, way) for way in _WAYS for name in names]
    return {key: image[::-1].astype(np.float64) for key, image in zip(order, images, strict=True)}


_INDEPENDENT = {"sxm": _sxm, "picture": _picture, "hdf5": _hdf5, "createc": _createc}

if __name__ == "__main__":
    main()
