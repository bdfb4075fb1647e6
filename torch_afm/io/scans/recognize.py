"""What a file is that no reader takes, and how its images can be read all the same."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch_afm.config.formats import STRUCTURE_SUFFIXES

#: Bytes of a file that are looked at.
HEAD = 1024

#: Names of members and datasets that are listed at most.
_LISTED = 8

GWYDDION = "open it in Gwyddion and save its images of Δf as .gwy"
_UNPACK = "unpack it and give the folder"
_GRAY = "save its pictures in gray as PNG or TIFF"
_EXPORT = f"export the data themselves, or {_GRAY}"
_ARRAYS = "load it, and write its images with torch_afm.io.write_stack as .npz"


class OtherFile(NamedTuple):
    """A file of a format that is not read: what it is, and the way out."""

    name: str
    remedy: str


@dataclass(frozen=True)
class _Format:
    """A format that is not read: its first bytes, as a regular expression, and its endings."""

    name: str
    remedy: str
    begins: bytes | None = None
    suffixes: tuple[str, ...] = ()

    def matches(self, head: bytes) -> bool:
        return self.begins is not None and re.match(self.begins, head, re.DOTALL) is not None


_JPK = (".jpk", ".jpk-force", ".jpk-qi-image", ".jpk-qi-data", ".h5-jpk")

# First bytes as Gwyddion's readers and libmagic have them.
_FORMATS = (
    _Format("a WSxM image", GWYDDION, rb"WSxM file copyright", (".stp", ".top", ".tom")),
    _Format("a Bruker Nanoscope file", GWYDDION, rb"[\\?]\*(EC |Force )?[Ff]ile list", (".spm", ".pfc")),
    _Format("an Igor Pro (Asylum Research) file", GWYDDION, None, (".ibw", ".pxp", ".ardf")),
    _Format("an NT-MDT file", GWYDDION, rb"\x01\xb0\x93\xff", (".mdt",)),
    _Format("an RIBM file of high-speed AFM", GWYDDION, None, (".asd",)),
    _Format(
        "an RHK file", GWYDDION, rb"(..S\0T\0i\0M\0a\0g\0e\0|STiMage )", (".sm2", ".sm3", ".sm4", ".sm5")
    ),
    _Format("a Nanosurf file", GWYDDION, rb"\[DataSet\]", (".nid", ".nhf")),
    _Format("a JPK file", GWYDDION, None, (".jpk", ".jpk-force", ".jpk-qi-data", ".jpk-qi-image", ".h5-jpk")),
    _Format("an Omicron SCALA file", GWYDDION, rb";\s*; Omicron SPM Control", (".par",)),
    _Format("a Createc grid of spectra", GWYDDION, None, (".specgrid",)),
    _Format(
        "a grid of XCrySDen", "give the stack that it was written from", rb"(?s).*DATAGRID_3D", (".xsf",)
    ),
    _Format("a Gwyddion Simple Field", GWYDDION, rb"Gwyddion Simple Field", (".gsf",)),
    _Format("a MATLAB file", _ARRAYS, rb"MATLAB \d\.\d MAT-file", (".mat",)),
    _Format("a NumPy array", _ARRAYS, rb"\x93NUMPY", (".npy",)),
    _Format("a netCDF-5 file", _ARRAYS, rb"CDF\x05", (".cdf",)),
    _Format("a Python pickle", _ARRAYS, None, (".pkl", ".pickle")),
    _Format("a PDF", _EXPORT, rb"%PDF-", (".pdf",)),
    _Format("a PostScript file", _EXPORT, rb"%!PS", (".eps", ".ps")),
    _Format("an SVG drawing", _EXPORT, None, (".svg",)),
    _Format("a GIF", _GRAY, rb"GIF8[79]a", (".gif",)),
    _Format("a WebP picture", _GRAY, rb"RIFF....WEBP", (".webp",)),
    _Format("a JPEG 2000 picture", _GRAY, rb"\0\0\0\x0cjP  ", (".jp2",)),
    _Format("a bitmap", _GRAY, rb"BM....\0\0\0\0", (".bmp",)),
    _Format("a video", _GRAY, rb"(RIFF....AVI |....ftyp|\x1a\x45\xdf\xa3)", (".avi", ".mp4", ".mov")),
    _Format("a compressed file", _UNPACK, rb"(\x1f\x8b|BZh\d|\xfd7zXZ\0|\x28\xb5\x2f\xfd)", (".gz", ".bz2")),
    _Format(
        "an archive", _UNPACK, rb"(7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|.{257}ustar)", (".tar", ".7z", ".rar")
    ),
    _Format(
        "a pointer of Git LFS in place of the file",
        "fetch the file itself with git lfs pull",
        rb"version https://git-lfs\.github\.com/spec",
    ),
    _Format(
        "a web page",
        "it may come from a download that failed: fetch the file again",
        rb"\s*(<!DOCTYPE html|<!doctype html|<html)",
        (".html", ".htm"),
    ),
)

#: Bytes that texts in ASCII, cp1252 and UTF-8 have none of.
_UNPRINTED = rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]"


def recognize_file(path: Path, head: bytes, named: bool, begun: bool) -> OtherFile | None:
    """What a file is, if that is no format that is read, and is known.

    Args:
        path: the file.
        head: its first bytes, :data:`HEAD` of them.
        named: whether a reader has its ending.
        begun: whether a reader has its first bytes.
    """
    if not head:
        return OtherFile("an empty file", "fetch or export it again")
    suffix = path.suffix.lower()
    found = [known for known in _FORMATS if not begun and known.matches(head)]
    # Some that begin as what is read are others: HDF5, zip or TIFF inside.
    found += [known for known in _FORMATS if not named and suffix in known.suffixes]
    if found:
        return OtherFile(found[0].name, found[0].remedy)
    if not named and re.fullmatch(r"\.\d{3}", suffix):
        return OtherFile("a Bruker Nanoscope file", GWYDDION)
    if head.startswith(b"PK\x03\x04"):
        return _archive(path)
    if named or begun or re.search(_UNPRINTED, head):
        return None
    if suffix in STRUCTURE_SUFFIXES:
        return OtherFile("a structure", "torch-afm simulate makes its images")
    return OtherFile("text", _ARRAYS)


def describe_hdf5(file: Any) -> OtherFile:
    """What an HDF5 file is that holds no stack, with the names and shapes of its datasets.

    Args:
        file: an open ``h5py.File``.
    """
    found: list[str] = []

    def visit(name: str, item: Any) -> bool | None:
        if getattr(item, "shape", None):
            found.append(f"{name} [{' x '.join(map(str, item.shape))}]")
        return True if len(found) > _LISTED else None

    file.visititems(visit)
    # Only names of attributes: texts in a damaged file take whatever memory it says.
    keys = {str(key).lower() for group in (file, *_groups(file)) for key in group.attrs}
    name = "an HDF5 file"
    if "nx_class" in keys:
        name = "a NeXus (HDF5) file"
    elif any("nsid" in key or "usid" in key for key in keys):
        name = "an NSID or USID (HDF5) file"
    elif "_ncproperties" in keys:
        name = "a netCDF-4 (HDF5) file"
    return OtherFile(f"{name} with {_listed(found, 'datasets')}", _ARRAYS)


def _archive(path: Path) -> OtherFile | None:
    """What a zip archive is; ``None`` for one of NumPy arrays."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return None  # as damaged as it is, its reader says more
    if all(name.endswith(".npy") for name in names):
        return None
    if "[Content_Types].xml" in names:
        return OtherFile("an Office document", _EXPORT)
    if "mimetype" in names:
        return OtherFile("an OpenDocument file", _EXPORT)
    files = [name for name in names if not name.endswith("/")]
    return OtherFile(f"a zip archive with {_listed(files, 'files')}", _UNPACK)


def _listed(names: list[str], plural: str) -> str:
    if not names:
        return f"no {plural}"
    more = ", ..." if len(names) > _LISTED else ""
    return f"the {plural} {', '.join(' '.join(name.split())[:80] for name in names[:_LISTED])}{more}"


def _groups(file: Any) -> list[Any]:
    """The groups at the top of an HDF5 file, no links out of it."""
    keys = list(file)[:_LISTED]
    links = [key for key in keys if type(file.get(key, getlink=True)).__name__ == "HardLink"]
    return [file[key] for key in links if not hasattr(file[key], "shape")]
