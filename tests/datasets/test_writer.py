import dataclasses
import errno
import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest

from torch_afm.config import Scan
from torch_afm.data import from_smiles
from torch_afm.datasets import CacheConfig, Shard, StoredReferences, write_cache, writer
from torch_afm.io.hdf5 import SampleFile
from torch_afm.utils import InputError

pytestmark = pytest.mark.filterwarnings("error:.*(stacks|files)")

CONFIG = CacheConfig(
    Scan(pixels=(12, 10), n_slices=3, n_oscillation=3), rotations=5, candidates=20, file_samples=2, seed=1
)
SMILES = ("Oc1ccccc1Cl", "CC(=O)OC")
FILES = [f"stacks-{i:05d}.h5" for i in range(5)]


@pytest.fixture(scope="module")
def molecules():
    return [from_smiles(s) for s in SMILES]


@pytest.fixture(scope="module")
def whole(molecules, tmp_path_factory):
    """A folder rendered in one go."""
    folder = tmp_path_factory.mktemp("whole")
    assert write_cache(folder, molecules, CONFIG) == 5
    return folder


def _bytes(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.h5")}


def test_what_is_in_the_folder(whole):
    assert sorted(p.name for p in whole.iterdir()) == ["files.json", "manifest.json", *FILES]
    listed = json.loads((whole / "files.json").read_text())
    assert listed == {f: hashlib.sha256((whole / f).read_bytes()).hexdigest() for f in FILES}
    manifest = json.loads((whole / "manifest.json").read_text())
    assert (manifest["samples"], manifest["files"], manifest["config"]["seed"]) == (10, 5, 1)
    origins = [(int(r["molecule"]), int(r["rotation"])) for f in FILES for r in SampleFile(whole / f).rows]
    assert origins == [(m, r) for m in (0, 1) for r in range(5)]


def test_nothing_is_left_to_do(whole, molecules):
    times = {f: (whole / f).stat().st_mtime_ns for f in FILES}
    assert write_cache(whole, molecules, CONFIG) == 0
    assert times == {f: (whole / f).stat().st_mtime_ns for f in FILES}


def test_shards_are_disjoint_and_together_the_whole(whole, molecules, tmp_path):
    counts = [write_cache(tmp_path, molecules, CONFIG, Shard(i, 3)) for i in (3, 1)]
    assert counts == [1, 2]
    with pytest.raises(InputError, match=r"stacks-00001\.h5 \(not rendered yet\), stacks-00004\.h5"):
        StoredReferences(tmp_path)
    assert len(StoredReferences(tmp_path, partial=True)) == 6
    assert write_cache(tmp_path, molecules, CONFIG, Shard(2, 3)) == 2
    assert _bytes(tmp_path) == _bytes(whole)
    lists = [json.loads((tmp_path / f"files-{i}-of-3.json").read_text()) for i in (1, 2, 3)]
    assert [list(entries) for entries in lists] == [FILES[0::3], FILES[1::3], FILES[2::3]]
    assert write_cache(tmp_path, molecules, CONFIG) == 0
    assert len(StoredReferences(tmp_path)) == 10


@pytest.mark.slow
def test_workers_give_the_same(whole, molecules, tmp_path):
    assert write_cache(tmp_path, molecules, CONFIG, workers=2) == 5
    assert _bytes(tmp_path) == _bytes(whole)
    assert (tmp_path / "files.json").read_bytes() == (whole / "files.json").read_bytes()


def test_damage_is_rendered_anew_and_the_rest_left_alone(whole, molecules, tmp_path):
    write_cache(tmp_path, molecules, CONFIG)
    (tmp_path / FILES[1]).write_bytes((whole / FILES[1]).read_bytes()[:-1])
    (tmp_path / FILES[3]).unlink()
    intact = (tmp_path / FILES[0]).stat().st_mtime_ns
    with pytest.warns(UserWarning, match=r"1\.h5: its checksum|3\.h5: no such file; rendering it anew"):
        assert write_cache(tmp_path, molecules, CONFIG) == 2
    assert _bytes(tmp_path) == _bytes(whole)
    assert (tmp_path / FILES[0]).stat().st_mtime_ns == intact


def test_a_damaged_list_costs_time_only(whole, molecules, tmp_path):
    write_cache(tmp_path, molecules, CONFIG)
    (tmp_path / "files.json").write_text("{")
    with pytest.warns(UserWarning, match=r"files\.json: expected a list of finished files"):
        assert write_cache(tmp_path, molecules, CONFIG) == 5
    assert len(StoredReferences(tmp_path)) == 10


@pytest.mark.parametrize(("call", "finished"), [(1, None), (2, 0), (4, 1), (5, 1)])
def test_a_full_disk(whole, molecules, tmp_path, monkeypatch, call, finished):
    """Full when the manifest is written, the first file, the second, and the list with the second."""
    calls = iter(range(1, 100))

    def fsync(descriptor):
        if next(calls) == call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("torch_afm.io.files.os.fsync", fsync)
    with pytest.raises(
        InputError, match=r"json|stacks-0000[01]\.h5: No space left on device; finished files"
    ):
        write_cache(tmp_path, molecules, CONFIG)
    assert not list(tmp_path.glob(".*"))
    assert (tmp_path / "manifest.json").exists() == (finished is not None)
    assert write_cache(tmp_path, molecules, CONFIG) == 5 - (finished or 0)
    assert _bytes(tmp_path) == _bytes(whole)


_KILLED = """
import os, signal, sys
from torch_afm.io import files
from tests.datasets.test_writer import CONFIG, SMILES, from_smiles, write_cache
calls = iter(range(1, 100))
files.os.fsync = lambda fd: next(calls) == int(sys.argv[2]) and os.kill(os.getpid(), signal.SIGKILL)
write_cache(sys.argv[1], [from_smiles(s) for s in SMILES], CONFIG)
"""


@pytest.mark.parametrize("call", [4, pytest.param(5, marks=pytest.mark.slow)])
def test_killed_in_the_middle_of_a_write(whole, molecules, tmp_path, call):
    """Of the second file, and of the list that was to hold it."""
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path), str(call)], stderr=subprocess.PIPE)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(list(tmp_path.glob(".*.tmp"))) == 1
    assert list(json.loads((tmp_path / "files.json").read_text())) == FILES[:1]
    assert len(StoredReferences(tmp_path, partial=True)) == 2
    first = (tmp_path / FILES[0]).stat().st_mtime_ns
    assert write_cache(tmp_path, molecules, CONFIG) == 4
    assert first == (tmp_path / FILES[0]).stat().st_mtime_ns
    assert _bytes(tmp_path) == _bytes(whole)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
def test_a_killed_worker(molecules, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_write_in_worker", _kill)
    with pytest.raises(InputError, match="workers: a process was killed"):
        write_cache(tmp_path, molecules, CONFIG, workers=1)
    monkeypatch.undo()
    assert write_cache(tmp_path, molecules, CONFIG) == 5


def _kill(number):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("change", "named"), [({"seed": 2}, "seed"), ({"scan": Scan(), "draws": 2}, "scan, draws")]
)
def test_other_settings_need_another_folder(whole, molecules, change, named):
    with pytest.raises(InputError, match=rf"holds training data with other settings \({named}\); give"):
        write_cache(whole, molecules, dataclasses.replace(CONFIG, **change))


def test_other_molecules_need_another_folder(whole, molecules):
    with pytest.raises(InputError, match=r"other settings \(molecules\)"):
        write_cache(whole, molecules[::-1], CONFIG)
    with pytest.raises(InputError, match="molecules: expected at least one, got none"):
        write_cache(whole, [], CONFIG)


def test_a_folder_that_cannot_be_made(molecules, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file: File exists|Not a directory"):
        write_cache(tmp_path / "file", molecules, CONFIG)
