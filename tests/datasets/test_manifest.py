import dataclasses
import json

import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.datasets import CacheConfig, Manifest, SceneConfig, slab_from_ase, water_bilayer
from torch_afm.testing import benzene, water
from torch_afm.utils import InputError


@pytest.fixture
def manifest():
    config = CacheConfig(Scan(pixels=(32, 16)), Tip.preset("Xe"), rotations=3, draws=2, file_samples=5)
    return Manifest.from_molecules([water(), benzene()], config, "a test")


def test_numbers_and_files(manifest):
    assert (manifest.groups, manifest.samples) == (6, 12)
    assert manifest.files == ["stacks-00000.h5", "stacks-00001.h5", "stacks-00002.h5"]
    assert [i for n in range(3) for i in manifest.span(n)] == list(range(12))
    assert manifest.molecules == ("0", "1")


def test_round_trip(manifest, tmp_path):
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path) == manifest
    written = (tmp_path / "manifest.json").read_bytes()
    dataclasses.replace(manifest, source="another job", versions={}).write(tmp_path)
    assert (tmp_path / "manifest.json").read_bytes() == written


def test_scenes(tmp_path):
    config = CacheConfig(scenes=7, scene=SceneConfig(water=0.0), draws=2, file_samples=5)
    manifest = Manifest.from_molecules([water(), benzene()], config, "a test")
    assert (manifest.groups, manifest.samples, manifest.orientations) == (7, 14, 1)
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path).config == config
    other = CacheConfig(scenes=7, scene=SceneConfig(water=0.5), draws=2, file_samples=5)
    with pytest.raises(InputError, match=r"other settings \(scene\)"):
        Manifest.from_molecules([water(), benzene()], other, "a test").write(tmp_path)
    layer = slab_from_ase(water_bilayer(0, size=6))
    with pytest.raises(InputError, match="scenes: expected 0 for periodic surfaces, got 7"):
        Manifest.from_molecules([layer], config, "a test")


def test_a_manifest_of_before_there_were_scenes(manifest, tmp_path):
    manifest.write(tmp_path)
    document = json.loads((tmp_path / "manifest.json").read_text())
    for key in ("scenes", "scene"):
        del document["config"][key]
    (tmp_path / "manifest.json").write_text(json.dumps(document))
    assert Manifest.read(tmp_path) == manifest
    manifest.write(tmp_path)


def test_fingerprint_tells_molecules_apart():
    def fingerprint(*molecules):
        return Manifest.from_molecules(molecules, CacheConfig(), "").fingerprint

    moved = water()
    moved.pos[0, 0] += 1e-6
    renamed = water()
    renamed.name = "aqua"
    dipolar = water()
    dipolar.dipole = torch.zeros(3, 3)
    assert fingerprint(water()) == fingerprint(renamed)
    others = [
        fingerprint(moved),
        fingerprint(dipolar),
        fingerprint(water(), benzene()),
        fingerprint(benzene(), water()),
    ]
    assert len({fingerprint(water()), *others}) == 5


#: What is refused.
REFUSED = [
    {"rotations": 0},
    {"draws": 0},
    {"file_samples": -1},
    {"candidates": 29},
    {"storage": "int4"},
    {"compression": "zip"},
    {"scenes": -1},
    {"scene": SceneConfig(water=1.0)},
]


def test_settings_that_make_no_sense():
    for change in REFUSED:
        with pytest.raises(InputError, match=next(iter(change))):
            CacheConfig(**change)
