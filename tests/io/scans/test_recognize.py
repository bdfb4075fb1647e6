"""Files that no reader takes are named for what they are, with the way out."""

import io
import tarfile
import zipfile

import h5py
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.io
from PIL import Image, TiffImagePlugin

from tests.io.scans import files
from torch_afm.io import read_stack
from torch_afm.io.scans import read_scan
from torch_afm.io.scans.registry import scan_format, scan_suffixes
from torch_afm.utils import InputError

NOISE = np.random.default_rng(0).bytes(64)
COLORS = np.random.default_rng(1).integers(0, 256, (8, 9, 3), np.uint8)
GWYDDION = "open it in Gwyddion and save its images of Δf as .gwy"


def refusal(path, content=None):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_scan(path, heights=[0.0], pixel_size=1.0)
    text = str(error.value)
    assert text.startswith(f"{path}: ") and "\n" not in text and len(text) < 1000
    return text.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("name", "what"),
    {
        "x.stp": "a WSxM image",
        "x.top": "a WSxM image",
        "x.spm": "a Bruker Nanoscope file",
        "x.002": "a Bruker Nanoscope file",
        "x.ibw": "an Igor Pro (Asylum Research) file",
        "x.mdt": "an NT-MDT file",
        "x.asd": "an RIBM file of high-speed AFM",
        "x.sm4": "an RHK file",
        "x.SM4": "an RHK file",
        "x.nid": "a Nanosurf file",
        "x.jpk-force": "a JPK file",
        "x.specgrid": "a Createc grid of spectra",
    }.items(),
)
def test_by_the_ending(tmp_path, name, what):
    """Whatever is in them: 64 random bytes here."""
    text = refusal(tmp_path / name, NOISE)
    assert text == f"expected a file ending in {', '.join(scan_suffixes())}, got {what}; {GWYDDION}"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"WSxM file copyright WSxM solutions\r\n", "a WSxM image"),
        (b"\\*File list\r\n\\Version: 0x09400202\r\n", "a Bruker Nanoscope file"),
        (b"\\*Force file list\r\n", "a Bruker Nanoscope file"),
        (b"\x01\xb0\x93\xff" + NOISE, "an NT-MDT file"),
        (b"\x3a\x00" + "STiMage 005.000".encode("utf-16-le") + NOISE, "an RHK file"),
        (b"[DataSet]\r\nVersion=2\r\n", "a Nanosurf file"),
        (b"Gwyddion Simple Field 1.0\nXRes = 3\n", "a Gwyddion Simple Field"),
        (b"CDF\x05" + NOISE, "a netCDF-5 file"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"GIF89a" + NOISE, "a GIF"),
        (b"RIFF\x10\x00\x00\x00AVI LIST", "a video"),
        (b"\x00\x00\x00\x20ftypisom" + NOISE, "a video"),
        (b"\x1f\x8b\x08" + NOISE, "a compressed file"),
        (b"<!DOCTYPE html><html><title>404</title>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a pointer of Git LFS in place of"),
        (b"", "an empty file"),
        (NOISE, "one of an unknown format"),
        ("x;y;Δf\n1;2;-3.5\n".encode(), "text"),
    ],
)
def test_by_the_first_bytes(tmp_path, content, what):
    """Whatever they are called; what has an ending of a reader is left to it where nothing is known."""
    assert f", got {what}" in refusal(tmp_path / "x.unknown", content)
    assert f", got {what}" in refusal(tmp_path / "x", content)
    if what not in ("one of an unknown format", "text"):
        assert f", got {what}" in refusal(tmp_path / "x.sxm", content)


def test_files_of_other_programs(tmp_path):
    """As these write them."""
    values = np.arange(12.0).reshape(3, 4)
    np.save(tmp_path / "a.npy", values)
    scipy.io.savemat(tmp_path / "a.mat", {"df": values})
    np.savetxt(tmp_path / "a.csv", values)
    figure, axes = plt.subplots()
    axes.imshow(values)
    for ending in ("pdf", "svg", "eps"):
        figure.savefig(tmp_path / f"a.{ending}")
    plt.close(figure)
    Image.fromarray(COLORS).save(tmp_path / "a.gif")
    Image.fromarray(COLORS).save(tmp_path / "a.bmp")
    Image.fromarray(COLORS).save(tmp_path / "a.webp")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "a.npy", "a.npy")
    (tmp_path / "a.xyz").write_text("1\n\nC 0 0 0\n")
    expected = {
        "xyz": ("a structure", "torch-afm simulate"),
        "npy": ("a NumPy array", "torch_afm.io.write_stack"),
        "mat": ("a MATLAB file", "torch_afm.io.write_stack"),
        "csv": ("text", "torch_afm.io.write_stack"),
        "pdf": ("a PDF", "export the data themselves"),
        "svg": ("an SVG drawing", "export the data themselves"),
        "eps": ("a PostScript file", "export the data themselves"),
        "gif": ("a GIF", "gray as PNG"),
        "bmp": ("a bitmap", "gray as PNG"),
        "webp": ("a WebP picture", "gray as PNG"),
        "tar": ("an archive", "unpack it and give the folder"),
    }
    for ending, (what, remedy) in expected.items():
        text = refusal(tmp_path / f"a.{ending}")
        assert f", got {what}; " in text and remedy in text


def test_archives(tmp_path):
    with zipfile.ZipFile(tmp_path / "quam.zip", "w") as archive:
        for i in range(20):
            archive.writestr(f"129795107/{i}.jpg", NOISE)
    text = refusal(tmp_path / "quam.zip")
    assert (
        "a zip archive with the files 129795107/0.jpg, " in text and "unpack it and give the folder" in text
    )
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        archive.writestr("[Content_Types].xml", "")
    assert "an Office document" in refusal(tmp_path / "a.docx")


def test_an_archive_of_arrays_is_read_whatever_it_is_called(tmp_path):
    buffer = io.BytesIO()
    arrays = {"stack": np.zeros((1, 2, 3, 4)), "x": np.arange(4), "y": np.arange(3), "z": [1.0, 0.0]}
    np.savez(buffer, **arrays)
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    assert read_stack(tmp_path / "a.zip").stack.shape == (1, 2, 3, 4)


def test_a_picture_in_colors_that_jpk_wrote(tmp_path):
    text = refusal(tmp_path / "x.jpk", files.picture(COLORS, kind="TIFF"))
    assert text.endswith(f"got a JPK file; {GWYDDION}")


def test_a_tiff_of_park(tmp_path):
    """The picture in it is only a preview; the data are in tags of its own."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[50432], tags.tagtype[50432] = 0x0E031301, 4
    content = files.picture(COLORS, kind="TIFF", tiffinfo=tags)
    text = refusal(tmp_path / "x.tiff", content)
    assert text == f"expected a picture, got a preview in the file of a Park Systems microscope; {GWYDDION}"


def test_a_jpeg_that_is_none(tmp_path):
    assert "expected an intact picture (PNG, TIFF or JPEG)" in refusal(tmp_path / "x.jpg", NOISE)


@pytest.mark.parametrize("name", ["x.h5", "x.nxs", "x"])
def test_hdf5_of_others(tmp_path, name):
    """With the names of what they hold."""
    with h5py.File(tmp_path / name, "w") as file:
        file["image"] = np.zeros((5, 6))
    text = refusal(tmp_path / name)
    assert "got an HDF5 file with the datasets image [5 x 6]; load it" in text
    with h5py.File(tmp_path / name, "w") as file:
        file["entry/data/df"] = np.zeros((2, 5, 6))
        file["entry"].attrs["NX_class"] = "NXentry"
    assert "got a NeXus (HDF5) file with the datasets entry/data/df [2 x 5 x 6]" in refusal(tmp_path / name)


def test_hdf5_of_many_datasets(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for i in range(100):
            file[f"Measurement_{i:03}/data"] = np.zeros(3)
        file["away"] = h5py.ExternalLink("none.h5", "/a")
    text = refusal(tmp_path / "a.h5")
    assert "Measurement_007/data [3], ...; " in text and "008" not in text


def test_formats_that_are_read_are_not_named_otherwise(tmp_path):
    image = np.zeros((3, 4), np.float32)
    ramp = matplotlib.colormaps["hot"](np.linspace(0, 1, 64).reshape(8, 8), bytes=True)[..., :3]
    held = {
        "sxm": ("sxm", files.sxm({"df": {"forward": image}}, z=0.0)),
        "gwy": ("gwy", files.gwy([("df", image, {})])),
        "dat": ("createc", files.createc([image] * 2)),
        "png": ("picture", files.picture(ramp)),
        "jpg": ("picture", files.picture(ramp, kind="JPEG")),
        "tif": ("picture", files.picture(image, kind="TIFF")),
    }
    for suffix, (name, content) in held.items():
        for ending in (suffix, suffix.upper(), *(["unknown"] if suffix != "sxm" else [])):
            path = tmp_path / f"{suffix}.{ending}"
            path.write_bytes(content)
            assert scan_format(path).name == name
