import dataclasses
import json
import pickle
import shutil

import h5py
import numpy as np
import pytest
import torch
from torch_geometric.loader import DataLoader

from torch_afm.config import Scan, Tip
from torch_afm.config.cache import STORAGE
from torch_afm.data import from_smiles
from torch_afm.datasets import (
    AFMDataset,
    CacheConfig,
    StepDataset,
    StepDraws,
    StepRenderer,
    StoredReferences,
    SurfaceWindows,
    slab_from_ase,
    water_bilayer,
    write_cache,
)
from torch_afm.elements import AtomClasses
from torch_afm.ppm import ProbeParticleModel
from torch_afm.testing import assert_same_graph
from torch_afm.transforms import Augment
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt

NONE = Augment(stack=())
SCAN = Scan(pixels=(16, 12), n_slices=4, n_oscillation=4)
TIP = Tip(tilt=(0.1, -0.1))
# 12 rotations of 2 tips each, in files of 5 stacks: files begin amid molecules and amid rotations.
CONFIG = CacheConfig(SCAN, TIP, rotations=4, candidates=50, draws=2, file_samples=5, seed=3)


@pytest.fixture(scope="module")
def molecules():
    return [from_smiles(s) for s in ("Oc1ccccc1Cl", "CC(=O)OC", "C1CCCCC1N")]


@pytest.fixture(scope="module")
def folders(molecules, tmp_path_factory):
    """One of each storage."""
    made = {storage: tmp_path_factory.mktemp(storage) for storage in STORAGE}
    for storage, folder in made.items():
        config = dataclasses.replace(CONFIG, storage=storage)
        assert write_cache(folder, molecules, config, source="a test") == 5
    return made


@pytest.fixture(scope="module")
def folder(folders):
    return folders["float16"]


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def _on_the_fly(molecules, **draws):
    return AFMDataset(
        molecules, SCAN, StepDraws(**({"seed": 3} | draws)), rotations=4, candidates=50, tip=TIP
    )


def _steps(folder, margin=0.5, **draws):
    stored = StoredReferences(folder, margin=margin)
    return StepDataset(stored.molecules, StepDraws(**({"seed": 3} | draws)), stored)


def test_stored_references_have_dipoles(molecules, tmp_path):
    dipolar = [molecule.clone() for molecule in molecules]
    for molecule in dipolar:
        molecule.dipole = 0.1 * molecule.pos
    write_cache(tmp_path / "data", dipolar, CONFIG)
    stored = StoredReferences(tmp_path / "data")
    draws = StepDraws(seed=3, augment=NONE)
    dataset, there = StepDataset(stored.molecules, draws, stored), _on_the_fly(dipolar, augment=NONE)
    plain = _on_the_fly(molecules, augment=NONE)
    for i in (0, 5, 11):
        assert torch.equal(dataset[i].dipole, there[i].dipole)
        assert torch.allclose(dataset[i].reference, there[i].reference, atol=5e-3)
        assert not torch.allclose(dataset[i].reference, plain[i].reference, atol=5e-2)


def test_surfaces(tmp_path):
    slabs = [slab_from_ase(water_bilayer(seed, size=6)) for seed in range(2)]
    settings = dataclasses.replace(CONFIG, rotations=2, draws=1)
    write_cache(tmp_path / "data", slabs, settings)
    classes = AtomClasses((("H",), ("O",)))
    cached = _steps(tmp_path / "data", z_min=-2.0, classes=classes, margin=0.3)
    draws = StepDraws(z_min=-2.0, classes=classes, seed=3)
    live = StepDataset(SurfaceWindows(slabs, SCAN, 2, 0.3, seed=3), draws, StepRenderer(SCAN, TIP))
    assert cached.images.manifest.surfaces and len(cached) == len(live) == 4
    for found, expected in zip(cached.__getitems__(range(4)), live.__getitems__(range(4)), strict=True):
        _assert_close(found, expected, "float16")
    # Other cells are other surfaces.
    slabs[0].cell = slabs[0].cell * 1.01
    with pytest.raises(InputError, match=r"other settings \(molecules\)"):
        write_cache(tmp_path / "data", slabs, settings)


def _assert_close(found, expected, storage):
    """All but the reference is the same; that to the precision of the storage, in standard deviations."""
    worst = {"float16": 2**-10, "uint8": 0.02}[storage] * expected.reference.abs().max().item()
    assert torch.allclose(found.reference, expected.reference, atol=worst, rtol=0)
    assert not torch.equal(found.reference, expected.reference)
    found, expected = found.clone(), expected.clone()
    del found.reference, expected.reference, found.reference_id, expected.reference_id
    assert torch.allclose(found.simulated, expected.simulated, atol=1e-4)
    del found.simulated, expected.simulated
    assert_same_graph(found, expected)


@pytest.mark.parametrize("augment", [NONE, Augment()])
@pytest.mark.parametrize("storage", STORAGE)
def test_samples_are_those_rendered_on_the_fly(molecules, folders, storage, augment):
    cached = _steps(folders[storage], augment=augment)
    dataset = _on_the_fly(molecules, augment=augment)
    assert len(cached) == len(dataset) == 12
    keys = [(epoch, i) for epoch in (0, 1) for i in range(12)]
    pairs = list(zip(cached.__getitems__(keys), dataset.__getitems__(keys), strict=True))
    assert any(json.loads(found.drawn)["removed"] for found, _ in pairs)
    for found, expected in pairs:
        _assert_close(found, expected, storage)
        assert found.drawn == expected.drawn


@pytest.mark.parametrize("storage", STORAGE)
def test_stacks_of_the_files_are_those_of_another_renderer(molecules, folders, storage):
    """The torch renderer in float64, with the stored graph, tip and height."""
    with h5py.File(folders[storage] / "stacks-00002.h5") as file:
        sample, atoms = file["sample"][:], file["atom"][:]
        stacks = file["offset"][:][..., None, None] + file["scale"][:][..., None, None] * file["stack"][:]
    # Stacks 10 to 14: the second draw is every other, a rotation has two.
    assert sample["molecule"].tolist() == [1] * 5
    assert sample["rotation"].tolist() == [1, 1, 2, 2, 3]
    assert sample["draw"].tolist() == [0, 1, 0, 1, 0]
    for row, stack in zip(sample, stacks, strict=True):
        graph = molecules[1].clone()
        part = atoms[slice(*row["atoms"])]
        assert part["pos"][:, 2].max() == 0 and part["z"].tolist() == graph.z.tolist()
        graph.pos = torch.from_numpy(part["pos"].copy())
        tip = Tip(tilt=tuple(row["tilt"] + TIP.tilt))
        rendered = ProbeParticleModel(SCAN, tip, dtype=torch.float64, backend="torch")(
            graph, z_top=float(row["z_top"] + row["distance"])
        )
        # Of the range of each slice: what rounding may do, and what the two renderers differ by.
        span = np.ptp(rendered[0].numpy(), axis=(0, 2, 3))
        error = np.abs(stack - rendered[0].numpy()).max(axis=(0, 2, 3)) / span
        assert (error < {"float16": 2**-11, "uint8": 1 / 510}[storage] + 2e-4).all()


def test_later_epochs_share_tips_but_nothing_else(molecules, folder):
    cached, dataset = _steps(folder), _on_the_fly(molecules)
    for i in (0, 7):
        third, first, expected = cached[(4, i)], cached[(0, i)], dataset[(4, i)]
        found = [json.loads(sample.drawn) for sample in (third, first, expected)]
        assert found[0]["reference"]["tip"] == found[1]["reference"]["tip"]
        assert found[0]["reference"]["steps"] == found[2]["reference"]["steps"]
        assert found[0]["simulated"] == found[2]["simulated"] != found[1]["simulated"]
        assert not torch.equal(third.reference, first.reference)
        assert torch.allclose(third.simulated, expected.simulated, atol=1e-4)


def test_replay_mutants_and_another_seed(folder):
    cached = _steps(folder, mutants=3)
    assert len(cached) == 36
    samples = cached.__getitems__([(1, 6), (1, 7), (3, 30)])
    assert torch.equal(samples[0].reference, samples[1].reference)
    for again, sample in zip(cached.replay([s.drawn for s in samples]), samples, strict=True):
        assert_same_graph(again, sample)
    record = json.loads(samples[0].drawn)
    record["reference"]["tip"]["distance"] += 1e-3
    with pytest.raises(InputError, match="drawn: expected the tip of a stack in"):
        cached.replay([json.dumps(record)])
    other = _steps(folder, seed=4)[0]
    same = _steps(folder)[0]
    assert json.loads(other.drawn)["reference"]["tip"] == json.loads(same.drawn)["reference"]["tip"]
    assert json.loads(other.drawn)["simulated"] != json.loads(same.drawn)["simulated"]


def test_pickles(folder):
    cached = _steps(folder)
    assert_same_graph(pickle.loads(pickle.dumps(cached))[4], cached[4])


@pytest.mark.slow
def test_workers(folder):
    cached = _steps(folder)
    loader = DataLoader(cached, 3, sampler=range(6), num_workers=2, multiprocessing_context="forkserver")
    found = [sample for batch in loader for sample in batch.to_data_list()]
    for sample, expected in zip(found, [cached[i] for i in range(6)], strict=True):
        assert all(torch.equal(sample[key], expected[key]) for key in ("z", "pos", "reference", "simulated"))


def test_many_files_are_not_all_kept_open(folder, monkeypatch):
    monkeypatch.setattr("torch_afm.datasets.rendering._OPEN", 2)
    few = StoredReferences(folder)
    for i in (0, 11, 5, 0):
        assert_same_graph(few.graph(i), StoredReferences(folder).graph(i))
        assert len(few._open) <= 2


def _damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "harm", [_damage, lambda p: p.write_bytes(p.read_bytes()[:1000]), lambda p: p.unlink()]
)
def test_damaged_files_are_refused_by_name(copy, harm):
    harm(copy / "stacks-00001.h5")
    with pytest.raises(InputError, match=r"expected 5 intact files, got stacks-00001\.h5 \(.*; torch-afm"):
        StoredReferences(copy)


def test_the_rest_is_usable_on_request(molecules, copy):
    """File 1 holds stacks 5 to 9: both tips of rotation 3 and 4, and one of rotation 2."""
    _damage(copy / "stacks-00001.h5")
    stored = StoredReferences(copy, partial=True)
    part = StepDataset(stored.molecules, StepDraws(augment=NONE), stored)
    dataset = _on_the_fly(molecules, augment=NONE)
    assert len(stored) == len(part) == 9
    for i, group in enumerate([0, 1, 5, 6, 7, 8, 9, 10, 11]):
        assert_same_graph(stored.graph(i), dataset.source.oriented(group))
        assert part[(1, i)].reference.shape == (1, 1, 4, 12, 16)
    for path in copy.glob("*.h5"):
        path.unlink()
    with pytest.raises(InputError, match=r"expected 5 intact files, got stacks-00000.* and 2 more"):
        StoredReferences(copy, partial=True)


def test_damage_after_opening_is_found_when_reading(copy):
    with h5py.File(copy / "stacks-00000.h5") as file:
        chunk = file["stack"].id.get_chunk_info(2)
    data = bytearray((copy / "stacks-00000.h5").read_bytes())
    data[chunk.byte_offset + chunk.size // 2] ^= 1
    stored = StoredReferences(copy)
    (copy / "stacks-00000.h5").unlink()
    (copy / "stacks-00000.h5").write_bytes(data)
    cached = StepDataset(stored.molecules, StepDraws(), stored)
    cached[0]
    with pytest.raises(InputError, match=r"stacks-00000\.h5: expected an intact file of training samples"):
        cached[1]  # whose first tip is stack 2


def test_folders_that_hold_no_training_data(copy, tmp_path):
    with pytest.raises(
        InputError, match=r"expected training data with a manifest\.json, got a folder without"
    ):
        StoredReferences(tmp_path)
    (copy / "files.json").write_text("[")
    with pytest.raises(InputError, match=r"files\.json: expected a list of finished files"):
        StoredReferences(copy)
    (copy / "manifest.json").write_text('{"format": 1}')
    with pytest.raises(InputError, match=r"manifest\.json: expected the manifest of training data"):
        StoredReferences(copy)


def test_repr(folder):
    stored = f"StoredReferences({str(folder)!r}, 12 rotations)"
    assert repr(StoredReferences(folder)) == stored and repr(_steps(folder)) == f"StepDataset({stored})"
    assert repr(StepRenderer(SCAN)) == "StepRenderer(pixels=(16, 12), backend='auto')"


def test_bad_input(folder):
    stored = StoredReferences(folder)
    with pytest.raises(InputError, match="images: expected a renderer for deferred samples, got stored"):
        StepDataset(stored.molecules, StepDraws(), stored, defer=True)
    with pytest.raises(InputError, match="margin: expected a length"):
        StoredReferences(folder, margin=-1.0)
