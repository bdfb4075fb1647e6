"""Images of Omicron's MATRIX: ``_mtrx``, through access2theMatrix."""

from __future__ import annotations

import glob
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from torch_afm.io.scans.registry import scan_reader
from torch_afm.io.scans.scan_block import ScanBlock, parse_number, pick_channel, reading
from torch_afm.units import ANGSTROM_PER_M
from torch_afm.utils import InputError

#: Bytes of a file, and of all parameter files of its session, at most: the library unpacks them into objects.
_MAX_BYTES = 2**26

#: Channels that files of results are found by in folders; any other is read, too, by name or pattern.
_CHANNELS = ("df", "z", "i", "aux1", "aux2")

#: MATRIX's names of units.
_UNITS = {"Hertz": "Hz", "Meter": "m", "Ampere": "A", "Volt": "V"}


@scan_reader("matrix", suffixes=tuple(f".{name}_mtrx" for name in _CHANNELS), magic=(b"ONTMATRX0101",))
def read_matrix(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """The upward image of a file of results of MATRIX (``…--1_1.Df_mtrx``), one channel each; the parameter
    files of its session (``…_0001.mtrx`` and so on) must lie beside it.

    Read by access2theMatrix (0.4.4, BSD), an optional dependency. The first line is the lowest, as Gwyddion's
    importer has it. Lines that were not scanned are NaN. The angle, which MATRIX counts counterclockwise, is
    that by which the library turns offsets.

    Curves and grids of curves are refused: no description tells which way their z leads. Nor do they tell the
    height of images (give ``heights``), whether it was controlled, the oscillation amplitude, and when an
    image was begun. The library leaves a zoom of the scan out of account, Gwyddion divides by it: where there
    is one, give ``pixel_size``. Downward images, where the frame was scanned both ways, are not read.

    Raises:
        InputError: for a damaged file, one without its parameters, curves, another channel or direction, and
            where access2theMatrix is not installed.
    """
    stem, dashes, last = path.name.rpartition("--")
    parameters = path.with_name(f"{stem}_0001.mtrx")
    if not dashes or not last.endswith("_mtrx"):
        raise InputError(
            f"{path}: expected a file of results of MATRIX (…--1_1.Df_mtrx), got one of another name; its "
            "parameter files are read with it"
        )
    library = import_access2thematrix()
    if not parameters.is_file():
        raise InputError(
            f"{path}: expected the parameters of its session beside it ({parameters.name}), got none"
        )
    links = path.parent.glob(f"{glob.escape(stem)}_[0-9][0-9][0-9][0-9].mtrx")
    if max(path.stat().st_size, sum(link.stat().st_size for link in links)) > _MAX_BYTES:
        raise InputError(f"{path}: expected at most {_MAX_BYTES} bytes, of its parameters, too, got more")
    with reading(path, "file of results of MATRIX"):
        file = library.MtrxData()
        traces, message = file.open(str(path))
        if not traces:
            raise InputError(f"{path}: expected an intact file of results of MATRIX ({message.strip()})")
        if file.object_type != "image":
            raise InputError(
                f"{path}: expected an image, got a {file.object_type}, whose heights are not known"
            )
        name, unit = (str(text) for text in file.channel_name_and_unit)
        pick_channel(path, [name], channel)
        trace = f"{direction}/up"
        if trace not in traces.values():
            raise InputError(f"direction: expected 'forward', the only one of {path}, got {direction!r}")
        image, _ = file.select_image(trace)
        settings = {key: value for key, value, *_ in file.get_experiment_element_parameters()[0]}

        def number(key: str) -> float:
            return parse_number(path, key, settings.get(f"XYScanner.{key}", ""))

        values = np.asarray(image.data, np.float64)
        lines = int(number("Lines"))
        if values.ndim != 2 or not 0 < values.shape[0] <= lines <= _MAX_BYTES // max(values.shape[1], 1):
            raise InputError(f"{path}: expected an image of {lines} lines, got {values.shape}")
        whole = np.full((lines, values.shape[1]), np.nan)
        whole[: len(values)] = values
        zoomed = float(settings.get("XYScanner.Zoom", 1)) != 1
        meta: dict[str, Any] = {"angle": 0.0 - float(getattr(image, "angle", 0.0))}
        width, height, x, y = (
            number(key) * ANGSTROM_PER_M for key in ("Width", "Height", "X_Offset", "Y_Offset")
        )
        return ScanBlock(
            values=whole[None],
            heights=None,
            size=None if zoomed else (width, height),
            center=(x, y),
            unit=_UNITS.get(unit, unit),
            channel=name,
            direction=direction,
            meta=meta,
            channels=(name,),
        )


def import_access2thematrix() -> ModuleType:
    """access2theMatrix, or :class:`InputError` naming the extra that brings it."""
    try:
        import access2thematrix  # not at the top: an optional dependency
    except ImportError:
        raise InputError(
            "access2thematrix: expected it to be installed; pip install 'torch_afm[matrix]'"
        ) from None
    return access2thematrix
