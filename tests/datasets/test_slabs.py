import itertools
import json

import ase.io
import numpy as np
import pytest
import torch
from ase.build import fcc111
from ase.geometry import get_distances
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, from_smiles
from torch_afm.datasets import (
    StepDataset,
    StepDraws,
    StepRenderer,
    SurfaceWindows,
    read_slabs,
    slab_from_ase,
    step_loader,
    water_bilayer,
)
from torch_afm.datasets.slabs import REACH, cut_window
from torch_afm.elements import AtomClasses
from torch_afm.functional import normalize_slices
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import Augment, RandomMutant, RandomTip
from torch_afm.utils import InputError

SCAN = Scan(pixels=(12, 10), window=((-4, 4), (-1, 5)), n_slices=3, n_oscillation=4)
CLASSES = AtomClasses((("H",), ("O", "C")))


@pytest.fixture(scope="module")
def slabs():
    return [slab_from_ase(water_bilayer(seed, size=6, second=0.5)) for seed in range(2)]


def _dataset(slabs, windows=3, margin=0.5, defer=False, **draws):
    settings = {"classes": CLASSES, "z_min": -3.0, "seed": 1, "augment": Augment(stack=())} | draws
    source = SurfaceWindows(slabs, SCAN, windows, margin, seed=1)
    return StepDataset(source, StepDraws(**settings), StepRenderer(SCAN), defer=defer)


def _turned(slab, center, angle):
    """The periodic surface in the frame of the window, by other means than the module's."""
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    pos = (slab.pos.double().numpy() - [*center, 0]) @ turn + [0, 2, 0]
    return pos, slab.cell[0].double().numpy() @ turn


def test_a_window_has_all_images_that_are_near_and_no_others(slabs):
    slab, center, angle = slabs[0], (3.0, -7.0), 0.7
    cut = cut_window(slab, center, angle, SCAN, reach=6.0)
    pos, cell = _turned(slab, center, angle)
    expected = []
    for i, j in itertools.product(range(-4, 5), repeat=2):
        images = pos + i * cell[0] + j * cell[1]
        inside = (np.abs(images[:, 0]) <= 10) & (images[:, 1] >= -7) & (images[:, 1] <= 11)
        expected += [(z, *p) for z, p in zip(slab.z[inside].tolist(), images[inside], strict=True)]
    found = sorted(np.column_stack([cut.z, cut.pos]).round(2).tolist())
    assert np.allclose(found, sorted(np.round(expected, 2).tolist()), atol=0.02)
    # Every hydrogen in the middle has its oxygen, through the borders of the cell too.
    middle = (cut.z == 1) & (cut.pos[:, :2].abs() < 6).all(1)
    hydrogen, other = cut.edge_index[:, cut.z[cut.edge_index[1]] == 8]
    assert (hydrogen.bincount(minlength=len(cut.z))[middle] == 1).all() and len(other)


def test_dipoles_turn_with_the_window(slabs):
    slab, angle = slabs[0].clone(), 0.7
    slab.dipole = torch.zeros(len(slab.z), 3)
    slab.dipole[slab.z == 8] = torch.tensor([1.0, 0.0, 2.0])
    cut = cut_window(slab, (3.0, -7.0), angle, SCAN)
    expected = torch.tensor([np.cos(angle), np.sin(angle), 2.0], dtype=torch.float32)
    assert torch.allclose(cut.dipole[cut.z == 8], expected) and not cut.dipole[cut.z != 8].any()
    for dataset in (_dataset([slab, slabs[1]]), _dataset([slab, slabs[1]], defer=True)):
        assert dataset.source.oriented(0).dipole.any() and not dataset.source.oriented(3).dipole.any()


def test_a_window_looks_like_the_endless_surface(slabs):
    slab, center, angle = slabs[1], (1.0, 2.0), 2.0
    cut = cut_window(slab, center, angle, SCAN, reach=REACH)
    pos, cell = _turned(slab, center, angle)
    endless = AFMData(z=slab.z, pos=torch.tensor(pos).float(), charge=slab.charge, pbc=slab.pbc)
    endless.cell = torch.tensor(cell)[None].float()
    render = ProbeParticleModel(SCAN, Tip(), dtype=torch.float64, backend="torch")
    z_top = float(slab.pos[:, 2].max()) + 8.0
    ours, theirs = (normalize_slices(render(d, z_top=z_top).double()) for d in (cut, endless))
    assert (ours - theirs).square().mean().sqrt() < 0.02
    # Which is due to the atoms beyond reach: the images of this small cell do matter.
    alone = AFMData(z=slab.z, pos=endless.pos, charge=slab.charge)
    bare = normalize_slices(render(alone, z_top=z_top).double())
    assert (bare - theirs).square().mean().sqrt() > 0.1


def test_graphs_leave_out_substrate_and_surroundings_and_references_do_not(slabs):
    dataset = _dataset(slabs, tip=RandomTip(radius=0.0, distance=0.0))
    render = ProbeParticleModel(SCAN, Tip(), dtype=torch.float64, backend="torch")
    for i, sample in enumerate(dataset.__getitems__(range(6))):
        whole = dataset.source.oriented(i)
        x, y, z = whole.pos.T
        shown = (x.abs() <= 4.5) & (y >= -1.5) & (y <= 5.5) & (z >= -3) & (whole.z != 79)
        assert 0 < shown.sum() < len(shown) / 4
        atoms = torch.cat([sample.pos, sample.missing_pos]), torch.cat([sample.z, sample.missing_z])
        expected = sorted(np.column_stack([whole.z[shown], whole.pos[shown]]).tolist())
        assert sorted(np.column_stack([atoms[1], atoms[0]]).tolist()) == expected
        assert "hidden" not in sample

        seen = normalize_slices(render(whole, z_top=sample.z_top).double())
        assert torch.allclose(sample.reference.double(), seen, atol=5e-3)
        mutant = AFMData(z=sample.z, pos=sample.pos)
        seen = normalize_slices(render(mutant, z_top=sample.z_top).double())
        assert torch.allclose(sample.simulated.double(), seen, atol=5e-3)
        if not len(sample.z):
            assert not sample.simulated.any()


def test_surfaces_are_turned_within_the_plane_alone(slabs):
    dataset = _dataset(slabs)
    windows = [dataset.source.oriented(i) for i in range(6)]
    for i, whole in enumerate(windows):
        known = (slabs[i // 3].pos[:, 2] - slabs[i // 3].pos[:, 2].max()).unique()
        height = whole.pos[:, 2] - whole.pos[:, 2].max()
        assert all((known - h).abs().min() < 1e-4 for h in height.unique())
    assert not torch.equal(windows[0].pos[:20], windows[1].pos[:20])


def test_what_stands_out_far_from_the_window_does_not_lift_the_tip():
    # A tower every 40 Å; a window 8 x 6 Å wide seldom has it near.
    atoms = fcc111("Ag", (14, 14, 1), orthogonal=True)
    atoms.positions[:, 2] = 0
    atoms += ase.Atoms("O2", [(1, 1, 2), (20, 20, 9)])
    atoms.cell[2], atoms.pbc = (0, 0, 30), (True, True, False)
    dataset = _dataset([slab_from_ase(atoms)], windows=40)
    tops = []
    for group in range(40):
        whole = dataset.source.oriented(group)
        near = (whole.pos[:, 0].abs() <= 7) & (whole.pos[:, 1] >= -4) & (whole.pos[:, 1] <= 8)
        assert whole.pos[near, 2].max() == 0
        z_top = float(dataset.images.anchor_heights([whole], 0.5)[0])
        top = whole.z[near][whole.pos[near, 2] > -1e-4]
        radius = {8: 1.6612, 47: 1.574}[int(top[0])]
        assert z_top == pytest.approx(radius + SCAN.distance + 1.6612, abs=1e-3)
        tops.append(float(whole.pos[:, 2].max()))
    # The tower is there, above the tip's plane, in some of the windows where it does not count.
    assert 0 < sum(t > 5 for t in tops) < 20


def test_false_atoms_are_no_metal(slabs):
    dataset = _dataset(slabs, mutant=RandomMutant(misplaced=0.1, extra=6))
    samples = dataset.__getitems__([(e, i) for e in range(4) for i in range(6)])
    false = torch.cat([s.z[s.true_pos.isnan().any(1)] for s in samples])
    assert len(false) > 20 and set(false.tolist()) == {1, 8}


def test_batches_replays_and_stacks_of_the_device_are_the_same(slabs):
    dataset = _dataset(slabs, mutants=2, augment=Augment())
    assert len(dataset) == 2 * 3 * 2 and repr(dataset) == (
        "StepDataset(SurfaceWindows(2 surfaces x 3 windows))"
    )
    keys = [(1, i) for i in (0, 1, 7, 10)]
    samples = dataset.__getitems__(keys)
    assert torch.equal(samples[0].reference, samples[1].reference)
    for sample, key, again in zip(samples, keys, dataset.replay([s.drawn for s in samples]), strict=True):
        for other in (dataset[key], again):
            assert sorted(sample.keys()) == sorted(other.keys())
            assert torch.equal(sample.reference, other.reference)
            assert torch.equal(sample.simulated, other.simulated) and torch.equal(sample.pos, other.pos)
        assert json.loads(sample.drawn)["group"] == key[1] // 2
    deferred = _dataset(slabs, mutants=2, augment=Augment(), defer=True)
    (late,) = step_loader(deferred, 4, sampler=keys)
    late, batch = deferred.complete(late), Batch.from_data_list(samples)
    assert torch.equal(late.reference, batch.reference) and torch.equal(late.simulated, batch.simulated)
    assert torch.equal(late.z_top, batch.z_top)


def test_files(tmp_path):
    layers = [water_bilayer(seed, size=6) for seed in range(2)]
    ase.io.write(tmp_path / "layers.extxyz", layers)
    read = read_slabs(tmp_path / "layers.extxyz")
    for slab, atoms in zip(read, layers, strict=True):
        assert slab.z.tolist() == atoms.numbers.tolist()
        assert np.allclose(slab.pos, atoms.positions, atol=1e-5)
        assert np.allclose(slab.charge, atoms.get_initial_charges(), atol=1e-5)
        assert np.allclose(slab.cell[0], atoms.cell.array, atol=1e-4)
        distances = get_distances(slab.pos.numpy(), cell=slab.cell[0].numpy(), pbc=slab.pbc[0].numpy())[1]
        assert np.allclose(distances, atoms.get_all_distances(mic=True), atol=1e-3)


def test_bad_input(slabs, tmp_path):
    with pytest.raises(InputError, match="slabs: expected 'cell' and 'pbc' in each, got none in surface 1"):
        _dataset([slabs[0], from_smiles("O")])
    with pytest.raises(InputError, match="windows"):
        _dataset(slabs, windows=0)
    with pytest.raises(InputError, match="margin: expected"):
        _dataset(slabs, margin=-1.0)
    with pytest.raises(InputError, match="slab: expected a surface with cell and pbc"):
        cut_window(from_smiles("O"), (0, 0), 0.0, SCAN)
    ase.io.write(tmp_path / "gas.extxyz", ase.Atoms("H2O", [(0, 0, 0), (1, 0, 0), (0, 1, 0)]))
    with pytest.raises(InputError, match="gas: atoms: expected a cell and periodic directions"):
        read_slabs(tmp_path / "gas.extxyz")
