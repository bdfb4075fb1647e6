"""Damaged files by the thousand, read under a limit on memory:
``python -m tests.io.scans.fuzz SEED N [NAME]``, of one name of :func:`corpus` or of all.

Prints how many files were read, how many were refused with an InputError, the longest time one took and the
memory the process took at most. Anything else than an InputError ends it."""

import faulthandler
import importlib.util
import json
import resource
import struct
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from tests.io.scans import files
from torch_afm.io.scans import read_scan
from torch_afm.utils import InputError

#: Address space in bytes beyond what the process has taken once everything is imported, and seconds a file.
MEMORY, SECONDS = 2**30, 20


@dataclass(frozen=True)
class Original:
    """An intact file: its parser, its name, its bytes, what must be given to read it, files beside
    it, and the one that is read, where that is another one."""

    name: str
    file: str
    content: bytes
    options: dict[str, Any] = field(default_factory=dict)
    beside: dict[str, bytes] = field(default_factory=dict)
    read: str = ""


def corpus():
    """One small file of each format and version; of MATRIX only with access2theMatrix."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=(6, 8)).astype(np.float32)
    both = {"Current": {"forward": image, "backward": image}, "OC M1 Freq. Shift": {"forward": image}}
    z = np.linspace(0, -1e-10, 5)
    volume = rng.normal(size=(5, 6, 8)).astype(np.float32)
    arrays = {"stack": volume[None], "x": np.arange(8.0), "y": np.arange(6.0), "z": -np.arange(5.0)}
    grid = {"OC M1 Freq. Shift (Hz)": volume, "Current (A)": volume}
    curve = {"Z rel (m)": z, "OC M1 Freq. Shift (Hz)": z * 1e10}
    meta = {"Z-Controller>Z (m)": "1e-9"}
    images = [image * 100] * 4
    createc = {"channel": "Current", "heights": [1.0]}
    gray = np.clip(image * 40 + 128, 0, 255).astype(np.uint8)
    colors = matplotlib.colormaps["hot"](np.linspace(0, 1, 48).reshape(6, 8), bytes=True)
    sweep = [np.full(5, -100.0), np.arange(5) * 50.0, z * 1e10, z * 1e10]
    originals = [
        Original("sxm", "file.sxm", files.sxm(both, z=1e-9)),
        Original("3ds", "file.3ds", files.grid_3ds(grid)),
        Original("dat", "file.dat", files.spectrum_dat(curve)),
        Original("createc 1", "file.dat", files.createc(images, 1), createc),
        Original("createc 2", "file.dat", files.createc(images, 2), createc),
        Original("createc 3", "file.dat", files.createc(images, 3), createc),
        Original("gwy", "file.gwy", files.gwy([("df", image, meta), ("Current", image, meta)])),
        Original("gwy mask", "file.gwy", files.gwy([("df", image, meta)], masks=[gray > 160])),
        Original("npz", "file.npz", files.npz(**arrays)),
        Original("hdf5", "file.h5", files.hdf5(arrays, "{}")),
        Original("png", "file.png", files.picture(gray), {"pixel_size": 1.0, "heights": [1.0]}),
        Original("colors", "file.png", files.picture(colors), {"pixel_size": 1.0, "heights": [1.0]}),
        Original("jpeg", "file.jpg", files.picture(gray, kind="JPEG"), {"pixel_size": 1.0, "heights": [1.0]}),
        Original(
            "tiff",
            "file.tif",
            files.picture(image, image, kind="TIFF"),
            {"pixel_size": 1.0, "heights": [2.0, 1.0]},
        ),
        Original("gxsm 3", "file-Xp-dFreq.nc", files.gxsm(volume), {"step": 0.1}),
        Original(
            "gxsm 16 bits", "file-Xp-df.nc", files.gxsm(100 * volume, kind="H", scale=1.0), {"step": 0.1}
        ),
        Original("gxsm 4", "file-Xp-dFreq.nc", files.gxsm(volume, 4), {"step": 0.1}),
        Original(
            "published", "file.npz", files.npz(data=volume.T, lengthX=20.0, lengthY=10.0), {"step": 0.1}
        ),
        Original(
            "vert 3", "file.VERT", files.vert(sweep, 30, extra="VertSpecBack=0\r\n"), {"pixel_size": 1.0}
        ),
        Original("vert 4", "file.VERT", files.vert(sweep, 32), {"pixel_size": 1.0}),
    ]
    if importlib.util.find_spec("access2thematrix"):
        results, parameters = files.matrix(np.round(images[:2]))
        name, beside = "file--1_1.Df_mtrx", "file_0001.mtrx"
        originals += [
            Original("matrix", name, results, beside={beside: parameters}),
            Original("matrix parameters", beside, parameters, beside={name: results}, read=name),
        ]
    return originals


def damage(content, rng):
    """A truncated, changed, enlarged, shuffled or entirely random file."""
    data, way = bytearray(content), rng.integers(8)

    # Headers are where damage matters: the first bytes are hit as often as all others.
    def place():
        return int(rng.integers(min(len(data), 600 if rng.random() < 0.5 else len(data))))

    if way == 0:
        return bytes(data[: place()])
    if way == 1:
        return rng.bytes(int(rng.integers(1, 400)))
    if way == 2:
        return content[: int(rng.integers(4, 16))] + rng.bytes(int(rng.integers(1, 400)))
    if way == 3:
        digits = [i for i, byte in enumerate(data[:20_000]) if 48 <= byte < 58]
        if digits:
            at = digits[int(rng.integers(len(digits)))]
            huge = [b"9" * int(rng.integers(1, 25)), b"-1", b"nan", b"1e999", b"0", b"inf"]
            data[at : at + 1] = huge[int(rng.integers(len(huge)))]
        return bytes(data)
    if way == 4:
        at = place()
        values = [0, -1, 2**31 - 1, 2**30, int(rng.integers(2**31))]
        data[at : at + 4] = struct.pack(rng.choice(["<i", ">i"]), values[int(rng.integers(len(values)))])
        return bytes(data)
    if way == 5:
        at, size = place(), int(rng.integers(1, 60))
        return bytes(data[:at] + data[at + size :])
    if way == 6:
        at, size, to = place(), int(rng.integers(1, 60)), place()
        return bytes(data[:to] + data[at : at + size] + data[to:])
    for _ in range(int(rng.integers(1, 12))):
        data[place()] = int(rng.integers(256))
    return bytes(data)


def main(seed, number, *names):
    """Read ``number`` damaged files."""
    rng = np.random.default_rng(seed)
    originals = [original for original in corpus() if not names or original.name in names]
    assert originals, f"expected one of {[original.name for original in corpus()]}, got {names}"
    read, refused, longest = 0, 0, 0.0
    with tempfile.TemporaryDirectory() as name:

        def attempt(original, content):
            folder = Path(name) / original.name
            folder.mkdir(exist_ok=True)
            for file, held in (original.beside | {original.file: content}).items():
                (folder / file).write_bytes(held)
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            return read_scan(folder / (original.read or original.file), **original.options)

        for original in originals:
            attempt(original, original.content)
        # Everything is imported and has run once: what comes now is the files' own.
        with open("/proc/self/statm") as statm:
            taken = int(statm.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for i in range(number):
            original = originals[i % len(originals)]
            damaged, start = damage(original.content, rng), time.perf_counter()
            try:
                attempt(original, damaged)
                read += 1
            except InputError as error:
                if "\n" in str(error) or not str(error):
                    raise AssertionError(f"an error of one line expected, got {error!r}") from None
                refused += 1
            longest = max(longest, time.perf_counter() - start)
    faulthandler.cancel_dump_traceback_later()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"read": read, "refused": refused, "seconds": longest, "mebibytes": grown}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *sys.argv[3:])
