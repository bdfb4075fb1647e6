import math

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config import SequentialLossConfig
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.nn import SequentialLoss, SequentialLossTerms, StepPrediction

pytestmark = pytest.mark.learnt

CLASSES = AtomClasses()
Z_MIN = -0.7


def graph(atoms: int, missing: int, generator: torch.Generator) -> AFMData:
    def elements(n: int) -> Tensor:
        return torch.tensor([1, 6, 8])[torch.randint(0, 3, (n,), generator=generator)]

    def positions(n: int) -> Tensor:
        pos = 6 * torch.rand(n, 3, generator=generator, dtype=torch.float64) - 3
        pos[:, 2] = Z_MIN * torch.rand(n, generator=generator, dtype=torch.float64)
        return pos

    bonds = torch.rand(missing, atoms, generator=generator) < 0.4
    return AFMData(
        z=elements(atoms),
        pos=positions(atoms),
        edge_index=torch.empty(2, 0, dtype=torch.long),
        missing_z=elements(missing),
        missing_pos=positions(missing),
        missing_edge_index=bonds.nonzero().T,
    )


def make(sizes: list[tuple[int, int]]) -> tuple[list[AFMData], Batch, StepPrediction]:
    generator = torch.Generator().manual_seed(0)
    graphs = [graph(*size, generator) for size in sizes]
    batch = Batch.from_data_list(graphs)
    out = StepPrediction(
        torch.randn(len(graphs), 3, generator=generator, dtype=torch.float64),
        4 * torch.rand(len(graphs), 3, generator=generator, dtype=torch.float64) - 2,
        torch.randn(batch.num_nodes, generator=generator, dtype=torch.float64),
    )
    for x in out:
        x.requires_grad_()
    return graphs, batch, out


def loop(graphs: list[AFMData], out: StepPrediction) -> tuple[float, float, float]:
    """Eqs. 4.9 to 4.11, graph by graph, atom by atom."""
    position, node, edge, offset = [], [], [], 0
    for b, data in enumerate(graphs):
        logits, pos = out.class_logits[b].tolist(), out.pos[b].tolist()
        edges = out.edge_logits[offset : offset + data.num_nodes].tolist()
        offset += data.num_nodes
        label = 0
        if data.num_missing:
            candidates = data.missing_pos.tolist()
            squares = [sum((a - c) ** 2 for a, c in zip(pos, true, strict=True)) for true in candidates]
            nearest = squares.index(min(squares))
            position.append((1 - candidates[nearest][2] / (2 * Z_MIN)) * squares[nearest])
            label = 1 if int(data.missing_z[nearest]) == 1 else 2
            bonded = {present for i, present in data.missing_edge_index.T.tolist() if i == nearest}
            p = [1 / (1 + math.exp(-e)) for e in edges]
            terms = [-math.log(p[v] if v in bonded else 1 - p[v]) for v in range(data.num_nodes)]
            if terms:
                edge.append(sum(terms) / len(terms))
        node.append(-math.log(math.exp(logits[label]) / sum(math.exp(l) for l in logits)))

    def mean(values: list[float]) -> float:
        return sum(values) / len(values) if values else 0.0

    return mean(position), mean(node), mean(edge)


@pytest.mark.parametrize(
    "sizes",
    [
        [(5, 4), (3, 1), (7, 6)],
        [(0, 3), (4, 0), (0, 0), (2, 5), (6, 2), (0, 4)],  # empty graphs and complete ones, all over
        [(4, 0), (5, 2), (3, 0)],
        [(3, 0), (0, 0)],
        [(0, 2), (0, 1)],
    ],
)
def test_is_the_double_loop(sizes):
    graphs, batch, out = make(sizes)
    terms = SequentialLoss(CLASSES)(out, batch)
    position, node, edge = loop(graphs, out)
    expected = SequentialLossTerms(position + 3 * node + 2 * edge, position, node, edge)
    assert [float(t.detach()) for t in terms] == pytest.approx(list(expected), rel=1e-12, abs=1e-14)

    # Whatever a batch lacks, every output stays in the graph (distributed training needs it), and is finite.
    gradients = torch.autograd.grad(terms.total, out)
    assert all(bool(g.isfinite().all()) for g in gradients)


def test_gradients():
    _, batch, out = make([(3, 2), (4, 0), (0, 1), (2, 3)])
    loss = SequentialLoss(CLASSES)
    assert torch.autograd.gradcheck(lambda *x: loss(StepPrediction(*x), batch).total, tuple(out))


def test_complete_graph_teaches_class_only():
    _, batch, out = make([(3, 2), (4, 0)])
    _, pos, edge = torch.autograd.grad(SequentialLoss(CLASSES)(out, batch).total, out)
    assert (pos[1] == 0).all() and (pos[0] != 0).all()
    assert (edge[3:] == 0).all() and (edge[:3] != 0).all()


def test_target_is_the_nearest_atom_of_the_same_graph():
    empty = torch.empty(2, 0, dtype=torch.long)
    atom = {
        "z": torch.tensor([6]),
        "pos": torch.zeros(1, 3),
        "edge_index": empty,
        "missing_edge_index": empty,
    }
    first = AFMData(
        missing_z=torch.tensor([6, 1]), missing_pos=torch.tensor([[5.0, 0, 0], [3, 0, 0]]), **atom
    )
    second = AFMData(missing_z=torch.tensor([8]), missing_pos=torch.tensor([[0.0, 0, 0]]), **atom)
    batch = Batch.from_data_list([first, second])
    target, has_target = SequentialLoss(CLASSES).nearest(torch.zeros(2, 3), batch)
    assert target.tolist() == [1, 2] and has_target.tolist() == [True, True]


@pytest.mark.parametrize(("z_true", "discount"), [(0.0, 1.0), (-0.35, 0.75), (-0.7, 0.5)])
def test_discount(z_true, discount):
    data = AFMData(
        z=torch.empty(0, dtype=torch.long),
        missing_z=torch.tensor([6]),
        missing_pos=torch.tensor([[2.0, 0, z_true]]),
        missing_edge_index=torch.empty(2, 0, dtype=torch.long),
    )
    out = StepPrediction(torch.zeros(1, 3), torch.tensor([[0.0, 0, z_true]]), torch.empty(0))
    assert float(SequentialLoss(CLASSES)(out, data).position) == pytest.approx(4 * discount)


def test_weights():
    _, batch, out = make([(3, 2), (4, 1)])
    total, position, node, edge = SequentialLoss(CLASSES, config=SequentialLossConfig(5, 7))(out, batch)
    torch.testing.assert_close(total, position + 5 * node + 7 * edge)


def test_single_graph_without_a_batch_is_a_batch_of_one():
    graphs, batch, out = make([(4, 3)])
    assert SequentialLoss(CLASSES)(out, graphs[0]) == SequentialLoss(CLASSES)(out, batch)


def test_repr():
    assert str(SequentialLoss(CLASSES)) == (
        "SequentialLoss(z_min=-0.7, config=SequentialLossConfig(node_weight=3.0, edge_weight=2.0))"
    )
