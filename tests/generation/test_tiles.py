"""Windows over a scan, and what is made of what they show."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch

from torch_afm.config import Scan
from torch_afm.data import AFMData, covalent_bonds, from_smiles, remove_atoms
from torch_afm.generation import island_tiles, predict_scan, predict_structure, scan_tiles, stitch
from torch_afm.generation.tiles import Tile, move_tile, window_image
from torch_afm.metrics import match_atoms
from torch_afm.models import SpatialGenerator
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.transforms import Orient, best_rotations
from torch_afm.utils import InputError

MODEL = Scan(window=((-4.0, 4.0), (-4.0, 4.0)), pixels=(33, 33), n_slices=2)


def wide(nx, ny):
    return dataclasses.replace(
        MODEL, window=((0.0, (nx - 1) * 0.25), (1.0, 1 + (ny - 1) * 0.25)), pixels=(nx, ny)
    )


@pytest.mark.parametrize(("nx", "ny"), [(33, 33), (34, 33), (70, 50), (100, 33)])
@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_windows_cover_the_scan(nx, ny, overlap):
    scan = wide(nx, ny)
    tiles = scan_tiles(scan, MODEL, overlap)
    seen = np.zeros((ny, nx), int)
    for tile in tiles:
        seen[tile.row : tile.row + 33, tile.column : tile.column + 33] += 1
        assert tile.center[0] == pytest.approx(scan.x[tile.column : tile.column + 33].mean())
        assert tile.center[1] == pytest.approx(scan.y[tile.row : tile.row + 33].mean())
    assert seen.min() >= 1
    columns = sorted({t.column for t in tiles})
    assert columns[0] == 0 and columns[-1] == nx - 33
    assert all(b - a <= 33 * (1 - overlap) for a, b in itertools.pairwise(columns))
    assert len(tiles) == 1 or any(math.isfinite(s) for s in tiles[0].inner[0] + tiles[0].inner[1])


@pytest.mark.parametrize(
    ("scan", "overlap", "message"),
    [
        (dataclasses.replace(wide(50, 50), window=((0, 10), (0, 10))), 0.5, "pixels of 0.2500"),
        (wide(50, 50), 1.0, "overlap"),
    ],
)
def test_scans_that_cannot_be_covered(scan, overlap, message):
    with pytest.raises(InputError, match=message):
        scan_tiles(scan, MODEL, overlap)


def test_a_part_outside_of_the_scan_fades_from_its_edge_into_the_background():
    stack = np.full((1, 33, 33), 5.0)
    stack[:, :, 0] = 9.0  # a bright left side; the median of the edge is 5
    part = window_image(stack, Tile(0, -16, (0, 0), ((0, 0), (0, 0))), MODEL)[0, 0].numpy()
    np.testing.assert_array_equal(part[:, :, 16:], stack[:, :, :17])
    left = part[0, 7, :17]
    assert (np.diff(left) >= 0).all() and left[:6] == pytest.approx(5.0)
    assert left[16 - 5] == pytest.approx(7.0)  # half way, 1.25 Å out


def atoms(*rows):
    """Rows of z, x, y, confidence."""
    z, pos = torch.tensor([r[0] for r in rows]), torch.tensor([[r[1], r[2], 0.0] for r in rows])
    n = len(rows)
    data = AFMData(z=z, pos=pos, charge=torch.zeros(n), edge_index=covalent_bonds(z, pos))
    data.confidence = torch.tensor([float(r[3]) for r in rows])
    data.class_probabilities, data.sigma = torch.full((n, 2), 0.5), torch.full((n, 3), 0.1)
    data.bond_probability = torch.full((data.edge_index.size(1),), 0.9)
    return data


LEFT = Tile(0, 0, (4.0, 4.0), ((-math.inf, 8.0), (-math.inf, math.inf)))
RIGHT = Tile(0, 24, (10.0, 4.0), ((6.0, math.inf), (-math.inf, math.inf)))


def test_atoms_come_from_the_tile_in_which_they_lie_deepest():
    # The middle is x = 7. An atom that the left tile sees beyond is not believed, nor the other way round.
    graph = stitch(
        [LEFT, RIGHT], [atoms((6, 5, 4, 0.6), (8, 7.8, 4, 0.9)), atoms((6, 9, 4, 0.7), (8, 6.2, 0, 0.9))]
    )
    assert sorted(graph.pos[:, 0].tolist()) == [5.0, 9.0] and graph.tile.tolist() == [0, 1]


def test_what_both_see_is_one_the_more_confident():
    for left, right in ((6.9, 7.1), (7.1, 6.9), (7.3, 6.8)):
        graph = stitch([LEFT, RIGHT], [atoms((6, left, 4, 0.6)), atoms((7, right, 4, 0.8))])
        assert graph.z.tolist() == [7] and graph.pos[0, 0] == pytest.approx(right)


def test_hydrogen_and_its_atom_stay_two():
    graph = stitch([LEFT, RIGHT], [atoms((8, 6.7, 4, 0.9)), atoms((1, 7.35, 4, 0.8))])
    assert len(graph.z) == 2


def test_bonds_are_said_by_the_tile_that_has_both_ends():
    chain = [(6, x, 4, 0.9) for x in (5.2, 6.6, 8.0, 9.4)]
    left, right = atoms(*chain[:3]), atoms(*chain[1:])
    # The left tile is not sure of bonds; in the middle the right one lies deeper, further left it alone sees.
    left.bond_probability[:] = 0.4
    graph = stitch([LEFT, RIGHT], [left, right])
    order = graph.pos[:, 0].argsort()
    dense = torch.zeros(4, 4)
    dense[tuple(graph.edge_index)] = graph.bond_probability
    dense = dense[order][:, order]
    assert torch.equal(dense, dense.T)
    assert dense.diagonal(1).tolist() == pytest.approx([0.4, 0.9, 0.9])
    # Not bonded is an answer, too.
    right.edge_index, right.bond_probability = torch.empty(2, 0, dtype=torch.long), torch.empty(0)
    graph = stitch([LEFT, RIGHT], [left, right])
    assert graph.edge_index.size(1) == 2


def test_bonds_that_no_tile_sees_follow_from_the_distance():
    graph = stitch([LEFT, RIGHT], [atoms((6, 6.3, 4, 0.9)), atoms((6, 7.7, 4, 0.5))])
    assert graph.edge_index.size(1) == 2 and graph.bond_probability.tolist() == pytest.approx([0.45] * 2)


def test_other_groups_do_not_count_as_deeper():
    island = RIGHT._replace(group=1, inner=((-math.inf, math.inf),) * 2)
    graph = stitch([LEFT, island], [atoms((6, 5, 4, 0.9)), atoms((6, 9, 4, 0.9))])
    assert len(graph.z) == 2


def test_nothing_stitched_is_nothing():
    empty = stitch([LEFT, RIGHT], [nothing(), nothing()])
    assert len(empty.z) == 0 and empty.edge_index.shape == (2, 0)


def nothing():
    some = atoms((6, 5, 4, 0.9))
    for key in ("z", "pos", "charge", "confidence", "class_probabilities", "sigma"):
        some[key] = some[key][:0]
    return some


def test_windows_around_islands():
    axis = np.arange(120) * 0.25
    values = np.zeros((2, 120, 120))
    for x, y, size, n in ((5.0, 6.0, 1.0, 5), (19.0, 18.0, 8.0, 17)):
        for dx in np.linspace(-size, size, n):
            values += np.exp(-((axis - x - dx) ** 2) - (axis[:, None] - y) ** 2)
    scan = dataclasses.replace(wide(120, 120), window=((0.0, 29.75), (0.0, 29.75)))
    found = island_tiles(values, scan, MODEL)
    small = [t for t, _ in found if t.group == 0]
    large = [t for t, _ in found if t.group == 1]
    assert len(small) == 1 and small[0].center == pytest.approx((5.0, 6.0), abs=0.2)
    assert len(large) > 1 and all(t.center[1] == pytest.approx(18.0, abs=0.2) for t in large)
    assert min(t.center[0] for t in large) - 4 < 11 + 1 and max(t.center[0] for t in large) + 4 > 27 - 1
    assert all(image.shape == values.shape for _, image in found)
    for tile in small + large:
        assert min(tile.row, tile.column) >= 0 and max(tile.row, tile.column) <= 120 - 33
    assert len(island_tiles(np.zeros((2, 40, 40)), wide(40, 40), MODEL)) == len(
        scan_tiles(wide(40, 40), MODEL)
    )


def test_a_scan_of_one_window_is_that_window_and_left_as_it_is():
    """Bright spots apart from each other, in a scan no larger than the window."""
    values = np.random.default_rng(0).normal(size=(2, 33, 33))
    for nx, ny in ((33, 33), (25, 33), (20, 21)):
        ((tile, image),) = island_tiles(values[:, :ny, :nx], wide(nx, ny), MODEL)
        np.testing.assert_array_equal(image, values[:, :ny, :nx])
        assert tile.center == pytest.approx(((nx - 1) / 8, 1 + (ny - 1) / 8), abs=0.13)
        part = window_image(image, tile, MODEL)[0, 0].numpy()
        assert part.shape == (2, 33, 33)
        rows, columns = slice(-tile.row, ny - tile.row), slice(-tile.column, nx - tile.column)
        np.testing.assert_allclose(part[:, rows, columns], image, rtol=1e-6)


def test_a_tile_is_moved_as_far_as_the_scan_goes():
    scan = wide(100, 40)
    (tile, *_) = scan_tiles(scan, MODEL)
    moved = move_tile(tile, scan, MODEL, (10.0, 90.0))
    assert moved.center[0] == pytest.approx(10.0, abs=0.13) and moved.row == 7
    assert moved.center == pytest.approx(
        (scan.x[moved.column : moved.column + 33].mean(), scan.y[7:40].mean())
    )
    assert move_tile(tile, scan, MODEL, (-50.0, 0.0)).column == 0
    assert move_tile(tile, scan, MODEL, (-50.0, 0.0), beyond=1.1)[:2] == (-4, -4)


@pytest.mark.slow
def test_several_molecules_come_out_as_each_alone():
    """The shipped weights: a scan 2.2 windows wide, against predictions of one molecule after the other."""
    model = SpatialGenerator.from_pretrained("spatial").eval()
    one = model.config.scan
    pitch = 16 / 63
    scan = dataclasses.replace(one, window=((-70 * pitch, 70 * pitch),) * 2, pixels=(141, 141))
    places = {"Oc1ccccc1Cl": (-9.5, -9.0), "c1ccc2[nH]ccc2c1": (7.5, -10.0), "Nc1ccc(F)cc1": (9.0, 10.0)}
    parts, alone_ = [], []
    renderer = ProbeParticleModel(one)
    for smiles, (x, y) in places.items():
        molecule = from_smiles(smiles)
        molecule = Orient(best_rotations(molecule.pos, n=1)[0])(molecule)
        moved = molecule.clone()
        moved.pos = molecule.pos + torch.tensor([x, y, 0.0])
        parts.append(moved)
    keys = ("z", "pos", "charge")
    whole = AFMData(**{key: torch.cat([p[key] for p in parts]) for key in keys})
    z_top = float(anchor_height(whole, scan, renderer.tip))
    for part, (x, y) in zip(parts, places.values(), strict=True):
        centred = part.clone()
        centred.pos = part.pos - torch.tensor([x, y, 0.0])
        reference = renderer(centred, z_top=z_top)
        graph = predict_structure(model, reference, renderer, z_top, views=4).graph
        alone_.append(graph.pos + torch.tensor([x, y, 0.0]))
    reference = ProbeParticleModel(scan)(whole, z_top=z_top)
    found = predict_scan(model, reference, scan, z_top, views=4)
    visible = remove_atoms(whole, whole.pos[:, 2] < -0.7)
    each = match_atoms(torch.cat(alone_), visible.pos, 0.5).f1
    assert match_atoms(found.graph.pos, torch.cat(alone_), 0.5).f1 > 0.85
    assert match_atoms(found.graph.pos, visible.pos, 0.5).f1 > each - 0.1
    gap = torch.cdist(found.graph.pos, found.graph.pos) + 9 * torch.eye(len(found.graph.z))
    assert gap.min() > 0.5
    assert found.simulated.shape == (1, 1, *scan.shape)
