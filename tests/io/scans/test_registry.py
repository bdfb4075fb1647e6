import importlib
import pkgutil

import numpy as np
import pytest

from torch_afm.config.formats import SCAN_SUFFIXES
from torch_afm.io.scans import read_scan, readers, registry, scan_formats
from torch_afm.utils import InputError

#: A format from outside: one file. Text that begins with "MYSCAN", then one line of numbers a row.
PLUGIN = """
import numpy as np

from torch_afm.io.scans import ScanBlock, scan_reader


@scan_reader("my scan", suffixes=(".spm", ".dat"), magic=(b"MYSCAN",))
def read_my_scan(path, channel, direction):
    image = np.loadtxt(path, skiprows=1)
    return ScanBlock(image[None], None, None, (0.0, 0.0), "Hz", channel or "df", direction)
"""


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder in which packages are installed, for one test."""
    folder = tmp_path / "site"
    folder.mkdir()
    scan_formats()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(registry, "_FORMATS", dict(registry._FORMATS))
    registry._load_readers.cache_clear()
    yield folder
    registry._load_readers.cache_clear()


def install(folder, name, text):
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[torch_afm.scan_readers]\n{name} = {name}\n")
    (folder / f"{name}.py").write_text(text)
    importlib.invalidate_caches()


def test_a_format_of_another_package_is_one_file(tmp_path, packages):
    """It is read by its first bytes and by its ending, which is refused otherwise; in folders, too."""
    image = np.arange(12.0).reshape(3, 4)
    text = "MYSCAN\n" + "\n".join(" ".join(map(str, row)) for row in image)
    given = {"heights": [1.0], "pixel_size": 0.5}
    (tmp_path / "a.spm").write_text(text)
    with pytest.raises(InputError, match="Bruker"):
        read_scan(tmp_path / "a.spm", **given)
    registry._load_readers.cache_clear()
    install(packages, "my_scan_format", PLUGIN)
    assert "my scan" in [known.name for known in scan_formats()]
    for name in ("a.spm", "a.dat", "a.unknown"):
        (tmp_path / name).write_text(text)
        stack = read_scan(tmp_path / name, **given)
        np.testing.assert_array_equal(stack.values[0], image)
        assert stack.pixel_size == (0.5, 0.5)
    folder = tmp_path / "images"
    folder.mkdir()
    for number in (1, 2):
        (folder / f"{number}.spm").write_text(text)
    assert read_scan(folder, heights=[1.0, 0.9], pixel_size=0.5).values.shape == (2, 3, 4)


def test_a_reader_of_another_package_that_fails_is_named(tmp_path, packages):
    """Not called a fault of ours."""
    install(packages, "my_failing_format", PLUGIN)
    (tmp_path / "a.spm").write_text("MYSCAN\nno number\n")
    with pytest.raises(InputError, match=r"the reader of my scan in my_failing_format fails \(ValueError"):
        read_scan(tmp_path / "a.spm", heights=[1.0], pixel_size=0.5)


def test_a_package_that_cannot_be_imported_is_worth_a_warning_and_no_more(packages):
    install(packages, "my_broken_format", "import nothing_of_that_name")
    with pytest.warns(UserWarning, match=r"'my_broken_format' .* ModuleNotFoundError"):
        assert "sxm" in [known.name for known in scan_formats()]


def test_every_module_of_readers_registers_a_format():
    modules = {known.read.__module__ for known in scan_formats()}
    there = pkgutil.iter_modules(readers.__path__)
    assert modules == {f"{readers.__name__}.{module.name}" for module in there}


def test_the_table_without_torch_has_the_formats_of_the_package():
    assert set(registry.scan_suffixes()) == set(SCAN_SUFFIXES)
