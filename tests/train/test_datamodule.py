import dataclasses

import ase.io
import pytest
import torch

from torch_afm.config import Scan, generator_config
from torch_afm.config.scenes import SceneConfig
from torch_afm.data import from_smiles
from torch_afm.datasets import (
    CacheConfig,
    Scenes,
    SurfaceWindows,
    slab_from_ase,
    split_by_molecule,
    water_bilayer,
    write_cache,
)
from torch_afm.train import AFMDataModule, TrainConfig, datamodule
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt

SMILES = ["Oc1ccccc1", "CC(=O)OC", "C1CCCCC1N", "c1ccsc1", "CCBr", "N#Cc1ccccc1", "OCC(F)F", "CC(C)=O", "CCO"]


def _module(**changes):
    settings = {"epoch_samples": 6, "val_samples": 4, "batch_size": 4, "rotations": 2, "workers": 0}
    config = TrainConfig(model=generator_config("small"), **(settings | changes))
    module = AFMDataModule(config, [from_smiles(s) for s in SMILES])
    module.setup()
    return module


def test_training_validation_and_test_share_no_molecule():
    module = _module()
    train, val = [
        {part.source.molecules[i].z.numpy().tobytes() for i in range(len(part.source.molecules))}
        for part in module.parts
    ]
    held_out = split_by_molecule(len(SMILES), seed=module.config.seed)[2]
    test = {module.molecules[i].z.numpy().tobytes() for i in held_out}
    # These molecules all differ in their atoms.
    assert len(train) + len(val) + len(test) == len(SMILES) == len(train | val | test)


def test_batches_carry_what_model_and_loss_need():
    module = _module()
    batches = list(module.train_dataloader())
    assert [b.num_graphs for b in batches] == [4, 2]
    assert batches[0].reference.shape == (4, 1, 10, 64, 64) and "missing_graph" in batches[0]


def test_too_few_molecules_for_two_parts():
    config = TrainConfig(epoch_samples=4, val_samples=4, workers=0)
    module = AFMDataModule(config, [from_smiles("CCO")] * 2)
    with pytest.raises(InputError, match="a training and a validation part, got 2"):
        module.setup()


def test_scenes_of_the_molecules_of_each_part():
    module = _module(scenes=20, scene=SceneConfig(water=0.0))
    train, validation = module.parts
    assert isinstance(train.source, Scenes) and isinstance(validation.source, Scenes)
    assert len(train.source) == 20 and len(validation.source) == 4
    assert len(train.source.molecules) == 7 and len(validation.source.molecules) == 1
    assert train.source.config == SceneConfig(water=0.0)
    batches = list(module.train_dataloader())
    assert [b.num_graphs for b in batches] == [4, 2]


def test_scenes_of_water_differ_in_training_and_validation():
    only = SceneConfig(alone=0.0, several=0.0, island=0.0, layer=0.0, water=1.0, waters=(6, 6))
    train, validation = (part.source for part in _module(scenes=4, scene=only).parts)
    for i in range(4):
        one, other = train.oriented(i).pos, validation.oriented(i).pos
        assert one.shape != other.shape or not torch.allclose(one, other)


def test_surfaces(tmp_path):
    layers = [water_bilayer(seed, size=6) for seed in range(9)]
    ase.io.write(tmp_path / "layers.extxyz", layers)
    settings = dataclasses.replace(generator_config("spatial"), z_min=-1.5)
    config = TrainConfig(
        model=settings,
        structures=str(tmp_path / "layers.extxyz"),
        rotations=2,
        epoch_samples=4,
        workers=0,
    )
    module = AFMDataModule(config)
    module.setup()
    train, validation = module.parts
    assert isinstance(train.source, SurfaceWindows) and isinstance(validation.source, SurfaceWindows)
    assert len(train.source.slabs) == 7 and len(validation.source.slabs) == 1 and len(train) == 14
    # Down to where a spatial network predicts, and as far as its classes go.
    assert train.z_min == settings.z_context and len(train.classes) == 11
    batch = next(iter(module.train_dataloader()))
    assert batch.reference.shape == (4, 1, 10, 64, 64)
    assert set(torch.cat([batch.z, batch.missing_z]).tolist()) == {1, 8}


def test_generated_surfaces(monkeypatch):
    few = [slab_from_ase(water_bilayer(seed, size=6)) for seed in range(9)]
    monkeypatch.setattr(datamodule, "load_surfaces", {"water": few}.__getitem__)
    module = AFMDataModule(TrainConfig(model=generator_config("small"), structures="water", rotations=1))
    # Its classes have no oxygen apart, but one of all heavy atoms.
    module.setup()
    assert [len(part) for part in module.parts] == [7, 1]


def test_validation_steps_are_fixed():
    first, second = (next(iter(_module().val_dataloader())) for _ in range(2))
    assert torch.equal(first.reference, second.reference) and torch.equal(
        first.missing_pos, second.missing_pos
    )


def test_mutants_share_references_in_training_alone():
    module, usual = _module(mutants=2), _module()
    first = next(iter(module.train_dataloader())).reference
    assert torch.equal(first[0], first[1]) and torch.equal(first[2], first[3])
    assert not torch.equal(first[0], first[2])
    both = [next(iter(m.val_dataloader())).reference for m in (module, usual)]
    assert torch.equal(*both)


@pytest.mark.parametrize("render", ["workers", "device"])
def test_copies_are_made_in_training_alone(render):
    module, usual = _module(mutants=2, copies=8, epoch_samples=32, render=render), _module()
    module.parts[0].block = lambda batch_size: 2  # molecules, of two in an epoch
    batches = [module.on_after_batch_transfer(batch, 0) for batch in module.train_dataloader()]
    assert len(batches) == 8
    for batch in batches:
        # Two mutants each of two molecules, one copy of each.
        assert torch.equal(batch.reference[0], batch.reference[1])
        assert len(set(batch.reference_id.tolist())) == 2
    assert len({id for batch in batches for id in batch.reference_id.tolist()}) == 16
    mine, theirs = (next(iter(m.val_dataloader())) for m in (module, usual))
    assert mine.drawn == theirs.drawn
    assert torch.equal(module.on_after_batch_transfer(mine, 0).reference, theirs.reference)


def test_cached_references_are_those_rendered_on_the_fly(tmp_path):
    usual = _module()
    molecules = [usual.molecules[int(i)] for i in split_by_molecule(len(SMILES), seed=usual.config.seed)[0]]
    scan = generator_config("small").scan
    write_cache(tmp_path / "train", molecules, CacheConfig(scan=scan, rotations=2, seed=usual.config.seed))
    cached = _module(cache=str(tmp_path / "train"))
    ours, theirs = (next(iter(m.train_dataloader())) for m in (cached, usual))
    assert torch.equal(ours.missing_pos, theirs.missing_pos)
    # Two bytes a pixel, under the same noise.
    assert (ours.reference - theirs.reference).square().mean().sqrt() < 2e-3


def test_cached_scenes_are_those_rendered_on_the_fly(tmp_path):
    settings = {"scenes": 6, "scene": SceneConfig(metal=0.5, water=0.3), "seed": 3}
    usual = _module(**settings)
    molecules = [usual.molecules[int(i)] for i in split_by_molecule(len(SMILES), seed=3)[0]]
    scan = generator_config("small").scan
    write_cache(tmp_path / "scenes", molecules, CacheConfig(scan=scan, **settings))
    cached = _module(cache=str(tmp_path / "scenes"), **settings)
    for ours, theirs in zip(cached.train_dataloader(), usual.train_dataloader(), strict=True):
        assert torch.equal(ours.missing_pos, theirs.missing_pos) and torch.equal(ours.z, theirs.z)
        assert torch.equal(ours.simulated, theirs.simulated)
        assert (ours.reference - theirs.reference).square().mean().sqrt() < 2e-3
    first, second = (next(iter(m.val_dataloader())) for m in (cached, usual))
    assert torch.equal(first.reference, second.reference)
    for changes, words in [
        ({"scenes": 5}, "scenes: expected 6, as in the cache, got 5"),
        ({"scenes": 0, "scene": SceneConfig()}, "scenes: expected 6, as in the cache, got 0"),
        (
            {"scene": SceneConfig(metal=0.5)},
            r"scene: expected that of the cache \(water = 0.3\), got another",
        ),
    ]:
        with pytest.raises(InputError, match=words):
            _module(cache=str(tmp_path / "scenes"), **settings | changes)


def test_cached_scenes_of_another_seed(tmp_path):
    """Those that validation would draw, perhaps."""
    scan = generator_config("small").scan
    write_cache(tmp_path, [from_smiles("CCO")], CacheConfig(scan=scan, scenes=4, seed=1))
    with pytest.raises(InputError, match=r"scene: expected that of the cache \(seed = 1\), got another"):
        _module(cache=str(tmp_path), scenes=4)


def test_other_references_are_refused(tmp_path):
    scan = generator_config("small").scan
    config = CacheConfig(scan=scan, rotations=2)
    write_cache(tmp_path / "others", [from_smiles("CCO")], config)
    with pytest.raises(
        InputError, match=r"cache: expected the \d training molecules of this run, got 1 others"
    ):
        _module(cache=str(tmp_path / "others"))
    write_cache(
        tmp_path / "thick", [from_smiles("CCO")], dataclasses.replace(config, scan=Scan(pixels=(8, 8)))
    )
    with pytest.raises(InputError, match="cache: expected stacks of Scan"):
        _module(cache=str(tmp_path / "thick"))


def test_batches_rendered_on_the_device_are_those_of_the_workers():
    usual, late = _module(), _module(render="device")
    for loader in ("train_dataloader", "val_dataloader"):
        for ours, theirs in zip(getattr(late, loader)(), getattr(usual, loader)(), strict=True):
            ours = late.on_after_batch_transfer(ours, 0)
            assert torch.equal(ours.reference, theirs.reference)
            assert torch.equal(ours.simulated, theirs.simulated)
