import math

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, SpatialLossConfig
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.nn import GraphOutput, MapGrid, SpatialLoss, SpatialPrediction

pytestmark = pytest.mark.learnt

SCAN = Scan(window=((-4.0, 4.0), (-4.0, 4.0)), pixels=(17, 17), n_slices=2)  # 0.5 Å a pixel
GRID = MapGrid.from_scan(SCAN)
CLASSES = AtomClasses()


def sample(z, pos):
    empty = AFMData.empty()
    empty.missing_z = torch.tensor(z, dtype=torch.long)
    empty.missing_pos = torch.tensor(pos, dtype=torch.float64).reshape(-1, 3)
    empty.true_pos = empty.pos
    return empty


def collate(*samples):
    return Batch.from_data_list(list(samples))


def prediction(graphs=1, heatmap=0.0, stop=0.0):
    def full(*shape, value=0.0):
        return torch.full(shape, value, dtype=torch.float64, requires_grad=True)

    maps = graphs, 2, 3, *GRID.shape
    return SpatialPrediction(
        full(graphs, 2, *GRID.shape, value=heatmap),
        full(graphs, 2, *GRID.shape),
        full(*maps),
        full(*maps),
        full(graphs, value=stop),
        said(),
    )


def said(pairs=(), bond=(), move=(), log_var=(), real=()):
    def leaf(values, *shape):
        return torch.tensor(values, dtype=torch.float64).reshape(*shape).requires_grad_()

    index = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T
    return GraphOutput(index, leaf(bond, -1), leaf(move, -1, 3), leaf(log_var, -1, 3), leaf(real, -1))


def test_heat_of_one_atom_is_the_focal_loss():
    logit = -1.3
    loss = SpatialLoss(CLASSES, GRID, sigma=0.6)
    out = prediction(heatmap=logit)
    found = loss(out, collate(sample([6], [[0.5, -1.1, -0.2]]))).heatmap
    p = 1 / (1 + math.exp(-logit))
    expected = -((1 - p) ** 2) * math.log(p)
    for k in range(2):
        for row in range(17):
            for column in range(17):
                x, y = -4 + 0.5 * column, -4 + 0.5 * row
                spread = math.exp(-((x - 0.5) ** 2 + (y + 1.1) ** 2) / (2 * 0.6**2)) if k == 1 else 0.0
                if (k, row, column) != (1, 6, 9):
                    expected -= (1 - spread) ** 4 * p**2 * math.log(1 - p)
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_perfect_maps_leave_nothing_to_learn():
    out = prediction(heatmap=-60.0)
    atoms = torch.tensor([[0.5, -1.0, -0.2], [-2.0, 1.5, -1.5]], dtype=torch.float64)
    with torch.no_grad():
        out.heatmap[0, 1, 6, 9] = out.heatmap[0, 0, 11, 4] = 60.0
        out.stop[0] = -60.0
        for k, atom in ((1, atoms[0]), (0, atoms[1])):
            x, y = GRID.axes(atoms)
            out.position[0, k, 0] = atom[0] - x
            out.position[0, k, 1] = (atom[1] - y)[:, None]
            out.position[0, k, 2] = atom[2]
    terms = SpatialLoss(CLASSES, GRID)(out, collate(sample([6, 1], atoms.tolist())))
    assert terms.heatmap.item() == pytest.approx(0, abs=1e-12) and terms.stop.item() == pytest.approx(
        0, abs=1e-12
    )
    terms.total.backward()
    for name in ("heatmap", "position", "stop"):
        assert getattr(out, name).grad.abs().max() < 1e-12, name


def test_position_is_the_gaussian_likelihood():
    out = prediction()
    s = torch.tensor([-1.0, -2.0, 0.5], dtype=torch.float64)
    off = torch.tensor([0.3, -0.2, 0.4], dtype=torch.float64)
    atom = torch.tensor([0.6, -0.9, -0.2], dtype=torch.float64)
    with torch.no_grad():
        x, y = GRID.axes(atom)
        out.position[0, 1, 0], out.position[0, 1, 1] = atom[0] + off[0] - x, (atom[1] + off[1] - y)[:, None]
        out.position[0, 1, 2] = atom[2] + off[2]
        out.log_var[:] = s[:, None, None]
    found = SpatialLoss(CLASSES, GRID)(out, collate(sample([6], [atom.tolist()]))).position
    normal = torch.distributions.Normal(torch.zeros(3, dtype=torch.float64), (s / 2).exp())
    expected = -(normal.log_prob(off) + math.log(2 * math.pi) / 2).sum()
    assert found.item() == pytest.approx(float(expected), rel=1e-6)


def test_positions_are_learnt_around_the_atom_alone():
    out = prediction()
    SpatialLoss(CLASSES, GRID)(out, collate(sample([6], [[0.5, -1.0, -0.2]]))).position.backward()
    touched = (out.position.grad[0].abs().sum(dim=1) > 0).nonzero().tolist()
    assert touched == [[1, r, c] for r in (5, 6, 7) for c in (8, 9, 10)]


def test_context_counts_less_and_does_not_keep_from_stopping():
    loss = SpatialLoss(CLASSES, GRID, config=SpatialLossConfig(context_weight=0.25))
    visible, deep = sample([6], [[0.5, -1.0, -0.2]]), sample([6], [[0.5, -1.0, -1.2]])
    none = sample([], [])
    out = prediction(3, stop=1.5)
    terms = loss(out, collate(visible, deep, none))
    terms.total.backward()
    # Positive pixels: a share of each other's gradient.
    ratio = out.heatmap.grad[1, 1, 6, 9] / out.heatmap.grad[0, 1, 6, 9]
    assert float(ratio) == pytest.approx(0.25)
    p = 1 / (1 + math.exp(-1.5))
    assert terms.stop.item() == pytest.approx(-(math.log(1 - p) + 2 * math.log(p)) / 3)


def test_nothing_missing():
    out = prediction(2, heatmap=-3.0)
    terms = SpatialLoss(CLASSES, GRID)(out, collate(sample([], []), sample([], [])))
    assert terms.position.item() == 0
    p = 1 / (1 + math.exp(3))
    assert terms.heatmap.item() == pytest.approx(-2 * 2 * 17 * 17 * p**2 * math.log(1 - p))
    terms.total.backward()
    assert torch.isfinite(out.heatmap.grad).all()


def test_a_batch_is_the_mean_over_its_atoms():
    loss = SpatialLoss(CLASSES, GRID)
    generator = torch.Generator().manual_seed(0)
    a = sample([6, 1], [[0.5, -1.0, -0.2], [-1.5, 1.0, -0.5]])
    b = sample([1, 8, 6], [[2.5, -1.0, -0.2], [-1.5, 1.0, -0.5], [0.0, 3.0, -0.6]])
    maps = [torch.randn(t.shape, generator=generator).double() for t in prediction(2)[:5]]
    out = SpatialPrediction(*maps, said())
    both = loss(out, collate(a, b))
    parts = [
        loss(SpatialPrediction(*(t[i : i + 1] for t in maps), said()), collate(s))
        for i, s in enumerate((a, b))
    ]
    for name in ("heatmap", "label", "position"):
        expected = (2 * getattr(parts[0], name) + 3 * getattr(parts[1], name)) / 5
        torch.testing.assert_close(getattr(both, name), expected)


def test_kind_is_the_cross_entropy_within_a_plane():
    loss = SpatialLoss(AtomClasses((("H",), ("C",), ("O",))), GRID)
    out = prediction()
    class_logits = torch.tensor([0.0, 0.8, 0.2], dtype=torch.float64).log()
    out = out._replace(class_logits=class_logits[None, :, None, None].expand(1, 3, *GRID.shape))
    atoms = [[0.5, -1.0, -0.2], [-1.5, 1.0, -0.5], [2.0, 2.0, -0.3]]
    found = loss(
        out._replace(class_logits=out.class_logits.nan_to_num(neginf=0)), collate(sample([6, 8, 1], atoms))
    ).label
    assert found.item() == pytest.approx(-(math.log(0.8) + math.log(0.2)) / 3)


def graph_of(z, pos, true, bonds):
    data = sample([], [])
    data.z, data.pos = torch.tensor(z), torch.tensor(pos, dtype=torch.float64)
    data.true_pos = torch.tensor(true, dtype=torch.float64)
    index = torch.tensor(bonds, dtype=torch.long).reshape(-1, 2).T
    data.edge_index = torch.cat([index, index.flip(0)], dim=1)
    return collate(data)


def test_moves_are_learnt_by_likelihood_and_false_atoms_by_name():
    nowhere = [math.nan] * 3
    data = graph_of([6, 1, 6], [[0, 0, 0], [1, 0, 0], [0, 2, 0]], [[0.1, 0, 0], nowhere, [0, 2, 0]], [])
    out = prediction()._replace(
        graph=said((), (), [[0.3, 0, 0], [5, 5, 5], [0, 0, 0]], [-1.0] * 9, [1, -2, 0.5])
    )
    terms = SpatialLoss(CLASSES, GRID)(out, data)
    assert terms.move.item() == pytest.approx((0.5 * 6 * -1 + 0.5 * 0.2**2 * math.e) / 3)
    expected = -sum(math.log(1 / (1 + math.exp(-x))) for x in (1, 2, 0.5)) / 3
    assert terms.real.item() == pytest.approx(expected)
    terms.total.backward()
    assert torch.isfinite(out.graph.move.grad).all() and (out.graph.move.grad[1] == 0).all()


def test_bonds_and_gaps_weigh_the_same():
    pos = [[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]
    data = graph_of([6] * 4, pos, pos, [[0, 1]])
    pairs = [[0, 1], [0, 2], [1, 3], [2, 3]]
    out = prediction()._replace(graph=said(pairs, [0.7, -0.2, 0.1, 0.4], [0.0] * 12, [0.0] * 12, [0.0] * 4))
    found = SpatialLoss(CLASSES, GRID)(out, data).bond

    def log(x):
        return math.log(1 / (1 + math.exp(-x)))

    assert found.item() == pytest.approx(-(log(0.7) + (log(0.2) + log(-0.1) + log(-0.4)) / 3) / 2)
