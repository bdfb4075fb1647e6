import math

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import ScanLossConfig
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.nn import GraphOutput, MapGrid, ScanLoss, ScanPrediction
from torch_afm.nn.scan_loss import hydrogen_parents

pytestmark = pytest.mark.learnt

PITCH = (0.5, 0.5)
SHAPE = (17, 17)
GRID = MapGrid.centered(SHAPE, PITCH)
CLASSES = AtomClasses((("H",), ("C",), ("O",)))


def sample(z, pos, kept=(), places=(), true=None):
    """A graph of the atoms ``kept``, and those that are missing."""
    data = AFMData(
        z=torch.tensor(kept, dtype=torch.long),
        pos=torch.tensor(places, dtype=torch.float64).reshape(-1, 3),
        edge_index=torch.empty(2, 0, dtype=torch.long),
    )
    data.true_pos = data.pos if true is None else torch.tensor(true, dtype=torch.float64)
    data.missing_z = torch.tensor(z, dtype=torch.long)
    data.missing_pos = torch.tensor(pos, dtype=torch.float64).reshape(-1, 3)
    return data


def collate(*samples):
    return Batch.from_data_list(list(samples))


def prediction(graphs=1, atoms=0, shape=SHAPE, seed=None):
    """Zeros, or numbers of a ``seed``."""
    generator = torch.Generator().manual_seed(seed or 0)

    def leaf(*size):
        values = torch.randn(size, generator=generator, dtype=torch.float64)
        return (values if seed is not None else 0 * values).requires_grad_()

    return ScanPrediction(
        leaf(graphs, 2, *shape),
        leaf(graphs, 3, *shape),
        leaf(graphs, 2, 3, *shape),
        leaf(graphs, 2, 3, *shape),
        leaf(graphs, 3, *shape),
        torch.ones(graphs, 1, *shape, dtype=torch.bool),
        GraphOutput(
            torch.empty(2, 0, dtype=torch.long), leaf(0), leaf(atoms, 3), leaf(atoms, 3), leaf(atoms)
        ),
    )


def nll(mean, log_var, true):
    return 0.5 * (log_var + (mean - true) ** 2 * math.exp(-log_var))


def test_terms_of_one_atom_by_hand():
    out = prediction(seed=1)
    x, y, z = atom = [0.6, -0.9, -0.6]
    config = ScanLossConfig(depth=1.2)
    terms = ScanLoss(CLASSES, PITCH, 0.5, config)(out, collate(sample([8], [atom])))
    v = math.exp(z / 1.2)
    heat = label = position = total = 0.0
    for plane in range(2):
        for row in range(17):
            for column in range(17):
                dx, dy = x - (-4 + 0.5 * column), y - (-4 + 0.5 * row)
                gaussian = math.exp(-(dx**2 + dy**2) / (2 * 0.5**2))
                logit = float(out.heatmap[0, plane, row, column])
                p = 1 / (1 + math.exp(-logit))
                if (plane, row, column) == (1, 6, 9):
                    heat -= v * (1 - p) ** 2 * math.log(p)
                else:
                    cut = gaussian if plane == 1 and max(abs(row - 6), abs(column - 9)) <= 4 else 0.0
                    heat -= (1 - cut) ** 4 * p**2 * math.log(1 - p)
                if plane == 1 and abs(row - 6) <= 1 and abs(column - 9) <= 1:
                    total += gaussian
                    label -= gaussian * float(out.class_logits[0, 2, row, column])
                    for i, true in enumerate((dx, dy, z)):
                        mean, log_var = (float(m[0, 1, i, row, column]) for m in (out.position, out.log_var))
                        position += gaussian * nll(mean, log_var, true)
    # The sum of the weights counts as 1 at least.
    assert terms.heatmap.item() == pytest.approx(heat)
    assert terms.label.item() == pytest.approx(v * label / total)
    assert terms.position.item() == pytest.approx(v * position / total)
    assert terms.parent.item() == terms.bond.item() == terms.move.item() == terms.real.item() == 0


def test_the_total_is_the_weighted_sum():
    config = ScanLossConfig(1.5, 0.2, 0.05, 0.3, 0.4, 0.5, 0.6)
    data = sample([6, 1], [[0.5, -1, -0.2], [0.5, 0.1, -0.4]], [8, 6], [[2, 2, 0], [-2, 2, 0]])
    terms = ScanLoss(CLASSES, PITCH, config=config)(prediction(1, 2, seed=3), collate(data))
    factors = (1, 0.3, 0.2, 0.4, 0.5, 0.05, 0.6)
    expected = sum(f * t for f, t in zip(factors, terms[1:], strict=True))
    torch.testing.assert_close(terms.total, expected)
    assert all(t != 0 for t in (*terms[1:5], *terms[6:]))


def test_deep_atoms_count_less():
    loss = ScanLoss(CLASSES, PITCH, config=ScanLossConfig(depth=1.0))
    out = prediction(2)
    loss(out, collate(*(sample([6], [[0.5, -1.0, z]]) for z in (-0.5, -1.5)))).total.backward()
    ratio = out.heatmap.grad[1, 1, 6, 9] / out.heatmap.grad[0, 1, 6, 9]
    assert float(ratio) == pytest.approx(1 / math.e)


@pytest.mark.parametrize("place", [[6.0, 0.0, -0.2], [4.4, 1.0, -0.2], [0.0, 0.0, -1.2], [-2.0, 2.0, -0.2]])
def test_atoms_outside_below_others_and_not_measured_are_no_targets(place):
    """They are no background either, where they are near."""
    loss, out = ScanLoss(CLASSES, PITCH), prediction(seed=2)
    out.measured[..., :4] = False  # nothing is missing there
    out.measured[..., 10:, :6] = False
    heatmap = out.heatmap.detach().masked_fill(~out.measured, -30.0).requires_grad_()
    out = out._replace(heatmap=heatmap)
    above = [0.1, 0.1, -0.1]
    one, both = collate(sample([6], [above])), collate(sample([6, 8], [above, place]))
    expected, found = loss(out, one), loss(out, both)
    for name in ("label", "position"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name))
    assert found.heatmap <= expected.heatmap + 1e-9


def test_the_size_of_the_map_does_not_matter():
    """Maps of a part have the loss of the whole, where nothing else is."""
    loss = ScanLoss(CLASSES, PITCH)
    small = prediction(seed=4)
    pad = torch.nn.functional.pad
    large = ScanPrediction(
        pad(small.heatmap, (3, 5, 2, 4), value=-60.0),
        *(pad(m, (3, 5, 2, 4)) for m in small[1:5]),
        pad(small.measured, (3, 5, 2, 4)),
        small.graph,
    )
    atoms = torch.tensor([[0.5, -1.0, -0.2], [-2.0, 1.5, -1.5]], dtype=torch.float64)
    moved = atoms + torch.tensor([(3 - 5) / 2 * 0.5, (2 - 4) / 2 * 0.5, 0.0])
    terms = [loss(out, collate(sample([6, 1], p.tolist()))) for out, p in ((small, atoms), (large, moved))]
    for a, b in zip(*terms, strict=True):
        torch.testing.assert_close(a, b)


def test_nothing_missing_and_nothing_there():
    out = prediction(2)
    terms = ScanLoss(CLASSES, PITCH)(out, collate(sample([], []), sample([], [])))
    assert terms.heatmap.item() == pytest.approx(2 * 2 * 17 * 17 * 0.25 * math.log(2))
    terms.total.backward()
    assert torch.isfinite(out.heatmap.grad).all() and terms.position == terms.parent == terms.label == 0


def test_perfect_maps_leave_nothing_to_learn():
    out = prediction()
    atoms = torch.tensor([[0.5, -1.0, -0.2], [0.6, 0.0, -0.6]], dtype=torch.float64)
    with torch.no_grad():
        out.heatmap[:] = -60.0
        out.heatmap[0, 1, 6, 9] = out.heatmap[0, 0, 8, 9] = 60.0
        for k, atom in ((1, atoms[0]), (0, atoms[1])):
            x, y = GRID.axes(atoms)
            out.position[0, k, 0] = atom[0] - x
            out.position[0, k, 1] = (atom[1] - y)[:, None]
            out.position[0, k, 2] = atom[2]
    terms = ScanLoss(CLASSES, PITCH)(out, collate(sample([6, 1], atoms.tolist())))
    assert terms.heatmap.item() == pytest.approx(0, abs=1e-12)
    terms.total.backward()
    assert out.heatmap.grad.abs().max() < 1e-12 and out.position.grad.abs().max() < 1e-12


def test_parents_of_hydrogens():
    nowhere = [math.nan] * 3
    # Missing: an O with two H, one of which is nearer to a false atom; an H bonded to a C that was moved.
    first = sample(
        [8, 1, 1, 1],
        [[0, 0, 0], [0.9, 0, 0], [0, 0.95, 0], [5.0, 1.0, 0]],
        [7, 6],
        [[0, 1.0, 0], [4.0, 3.0, 0]],
        [nowhere, [5.0, 0, 0]],
    )
    # The same places in another graph, which has no O there; one on sulfur.
    second = sample([1, 1, 16], [[0.9, 0, 0], [2, 2, 0], [2, 2, -1.3]])
    found = hydrogen_parents(collate(first, second))
    assert found.tolist() == [-1, 2, 2, 0, -1, -1, -1]
    assert hydrogen_parents(sample([1, 6], [[0, 0, 0], [0, 0, 1.0]])).tolist() == [0, -1]


def test_parents_are_learnt_by_cross_entropy():
    out = prediction()
    share = torch.tensor([0.2, 0.7, 0.1], dtype=torch.float64).log()
    out = out._replace(parent_logits=share[None, :, None, None].expand(1, 3, *SHAPE))
    data = sample([1, 7, 1, 1], [[0, 0, -0.5], [0, 0, -1.5], [2, 2, 0.0], [2, 3, 0]])
    found = ScanLoss(AtomClasses((("H",), ("C", "N"))), PITCH)(out, collate(data)).parent
    # That of N counts alone; the others have no neighbor but each other.
    assert found.item() == pytest.approx(math.exp(-0.5 / 1.5) * -math.log(0.7))


def test_repr():
    text = repr(ScanLoss(CLASSES, PITCH))
    assert text.startswith("ScanLoss(pitch=(0.5, 0.5), sigma=0.5, config=ScanLossConfig(depth=1.5")
