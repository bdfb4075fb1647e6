"""Every reader on files that are damaged, cut short, or say what cannot be: one clear error each."""

import io
import struct
import zlib

import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io.scans import read_scan
from torch_afm.utils import InputError

RNG = np.random.default_rng(0)
IMAGE = RNG.normal(size=(3, 4)).astype(np.float32)
VOLUME = RNG.normal(size=(4, 2, 3)).astype(np.float32)
SXM = files.sxm(
    {"Current": {"forward": IMAGE, "backward": -IMAGE}, "df": {"forward": IMAGE, "backward": IMAGE}}, z=0.0
)
GRID = files.grid_3ds(
    {"Current (A)": VOLUME, "df (Hz)": VOLUME, "Current [bwd] (A)": VOLUME, "df [bwd] (Hz)": VOLUME}
)
Z = np.array([0.0, -1e-10, -2e-10])
CURVE = files.spectrum_dat({"Z rel (m)": Z, "df (Hz)": 1e10 * Z})
CREATEC = {v: files.createc(list(RNG.integers(1, 999, (6, 3, 4))), v) for v in (1, 2, 3)}
ARRAYS = {
    "stack": VOLUME[None],
    "x": np.linspace(-1, 1, 3),
    "y": np.linspace(-2, 4, 2),
    "z": np.array([7.0, 6.9, 6.8, 6.7]),
}
GXSM = files.gxsm(VOLUME)
DX = np.array(20 / 3, ">f8").tobytes()
GRAY = files.picture(np.zeros((3, 4), np.uint8))
GIVEN = {"channel": "Channel0", "heights": [1.0]}
SIZED = {"heights": [1.0], "pixel_size": 1.0}


def _npz(arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _huge_png():
    header = b"IHDR" + struct.pack(">II", 16_000, 10_000) + GRAY[24:29]
    return GRAY[:12] + header + struct.pack(">I", zlib.crc32(header)) + GRAY[33:]


def _gwy(unit):
    return files.gwy([("df", IMAGE, {"Z-Controller>Z (m)": "1e-9"})], unit_xy=unit)


AMPLITUDE = "Oscillation Control>Amplitude Setpoint (m)"
SIZE = b"       4       3"

#: What is read, its ending, what the error must name, and what is given beside it.
BAD = [
    (SXM[:-1], "sxm", "48 values", {}),
    (SXM.replace(b"SCANIT_END", b"SCANIT_ENT"), "sxm", "SCANIT_END", {}),
    (SXM.replace(b"\x1a\x04", b"\n\x1a"), "sxm", "1a 04", {}),
    (SXM.replace(SIZE, b" 400000 3000000"), "sxm", "announces", {}),
    (SXM.replace(SIZE, b"       0       3"), "sxm", "pixel", {}),
    (SXM.replace(SIZE, b"      -4      -3"), "sxm", "pixel", {}),
    (SXM.replace(SIZE, b" " + b"9" * 30 + b" 3"), "sxm", "announces", {}),
    (SXM.replace(b"2.000000E-09", b"two"), "sxm", "SCAN_RANGE", {}),
    (SXM.replace(b"2.000000E-09", b"inf"), "sxm", "SCAN_RANGE", {}),
    (SXM.replace(b":SCAN_RANGE:", b":SCAN_RANGF:"), "sxm", "SCAN_RANGE", {}),
    (SXM.replace(b":SCAN_DIR:\nup", b":SCAN_DIR:\naround"), "sxm", "SCAN_DIR", {}),
    (SXM.replace(b":SCAN_ANGLE:\n            1.500E+1", b":SCAN_ANGLE:\nnan"), "sxm", "SCAN_ANGLE", {}),
    (SXM.replace(b"\tboth", b"\tboht"), "sxm", "direction both", {}),
    (SXM.replace(b"\tName", b"\tNane"), "sxm", "DATA_INFO", {}),
    (SXM.replace(b"5.000E-11", b"much"), "sxm", "Amplitude Setpoint", {}),
    (SXM, "sxm", "channel", {"channel": "Z"}),
    (files.sxm({"Current": {"forward": IMAGE}}, z=0.0), "sxm", "frequency shift", {}),
    (SXM, "sxm", "direction", {"direction": "up"}),
    (GRID + bytes(4), "3ds", "damaged", {}),
    (GRID[: GRID.index(b"HEADER_END:") + 20], "3ds", "damaged", {}),
    (GRID.replace(b"3 x 2", b"30000 x 20000"), "3ds", "announces", {}),
    (GRID.replace(b"3 x 2", b"3000 x 2000"), "3ds", "damaged", {}),
    (GRID.replace(b"Points=4", b"Points=400000000"), "3ds", "announces", {}),
    (GRID.replace(b"(A);", b"(A);a;b;"), "3ds", "", {}),
    (GRID.replace(b"byte)=5", b"byte)=1"), "3ds", "parameters", {}),
    (GRID.replace(b"3 x 2", b"-3 x -2"), "3ds", "Grid dim", {}),
    (GRID.replace(b"Points=", b"Pointz="), "3ds", "Points", {}),
    (GRID.replace(b":HEADER_END:", b":HEADER_ENT:"), "3ds", "HEADER_END", {}),
    (GRID.replace(b"Z (m)", b"V (m)"), "3ds", "sweep of Z", {}),
    (GRID.replace(b"Current [bwd] (A)", b"Current (A)"), "3ds", "name twice", {}),
    (CURVE.replace(b"Z rel (m)", b"Z rel (V)"), "dat", "Z rel (m)", {}),
    (CURVE.replace(b"[DATA]", b"[DATE]"), "dat", "[DATA]", {}),
    (CURVE[: CURVE.rfind(b"\t")] + b"\r\n", "dat", "damaged", {}),
    (CURVE.replace(b"-1.00000000E+00", b"none"), "dat", "damaged", {}),
    # Without its header a curve would lie at 0, 0, 0.
    *(
        (CURVE.replace(key, b"W (m)\t", 1), "dat", key.decode().strip(), {})
        for key in (b"X (m)\t", b"Y (m)\t")
    ),
    (CURVE.replace(b"\nZ (m)\t", b"\nW (m)\t"), "dat", "Z (m)", {}),
    (b"words", "dat", "[DATA]", {}),
    (bytes(2**22), "dat", "[DATA]", {}),
    (CREATEC[2][:-4], "dat", "72 values", GIVEN),
    (CREATEC[3][:-90], "dat", "72 values", GIVEN),
    (CREATEC[3][:16384] + b"words", "dat", "damaged", GIVEN),
    (CREATEC[3][:9000], "dat", "DATA", GIVEN),
    (CREATEC[2].replace(b"Num.X=4", b"Num.X=400000000"), "dat", "announces", GIVEN),
    (CREATEC[2].replace(b"Num.X=4", b"Num.X=-4"), "dat", "num.x", GIVEN),
    (CREATEC[2].replace(b"Length", b"Lenght"), "dat", "length x", GIVEN),
    (CREATEC[3][:16384] + zlib.compress(bytes(10**8)), "dat", "line that was scanned", GIVEN),
    (_gwy("px"), "gwy", "pixel_size", {}),
    (_gwy(""), "gwy", "pixel_size", {}),
    (_gwy("V"), "gwy", "unit of length", {}),
    (files.gwy([("df", IMAGE, {}), ("df", IMAGE[:2], {})]), "gwy", "one size", {}),
    (
        files.gwy([("df", IMAGE, {AMPLITUDE: "1e-10"}), ("df", IMAGE, {AMPLITUDE: "2e-10"})]),
        "gwy",
        "expected the oscillation amplitude",
        {},
    ),
    (
        _gwy("m").replace(b"xres\0i" + struct.pack("<i", 4), b"xres\0i" + bytes(3) + b"@"),
        "gwy",
        "damaged",
        {},
    ),
    (GRAY, "png", "pixel_size", {"heights": [1.0]}),
    (GRAY, "png", "pixel_size", {"heights": [1.0], "pixel_size": -1.0}),
    (GRAY, "png", "heights", {"heights": [1.0, 2.0], "pixel_size": 1.0}),
    (GRAY, "png", "step", {"step": -0.1, "pixel_size": 1.0}),
    (GRAY, "png", "scale", {"step": 0.1, "pixel_size": 1.0, "scale": 0.0}),
    (GRAY, "png", "direction", {"direction": "backward", **SIZED}),
    (GRAY[:45], "png", "damaged", SIZED),
    (_huge_png(), "png", "announces", SIZED),
    *((_npz({k: v for k, v in ARRAYS.items() if k != key}), "npz", key, {}) for key in ARRAYS),
    *((files.hdf5({k: v for k, v in ARRAYS.items() if k != key}), "h5", f"'{key}'", {}) for key in ARRAYS),
    (files.hdf5({"image": IMAGE}), "h5", "datasets image [3 x 4]", {}),
    *((files.hdf5(ARRAYS, meta), "h5", "", {}) for meta in ("[1]", "{", "é{}", '{"scan": 3}', '{"f0": "x"}')),
    (_npz(ARRAYS | {"x": np.array([-1.0, 0.1, 1.0])}), "npz", "x: expected evenly spaced", {}),
    (files.hdf5(ARRAYS | {"z": np.array([7.0, 6.9, 6.9, 6.7])}), "h5", "z: expected decreasing", {}),
    (_npz(ARRAYS | {"stack": np.zeros((2, 4, 2, 3))}), "npz", "channel", {}),
    (GXSM[:-200], "nc", "", {"step": 0.1}),
    (GXSM.replace(b"FloatField", b"Float\nield"), "nc", "got the variables 'Float\\nield'", {"step": 0.1}),
    (GXSM.replace(DX, np.array(np.nan, ">f8").tobytes()), "nc", "dx: expected a finite", {"step": 0.1}),
    (files.gxsm(VOLUME, drop=["dimx"], backward=True), "nc", "direction", {"direction": "backward"}),
    (_npz({"data": VOLUME, "lengthX": 1.0, "lengthY": 1.0}), "npz", "heights", {}),
    (_npz({"data": VOLUME[0], "lengthX": 1.0, "lengthY": 1.0}), "npz", "", {"step": 0.1}),
    (b"[ParVERT30]\r\n", "vert", "DATA", {}),
    # Formats that are not read are called by their names, and the way out is told.
    (b"\x01\x02", "spm", "Bruker", {}),
    (b"\x01\x02", "002", "Bruker", {}),
    (b"\x01\x02", "stp", "WSxM", {}),
    (b"\xff\xd8", "jpg", "JPEG", {}),
    (files.picture(IMAGE, kind="TIFF"), "jpk", "JPK", {}),
    (b"words", "xyz", "got a structure", {}),
]


def test_each_is_one_clear_error(tmp_path, capsys):
    for i, (content, ending, word, options) in enumerate(BAD):
        path = tmp_path / f"{i}.{ending}"
        path.write_bytes(content)
        with pytest.raises(InputError) as error:
            read_scan(path, **options)
            pytest.fail(f"case {i} ({ending}, {word}) was read")
        text = str(error.value)
        named = path.name in text or word in ("direction", "step", "scale")
        assert word in text and named and "\n" not in text, f"case {i}: {text}"
    assert capsys.readouterr().out == ""
