"""Minimal files of each format, written by hand from the public descriptions. Images are given as
``[y, x]`` with y upwards and x to the right, and laid down as the instrument does it. ``FIXTURES.md`` says
what each imitates and who described it."""

import io
import struct
import zlib

import numpy as np
from PIL import Image
from scipy.io import netcdf_file


def sxm(images, unit="Hz", up=True, z=None, size=(2e-9, 1e-9), center=(3e-9, -1e-9), extra=()):
    """``images``: channel -> direction -> image; those of one direction only are marked so. SI units."""
    first = next(iter(next(iter(images.values())).values()))
    ny, nx = first.shape
    lines = [":NANONIS_VERSION:", "2", ":SCANIT_TYPE:", "              FLOAT            MSBFIRST"]
    lines += [":ACQ_TIME:", "       12.3", ":SCAN_PIXELS:", f"       {nx}       {ny}"]
    lines += [":SCAN_TIME:", "             1.0E+0             1.0E+0"]
    lines += [":SCAN_RANGE:", f"           {size[0]:.6E}           {size[1]:.6E}"]
    lines += [":SCAN_OFFSET:", f"             {center[0]:.6E}         {center[1]:.6E}"]
    lines += [":SCAN_ANGLE:", "            1.500E+1", ":SCAN_DIR:", "up" if up else "down"]
    lines += [":BIAS:", "            1.000E-3", ":COMMENT:", "two lines", "of words"]
    lines += [":Oscillation Control>Amplitude Setpoint (m):", "5.000E-11"]
    lines += [] if z is None else [":Z-Controller>Z (m):", f"{z:.10E}"]
    lines += [*extra, ":DATA_INFO:", "\tChannel\tName\tUnit\tDirection\tCalibration\tOffset"]
    for i, (name, ways) in enumerate(images.items()):
        kind = "both" if len(ways) == 2 else next(iter(ways))
        lines.append(f"\t{i}\t{name}\t{unit}\t{kind}\t1.0E+0\t0.0E+0")
    data = b""
    for ways in images.values():
        for way in ("forward", "backward"):
            if way in ways:
                image = ways[way] if up else ways[way][::-1]
                data += (image[:, ::-1] if way == "backward" else image).astype(">f4").tobytes()
    return "\n".join([*lines, "", ":SCANIT_END:", "", "", ""]).encode() + b"\x1a\x04" + data


def grid_3ds(channels, start=1e-9, end=0.7e-9, size=(2e-9, 1e-9), sweep="Z (m)", starts=None):
    """``channels``: name -> ``[z, y, x]`` in the order of the sweep."""
    nz, ny, nx = next(iter(channels.values())).shape
    names = ";".join(channels)
    head = [f'Grid dim="{nx} x {ny}"', f"Grid settings=1.0E-9;2.0E-9;{size[0]:.6E};{size[1]:.6E};0.0E+0"]
    head += [f'Sweep Signal="{sweep}"', 'Fixed parameters="Sweep Start;Sweep End"']
    head += ['Experiment parameters="X (m);Y (m);Z (m)"', "# Parameters (4 byte)=5"]
    head += [f"Experiment size (bytes)={4 * nz * len(channels)}", f"Points={nz}", f'Channels="{names}"']
    head += ["Delay before measuring (s)=0.0E+0", 'Experiment="Grid"', 'Start time="1"', 'End time="2"']
    head += ['User="x"', 'Comment="c"', "Oscillation Control>Amplitude Setpoint (m)=5.0E-11", ":HEADER_END:"]
    data = np.empty((ny, nx, 5 + nz * len(channels)), ">f4")
    data[:, :, 0], data[:, :, 1], data[:, :, 2:5] = start, end, 0
    if starts is not None:
        data[:, :, 0] = starts
    for i, values in enumerate(channels.values()):
        data[:, :, 5 + i * nz : 5 + (i + 1) * nz] = np.moveaxis(values, 0, 2)
    return "\r\n".join([*head, ""]).encode() + data.tobytes()


def spectrum_dat(columns, x=0.0, y=0.0, z=0.0):
    """A Nanonis spectrum; ``columns``: name -> values. SI units."""
    head = ["Experiment\tZ spectroscopy\t", f"X (m)\t{x:.10E}\t", f"Y (m)\t{y:.10E}\t"]
    head += [f"Z (m)\t{z:.10E}\t", "User\t\t", "", "[DATA]", "\t".join(columns)]
    rows = ["\t".join(f"{v:.8E}" for v in row) for row in np.array(list(columns.values())).T]
    return "\r\n".join([*head, *rows, ""]).encode()


def createc(images, version=3, select=3, size=(20.0, 10.0), extra=""):
    """All stored images in their order; software version 1 (int16), 2 (float32), 3 and 4 (compressed)."""
    ny, nx = images[0].shape
    first = {1: "[Parameter]", 2: "[Paramet32]"}.get(version, "[Paramco32]")
    title = "Titel / Titel=t" if version < 4 else "Titel(File) / Titel(File)=t"
    head = f"{first}\r\nPSTMAFM=1\r\n{title}\r\nNum.X / Num.X={nx}\r\nNum.Y / Num.Y={ny}\r\n"
    head += f"Channels / Channels={len(images)}\r\nChannelselectval / Channelselectval={select}\r\n"
    head += f"Length x[A]={size[0]}\r\nLength y[A]={size[1]}\r\nRotation / Rotation=0\r\n"
    head += f"CHMode / CHMode=1\r\nCHModeZoff / CHModeZoff=-0.5\r\n{extra}"
    padded = head.encode("latin-1").ljust(16380, b"\0") + b"DATA"
    kind, skip = ("<i2", 2) if version == 1 else ("<f4", 4)
    data = bytes(skip) + b"".join(i[::-1].astype(kind).tobytes() for i in images)
    # Compressed files end in four spare lines.
    return padded + (zlib.compress(data + bytes(16 * nx)) if version > 2 else data)


def gwy(fields, unit_xy="m", unit_z="Hz", masks=()):
    """``fields``: title, image, metadata; 20e-10 x 10e-10 of ``unit_xy``. ``masks``: of the first fields."""
    import gwyfile.objects as g

    container = g.GwyContainer()
    for i, (title, image, meta) in enumerate(fields):
        container[f"/{i}/data"] = g.GwyDataField(
            np.ascontiguousarray(image[::-1], dtype=np.float64),
            xreal=2e-9,
            yreal=1e-9,
            si_unit_xy=unit_xy,
            si_unit_z=unit_z,
        )
        if i < len(masks):
            container[f"/{i}/mask"] = g.GwyDataField(np.ascontiguousarray(masks[i][::-1], np.float64))
        container[f"/{i}/data/title"] = title
        container.typecodes[f"/{i}/data/title"] = "s"
        if meta:
            container[f"/{i}/meta"] = g.GwyContainer(dict(meta), dict.fromkeys(meta, "s"))
    buffer = io.BytesIO()
    container.tofile(buffer)
    return buffer.getvalue()


def picture(*images, kind="PNG", **options):
    """Grays or colors of one picture, or of the pages of a TIFF; ``options`` of Pillow."""
    pages = [Image.fromarray(np.ascontiguousarray(image[::-1])) for image in images]
    buffer = io.BytesIO()
    more = {"save_all": True, "append_images": pages[1:]} if kind == "TIFF" else {}
    pages[0].save(buffer, kind, **more, **options)
    return buffer.getvalue()


def hdf5(arrays, meta=None):
    """Datasets, and ``meta`` as a text of fixed length."""
    import h5py

    with h5py.File.in_memory() as file:
        for key, values in arrays.items():
            file[key] = values
        if meta is not None:
            file["meta"] = np.bytes_(meta.encode())
        file.flush()
        return bytes(file.id.get_file_image())


def gxsm(images, version=3, unit="Hz", kind="FloatField", backward=False, numbers=(), drop=(), scale=0.5):
    """``images`` ``[n, y, x]``: layers (``value``) of one channel, 20 x 10 Å. ``numbers``: variables to
    change, ``drop``: to leave out. netCDF of ``version`` 3 or 4."""
    images = np.asarray(images, np.float64)
    n, ny, nx = images.shape
    x, y = (np.arange(nx) - (nx - 1) / 2) * 20 / nx, (np.arange(ny) - (ny - 1) / 2) * 10 / ny
    data = (images[:, ::-1, ::-1] if backward else images[:, ::-1]) / scale
    held = {"rangex": 20 * (nx - 1) / nx, "rangey": 10 * (ny - 1) / ny, "rangez": 700.0, "dx": 20 / nx}
    held |= {"dy": 10 / ny, "dz": scale, "offsetx": 30.0, "offsety": -10.0, "alpha": 15.0}
    held |= {"t_start": 1_700_000_000, "t_end": 1_700_000_060} | dict(numbers)
    variables = {
        kind: (("time", "value", "dimy", "dimx"), data[None].astype("i2" if kind == "H" else "f4")),
        "dimx": (("dimx",), (x[::-1] if backward else x).astype("f4")),
        "dimy": (("dimy",), y[::-1].astype("f4")),
        **{key: ((), np.array(v, "i4" if isinstance(v, int) else "f8")) for key, v in held.items()},
    }
    lengths = ("rangex", "rangey", "dx", "dy", "offsetx", "offsety")
    texts = {key: {"var_unit": "Ang", "unit": "nm"} for key in lengths}
    texts |= {"rangez": {"var_unit": "Ang", **({"unit": unit} if unit else {})}, kind: {"ZLabel": "dFreq"}}
    texts |= {key: {"extra_info": "Lookup without offset"} for key in ("dimx", "dimy")}
    variables = {key: v for key, v in variables.items() if key not in drop}
    buffer = io.BytesIO()
    if version == 3:
        file = netcdf_file(buffer, "w")
        for key, length in (("time", 1), ("value", n), ("dimy", ny), ("dimx", nx)):
            file.createDimension(key, length)
        for key, (dimensions, values) in variables.items():
            held = file.createVariable(key, values.dtype, dimensions)
            held[...] = values
            for name, text in texts.get(key, {}).items():
                setattr(held, name, text)
        file.flush()
        return buffer.getvalue()
    import h5py

    with h5py.File.in_memory() as file:
        for key, (_, values) in variables.items():
            file[key] = values
            for name, text in texts.get(key, {}).items():
                file[key].attrs[name] = np.bytes_(text)
        file.flush()
        return bytes(file.id.get_file_image())


def npz(**arrays):
    """An archive of arrays."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def vert(columns, version=32, x=0, y=0, bits=(0, 7), extra="", padded=False):
    """A Createc spectrum: ``columns`` are bias [mV], z [mV] and the channels of ``bits``."""
    columns = [np.asarray(column, np.float64) for column in columns]
    if version == 32:
        columns.insert(2, np.zeros_like(columns[0]))
    head = f"[ParVERT{version}]\r\nPSTMAFM=1\r\nGainX / GainX=10\r\nGainY / GainY=10\r\nDacto[A]xy=0.01\r\n"
    head += f"ZPiezoconst / ZPiezoconst= 20.00\r\nVertFBMode=4\r\nPLLOn=1\r\nPLLCenterFreq=30000\r\n{extra}"
    code, n = sum(1 << bit for bit in bits), len(columns[0])
    rows = [
        "\t".join([str(i), *(f"{v:.6f}" for v in row), ""])
        for i, row in enumerate(zip(*columns, strict=True))
    ]
    first = head.encode("latin-1").ljust(16380 if padded else 0, b"\0") + b"DATA\r\n"
    return first + "\r\n".join([f"    {n}    {x}    {y}    {code}", *rows, ""]).encode()


def matrix(images, name="s--1_1.Df_mtrx", unit="Hertz", factor=4.0, lines=None, settings=(), channel="Df"):
    """A file of results of MATRIX and the parameters beside it: ``images`` are the upward forward one, the
    backward one, and so on, 20 x 10 Å; values are whole numbers of ``1 / factor``."""

    def text(value):
        return struct.pack("<L", len(value)) + value.encode("utf-16-le")

    def value(value):
        if isinstance(value, bool):
            return b"LOOB" + struct.pack("<L", value)
        return (
            b"GNOL" + struct.pack("<l", value)
            if isinstance(value, int)
            else b"BUOD" + struct.pack("<d", value)
        )

    def block(key, data, stamp=bytes(8)):
        return key + struct.pack("<L", len(data)) + stamp + data

    images = np.asarray(images, np.float64)
    n, ny, nx = images.shape
    held = {"X_Retrace": n > 1, "Y_Retrace": n > 2, "Points": nx, "Lines": lines or ny, "Width": 2e-9}
    held |= {"Height": 1e-9, "X_Offset": 3e-9, "Y_Offset": -1e-9, "Angle": 15.0, "Enable_Subgrid": False}
    held |= dict(settings)
    listed = b"".join(text(key) + text("--") + bytes(4) + value(v) for key, v in held.items())
    apee = bytes(4) + struct.pack("<L", 1) + text("XYScanner") + struct.pack("<L", len(held)) + listed
    channels = bytes(8) + struct.pack("<LL", 0, 1) + bytes(4) + struct.pack("<L", 7) + bytes(8)
    channels += (
        text(channel) + text(unit) + struct.pack("<L", 1) + bytes(12) + struct.pack("<L", 7) + text("d")
    )
    transfer = bytes(4) + struct.pack("<L", 7) + text("TFF_Linear1D") + text("--") + struct.pack("<L", 2)
    transfer += text("Factor") + value(factor) + text("Offset") + value(0.0)
    inner = bytes(4) + block(b"TCID", channels, b"") + block(b"REFX", transfer, b"")
    parameters = b"ONTMATRX0101" + block(b"APEE", apee) + block(b"YSCC", inner)
    parameters += block(b"FERB", bytes(4) + text(name)) + block(b"DEOE", b"")
    # Forward and backward lines by turns, the whole image up, then down.
    ways = [images[i : i + 2] for i in range(0, n, 2)]
    rows = [way[:, ::-1] if down else way for down, way in enumerate(ways)]
    lined = [np.stack([a[:, ::-1] if k else a for k, a in enumerate(way)], 1) for way in rows]
    counts = np.rint(np.concatenate(lined).reshape(-1, nx) * factor).astype("<i4")
    described = bytes(20) + struct.pack("<ii", counts.size, counts.size)
    inside = (
        struct.pack("<QL", 1_700_000_000, 0)
        + block(b"CSED", described, b"")
        + block(b"ATAD", counts.tobytes(), b"")
    )
    return b"ONTMATRX0101" + b"TLKB" + struct.pack("<L", len(inside) - 8) + inside, parameters
