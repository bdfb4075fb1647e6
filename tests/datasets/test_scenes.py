import json

import numpy as np
import pytest
import torch
from rdkit import Chem
from torch_geometric.data import Batch

from torch_afm.config import Scan
from torch_afm.config.scenes import ARRANGEMENTS, SceneConfig
from torch_afm.data import covalent_bonds, from_smiles
from torch_afm.datasets import Scenes, StepDataset, StepDraws, StepRenderer, step_loader
from torch_afm.elements import ORGANIC_AND_IODINE, AtomClasses
from torch_afm.testing import assert_same_graph
from torch_afm.transforms import RandomMutant
from torch_afm.utils import InputError

SCAN = Scan(pixels=(12, 10), window=((-4, 8), (-1, 9)), n_slices=3, n_oscillation=4)
CLASSES = AtomClasses(tuple((e,) for e in ORGANIC_AND_IODINE))
FLAT = ["c1ccc2ccccc2c1", "Ic1ccc2ccccc2c1", "O=C1C=CC(=O)C=C1"]
BULKY = ["CC(C)(C)C", "CCOC(=O)C1CCCCC1"]
METALS = {"Cu": (29, 2.553), "Ag": (47, 2.892), "Au": (79, 2.885)}


@pytest.fixture(scope="module")
def molecules():
    return [from_smiles(s) for s in FLAT + BULKY]


def _scenes(source, arrangement, scenes=40, **settings):
    weights = {name: float(name == arrangement) for name in ARRANGEMENTS}
    config = SceneConfig(**{**weights, "metal": 0.0, "vacancies": 0.0, "bent": 0.0, **settings})
    return Scenes(source, SCAN, config, scenes=scenes, seed=2)


def _molecules_of(data):
    """Atoms of each molecule of a scene."""
    rows = np.arange(len(data.z))
    labels = rows.copy()
    for _ in range(60):
        np.minimum.at(labels, data.edge_index[0].numpy(), labels[data.edge_index[1].numpy()])
    return [rows[labels == i] for i in np.unique(labels)]


def _radii(z):
    return np.array([Chem.GetPeriodicTable().GetRvdw(n) for n in z.tolist()])


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_frame_bonds_and_what_the_window_shows(molecules, arrangement):
    source = _scenes(molecules, arrangement, metal=0.5, vacancies=0.1)
    for i in range(20):
        data = source.oriented(i)
        x, y, z = data.pos.T.numpy()
        near = (x >= -7) & (x <= 11) & (y >= -4) & (y <= 12)
        assert z[near].max() == pytest.approx(0, abs=1e-5)
        assert ((x >= -12) & (x <= 16) & (y >= -9) & (y <= 17)).all()
        assert ((x >= -4) & (x <= 8) & (y >= -1) & (y <= 9) & (z > -1.001)).any()
        light = ~np.isin(data.z.numpy(), [n for n, _ in METALS.values()])
        kept = torch.from_numpy(np.flatnonzero(light))
        expected = kept[covalent_bonds(data.z[kept], data.pos[kept])]
        bonds = data.edge_index[:, light[data.edge_index].all(axis=0)]
        assert sorted(bonds.T.tolist()) == sorted(expected.T.tolist())
        assert data.pos.dtype == data.charge.dtype == torch.float32 and "dipole" not in data


def test_entries_are_drawn_from_seed_and_index_alone(molecules):
    source, again = (Scenes(molecules, SCAN, scenes=30, seed=5) for _ in range(2))
    assert len(source) == 30 and str(source) == "Scenes(5 molecules, 30 scenes)"
    forward = [source.oriented(i) for i in range(12)]
    backward = [again.oriented(i) for i in reversed(range(12))][::-1]
    for one, other in zip(forward, backward, strict=True):
        assert_same_graph(one, other)
    other = Scenes(molecules, SCAN, scenes=30, seed=6)
    assert any(len(other.oriented(i).z) != len(forward[i].z) for i in range(12))


def test_single_molecules_are_whole_and_lie_anywhere(molecules):
    source = _scenes(molecules, "alone", scenes=300, tilted=0.0)
    shapes = [sorted(torch.pdist(m.pos).tolist()) for m in molecules]
    flat, middles = 0, []
    for i in range(300):
        data = source.oriented(i)
        if len(data.z) < 10:
            continue
        mine = torch.tensor(sorted(torch.pdist(data.pos).tolist()))
        which = [k for k, s in enumerate(shapes) if len(s) == len(mine)]
        assert any(torch.allclose(mine, torch.tensor(shapes[k]), atol=2e-4) for k in which)
        lowest = data.pos[:, 2].min()
        if lowest > -0.6:
            flat += 1
        middles.append(((data.pos.amin(0) + data.pos.amax(0)) / 2)[:2].tolist())
    # Planar ones are 40 % of the draws: 120 +- 8.5.
    assert 90 < flat < 150
    low, high = np.min(middles, axis=0), np.max(middles, axis=0)
    assert (low < [-4, -1]).all() and (high > [8, 9]).all() and (low > [-6.1, -3.1]).all()
    assert np.abs(np.mean(middles, axis=0) - [2, 4]).max() < 1.0


def test_flat_molecules_are_turned_by_any_angle_and_over(molecules):
    source = _scenes(molecules[:1], "alone", scenes=200, tilted=0.0)
    angles = []
    for i in range(200):
        pos = source.oriented(i).pos.numpy()
        assert np.ptp(pos[:, 2]) < 0.05
        axis = np.linalg.svd(pos - pos.mean(0))[2][0]
        angles.append(np.degrees(np.arctan2(axis[1], axis[0])) % 180)
    counts = np.histogram(angles, 6, (0, 180))[0]
    assert counts.min() > 15


def test_tilts(molecules):
    source = _scenes(molecules[:1], "alone", scenes=100, tilted=1.0, tilt=8.0)
    tilts = []
    for i in range(100):
        pos = source.oriented(i).pos.double().numpy()
        tilts.append(np.degrees(np.arccos(abs(np.linalg.svd(pos - pos.mean(0))[2][2] @ [0, 0, 1]))))
    assert max(tilts) < 8.1 and np.mean(tilts) == pytest.approx(4, abs=1)


def test_bent_molecules_stand_on_the_surface(molecules):
    tagged = [m.clone() for m in molecules[:1]]
    tagged[0].dipole = torch.full_like(tagged[0].pos, 0.1)
    surface = {"metal": 1.0, "metals": ("Ag",), "height": (3.0, 3.0), "beyond": 0.0, "spread": 0.0}
    source = _scenes(tagged, "alone", tilted=0.0, bent=0.5, bend=0.3, **surface, scenes=120)
    flat, sags = 0, []
    for i in range(120):
        data = source.oriented(i)
        light = data.z != 47
        x, y, z = data.pos[light].double().numpy().T
        # Carbons at 3.0 Å from the metal at least, hydrogens at 2.5 Å, and one as near as that.
        above = z - float(data.pos[~light, 2].mean()) - np.where(data.z[light] == 1, 2.5, 3.0)
        assert above.min() == pytest.approx(0, abs=1e-4)
        assert torch.allclose(data.dipole[light].norm(dim=1), torch.tensor(0.1 * 3**0.5))
        if np.ptp(z) < 1e-2:
            flat += 1
            continue
        # A parabola along one direction, and flat across it.
        x, y = x - x.mean(), y - y.mean()
        terms = np.stack([x * x, x * y, y * y, x, y, np.ones_like(x)], axis=1)
        form, rest = np.linalg.lstsq(terms, z, rcond=None)[:2]
        assert rest < 1e-3
        curvature = np.linalg.eigvalsh([[form[0], form[1] / 2], [form[1] / 2, form[2]]])
        assert abs(np.prod(curvature)) < 1e-5 + 1e-2 * np.max(np.abs(curvature)) ** 2
        sags.append(np.ptp(z) * np.sign(curvature.sum()))
    assert 40 < flat < 80
    assert max(sags) < 0.31 and min(sags) > -0.31 and max(sags) > 0.2 and min(sags) < -0.2


def test_neighbors_are_in_contact_and_do_not_overlap(molecules):
    gap = (-0.2, 0.4)
    source = _scenes(molecules, "several", molecules=(3, 3), gap=gap, beyond=0.0)
    whole, sizes = 0, {len(m.z) for m in molecules}
    for i in range(40):
        data = source.oriented(i)
        # Of those that the surroundings of the window cut, pieces are left.
        parts = [part for part in _molecules_of(data) if len(part) in sizes]
        radius = _radii(data.z)
        free = torch.cdist(data.pos.double(), data.pos.double()).numpy() - radius[:, None] - radius
        between = [[free[np.ix_(a, b)].min() for b in parts if b is not a] for a in parts]
        if len(parts) > 1:
            assert min(map(min, between)) > gap[0] - 1e-3
        if len(parts) == 3:
            whole += 1
            assert all(min(row) < gap[1] + 1e-3 for row in between)
    assert whole > 10


@pytest.mark.parametrize("arrangement", ["several", "layer"])
def test_all_stand_on_one_surface(molecules, arrangement):
    source = _scenes(molecules[:3], arrangement, tilted=0.0, spread=0.1)
    for i in range(20):
        data = source.oriented(i)
        heights = [float(data.pos[p, 2].median()) for p in _molecules_of(data) if len(p) > 5]
        assert np.ptp(heights) <= 0.1 + 0.02


def test_a_layer_is_everywhere_and_an_island_ends(molecules):
    sparse = {"layer": [], "island": []}
    for arrangement, shares in sparse.items():
        source = _scenes(molecules, arrangement, gap=(0.0, 0.0), slack=0.2)
        for i in range(30):
            pos = source.oriented(i).pos[:, :2]
            grid = torch.cartesian_prod(torch.arange(-4.0, 8.5), torch.arange(-1.0, 9.5))
            shares.append(float((torch.cdist(grid, pos).amin(1) > 4.5).float().mean()))
    assert max(sparse["layer"]) < 0.25 and np.mean(sparse["layer"]) < 0.02
    assert np.mean(np.array(sparse["island"]) > 0.1) > 0.4


def test_a_layer_repeats(molecules):
    """Differences of lattice points come again; those of points at random do not."""
    source = _scenes(molecules[2:3], "layer", species=1, tilted=0.0, spread=0.0)
    for i in range(10):
        data = source.oriented(i)
        parts = [p for p in _molecules_of(data) if len(p) == 12]
        middles = np.array([data.pos[p].mean(0).tolist() for p in parts])
        shifts = (middles[:, None] - middles[None]).reshape(-1, 3).round(2)
        assert len(parts) > 5 and len(np.unique(shifts, axis=0)) < 0.75 * len(shifts)


def test_metals_lie_below_and_out_of_the_graph(molecules):
    source = _scenes(molecules[:3], "several", metal=1.0, tilted=0.0, spread=0.0, height=(3.0, 3.2))
    found = set()
    for i in range(12):
        data = source.oriented(i)
        (symbol,) = [s for s, (n, _) in METALS.items() if (data.z == n).any()]
        number, distance = METALS[symbol]
        found.add(symbol)
        metal = data.pos[data.z == number].double()
        plane = data.pos[(data.z == 6), 2].median()
        assert 2.95 < float(plane - metal[0, 2]) < 3.25 and np.ptp(metal[:, 2].numpy()) < 1e-4
        near = torch.cdist(metal, metal).fill_diagonal_(99)
        assert float(near.min()) == pytest.approx(distance, abs=0.01)
        # All over the window: a triangular lattice has one atom for 0.866 d².
        x, y = metal[:, 0], metal[:, 1]
        inside = ((x > -4) & (x < 8) & (y > -1) & (y < 9)).sum()
        assert int(inside) == pytest.approx(120 / (0.866 * distance**2), rel=0.2)
        assert not data.charge[data.z == number].any()
    assert found == set(METALS)
    dataset = StepDataset(source, StepDraws(z_min=-3.0, classes=CLASSES), StepRenderer(SCAN))
    for sample in dataset.__getitems__(range(4)):
        shown = torch.cat([sample.z, sample.missing_z])
        assert len(shown) and not np.isin(shown.numpy(), [n for n, _ in METALS.values()]).any()
        pos = torch.cat([sample.pos, sample.missing_pos])
        assert ((pos[:, 0] >= -4.5) & (pos[:, 0] <= 8.5) & (pos[:, 1] >= -1.5) & (pos[:, 1] <= 9.5)).all()


def test_iodine_is_a_class_that_scenes_show(molecules):
    source = _scenes(molecules[1:2], "alone", beyond=0.0)
    dataset = StepDataset(source, StepDraws(classes=CLASSES), StepRenderer(SCAN))
    samples = dataset.__getitems__(range(20))
    assert any((torch.cat([s.z, s.missing_z]) == 53).any() for s in samples)


def test_water(molecules):
    source = _scenes(molecules, "water", waters=(1, 6), water_layers=0.3, scenes=60)
    layers = 0
    for i in range(40):
        data = source.oriented(i)
        layers += bool((data.z > 40).any())
        assert set(data.z.tolist()) <= {1, 8, 47, 79}
        if not (data.z > 40).any() and len(data.z) == 3 * int((data.z == 8).sum()):
            assert float(data.charge.sum()) == pytest.approx(0, abs=1e-5)
    assert 3 < layers < 25


def test_dipoles_are_turned_along(molecules):
    def with_dipoles(molecule):
        # A vector of the molecule's own: from each atom to the mean of all.
        molecule.dipole = molecule.pos.mean(0) - molecule.pos
        return molecule

    source = _scenes([with_dipoles(m.clone()) for m in molecules], "alone", beyond=0.0, metal=0.5)
    for i in range(20):
        data = source.oriented(i)
        light = data.z < 54 if not (data.z == 47).any() else data.z != 47
        light &= data.z != 29
        pos, dipole = data.pos[light], data.dipole[light]
        if len(pos) in {len(m.z) for m in molecules}:
            assert torch.allclose(dipole, pos.mean(0) - pos, atol=1e-4)
        assert not data.dipole[~light].any()


def test_batches_replays_and_loaders_give_the_same_samples(molecules):
    source = Scenes(molecules, SCAN, scenes=6, seed=1)
    dataset = StepDataset(
        source, StepDraws(z_min=-2.0, classes=CLASSES, mutants=2, seed=3), StepRenderer(SCAN)
    )
    assert len(dataset) == 12
    keys = [(1, i) for i in (0, 1, 5, 8)]
    samples = dataset.__getitems__(keys)
    for sample, again in zip(samples, dataset.replay([s.drawn for s in samples]), strict=True):
        assert torch.equal(sample.reference, again.reference) and torch.equal(sample.pos, again.pos)
    assert json.loads(samples[2].drawn)["group"] == 2
    (loaded,) = step_loader(dataset, 4, sampler=keys, workers=1)
    assert torch.equal(loaded.reference, Batch.from_data_list(samples).reference)


def test_bad_input(molecules):
    with pytest.raises(InputError, match="molecules: expected at least one"):
        Scenes([], SCAN)
    with pytest.raises(InputError, match="scenes: expected at least 1, got 0"):
        Scenes(molecules, SCAN, scenes=0)
    with pytest.raises(InputError, match="margin: expected"):
        Scenes(molecules, SCAN, margin=-1.0)
    with pytest.raises(InputError, match=r"scan, config: expected room for 40 atoms of a scene \(alone\)"):
        _scenes(molecules, "alone", min_atoms=40).oriented(0)


def test_steps_have_the_dipoles_of_their_atoms(molecules):
    tagged = [m.clone() for m in molecules]
    for molecule in tagged:
        molecule.dipole = molecule.z[:, None].float() * torch.ones(3) / 100
    source = _scenes(tagged, "several", metal=0.5)
    draws = StepDraws(z_min=-2.0, classes=CLASSES, mutant=RandomMutant(misplaced=0.1, extra=4), seed=1)
    eager, late = (StepDataset(source, draws, StepRenderer(SCAN), defer=defer) for defer in (False, True))
    for sample in eager.__getitems__(range(8)):
        length = sample.z.float() * 3**0.5 / 100
        false = sample.true_pos.isnan().any(1)
        assert torch.allclose(sample.dipole.norm(dim=1)[~false], length[~false])
        assert not sample.dipole[false].any()
    batch = Batch.from_data_list(late.__getitems__(range(4)))
    assert batch.whole_dipole.shape == batch.whole_pos.shape and batch.whole_dipole.any()
    batch, expected = (
        late.complete(batch),
        Batch.from_data_list(eager.__getitems__([(1, i) for i in range(4)])),
    )
    assert sorted(batch.keys()) == sorted(expected.keys())
