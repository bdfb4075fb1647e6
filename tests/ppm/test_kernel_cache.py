"""Caches that are lost, damaged, locked or full: the kernels render all the same."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from torch_afm.ppm import kernel_cache, opencl
from torch_afm.ppm.kernel_cache import VARIABLE, archive, set_pocl_folder

RENDER = """
import os, warnings
from torch_afm.config import Scan
from torch_afm.ppm import ProbeParticleModel
from torch_afm.testing import water

warnings.simplefilter("error")
scan = Scan(pixels=(4, 4))
ppm = ProbeParticleModel(scan)
stack, expected = ppm(water()), ProbeParticleModel(scan, backend="torch")(water())
error = (stack - expected).square().mean().sqrt() / expected.std()
print(ppm.backend, float(error) < 1e-2, os.environ.get("POCL_CACHE_DIR", ""))
"""


@pytest.fixture
def finish(monkeypatch):
    """Calls what runs at the end of the process."""
    ends = []
    monkeypatch.setattr(kernel_cache, "Finalize", lambda _, f, args, exitpriority: ends.append((f, args)))

    def run():
        for function, args in ends:
            function(*args)
        ends.clear()

    return run


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache folder and an empty temporary folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(kernel_cache, "_mine", None)
    monkeypatch.setattr(kernel_cache.tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path / "cache" / "torch_afm"


def compiled(folder: Path) -> None:
    """What PoCL leaves in its folder."""
    (folder / "AB" / "kernel").mkdir(parents=True, exist_ok=True)
    (folder / "AB" / "kernel" / "kernel.so").write_bytes(bytes(range(256)) * 40)
    (folder / "tempfile_XyZ").write_bytes(b"")


def test_kernels_outlive_the_process_and_its_folder_does_not(cache, finish):
    folder = set_pocl_folder()
    assert folder.parent == cache and os.environ[VARIABLE] == str(folder)
    compiled(folder)
    finish()
    assert [p.name for p in cache.iterdir()] == ["pocl.zip"] and VARIABLE not in os.environ
    written = archive().stat().st_mtime_ns
    folder = set_pocl_folder()
    assert (folder / "AB" / "kernel" / "kernel.so").read_bytes() == bytes(range(256)) * 40
    assert [p.name for p in folder.iterdir()] == ["AB"]
    finish()
    assert archive().stat().st_mtime_ns == written  # nothing new, nothing written


def test_every_process_has_one_folder(cache, finish, monkeypatch):
    folder = set_pocl_folder()
    assert set_pocl_folder() == folder
    monkeypatch.setattr(kernel_cache.os, "getpid", lambda: os.getppid())  # a child: the parent may end first
    other = set_pocl_folder()
    assert other != folder and other.parent == cache


@pytest.mark.parametrize("at", [0, 100, 5000, -10])
def test_a_damaged_archive_is_an_empty_one(cache, finish, at):
    compiled(set_pocl_folder())
    finish()
    content = bytearray(archive().read_bytes())
    content[at] ^= 0xFF
    archive().write_bytes(content)
    folder = set_pocl_folder()
    files = [p for p in folder.rglob("*") if p.is_file()]
    assert all(p.read_bytes() == bytes(range(256)) * 40 for p in files)  # nothing damaged comes out
    compiled(folder)
    finish()
    archive().write_bytes(bytes(content[:300]))  # cut
    assert list(set_pocl_folder().iterdir()) == []


def test_the_first_folder_with_room(cache, monkeypatch, tmp_path, finish):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    assert set_pocl_folder().parent == cache
    finish()
    assert os.environ[VARIABLE] == str(tmp_path / "file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert set_pocl_folder().parent == tmp_path / "temporary"
    finish()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "given"))
    assert set_pocl_folder().parent == tmp_path / "given"
    finish()
    monkeypatch.setattr(kernel_cache, "_ROOM", 1 << 62)  # more than there is
    monkeypatch.setattr(kernel_cache, "bytes", lambda n: b"", raising=False)  # the disk takes none of it
    assert set_pocl_folder() is None
    assert list((tmp_path / "given").iterdir()) == list((tmp_path / "temporary").iterdir()) == []


def test_folders_of_killed_processes_go(cache, finish):
    host = kernel_cache.socket.gethostname()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = [f"pocl-{host}-{dead.pid}-x", f"pocl-{host}-{os.getppid()}-x", f"pocl-other-{dead.pid}-x", "pocl"]
    names.append(f"pocl-{host}-{dead.pid}-new")
    for name in names:
        (cache / name).mkdir(parents=True)
        if not name.endswith("new"):
            os.utime(cache / name, (0, 0))
    folder = set_pocl_folder()
    assert sorted(p.name for p in cache.iterdir()) == sorted([*names[1:], folder.name])


def render(**env: str) -> list[str]:
    """Backend, whether its stack is right, and the folder of its kernels, in a process of its own."""
    inherited = {k: v for k, v in os.environ.items() if k not in (VARIABLE, "PYOPENCL_NO_CACHE")}
    code = [sys.executable, "-c", RENDER]
    done = subprocess.run(code, capture_output=True, text=True, timeout=300, env=inherited | env)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(
    not opencl.get_queue().device.platform.name.startswith("Portable"), reason="PoCL is not used here"
)
def test_nothing_in_a_cache_stops_a_render(tmp_path):
    """A home that is none, and caches of ours and of pyopencl that are damaged."""
    home, cache = tmp_path / "home", tmp_path / "cache"
    home.write_text("")
    backend, right, folder = render(HOME=str(home), XDG_CACHE_HOME=str(home / "x"), TMPDIR=str(tmp_path))
    assert (backend, right, Path(folder).parent) == ("opencl", "True", tmp_path)
    assert not Path(folder).exists()

    (cache / "torch_afm").mkdir(parents=True)
    (cache / "torch_afm" / "pocl.zip").write_bytes(b"damaged" * 1000)
    (cache / "pytools").mkdir()
    version = ".".join(map(str, sys.version_info))
    (cache / "pytools" / f"pdict-v5-pyopencl-invoker-cache-v42-nano-{version}.sqlite").write_bytes(
        b"?" * 5000
    )
    backend, right, folder = render(HOME=str(home), XDG_CACHE_HOME=str(cache))
    assert (backend, right, Path(folder).parent) == ("opencl", "True", cache / "torch_afm")
    with zipfile.ZipFile(cache / "torch_afm" / "pocl.zip") as file:
        assert any(name.endswith(".so") for name in file.namelist())  # written anew
