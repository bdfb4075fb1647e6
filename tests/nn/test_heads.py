import pytest
import torch

from torch_afm.elements import AtomClasses
from torch_afm.nn import BondHead, ClassHead, PositionHead, class_log_probabilities, class_planes


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_sizes_of_the_thesis():
    assert parameters(ClassHead(384, 3)) == (384 * 32 + 32) + (32 * 3 + 3)
    assert parameters(PositionHead(384, (8, 8, 0.7))) == (384 * 64 + 64) + (64 * 64 + 64) + (64 * 3 + 3)
    assert parameters(BondHead(20)) == (40 * 32 + 32) + (32 + 1)
    assert parameters(BondHead(20, (32, 32))) == (40 * 32 + 32) + (32 * 32 + 32) + (32 + 1)


def test_class_head_gives_logits():
    head = ClassHead(4, 3).double()
    x = torch.randn(5, 4, dtype=torch.float64)
    first, second = head.mlp.lins
    expected = (x @ first.weight.T + first.bias).clamp(min=0) @ second.weight.T + second.bias
    torch.testing.assert_close(head(x), expected)


def test_position_head_spans_the_window():
    head = PositionHead(4, (8.0, 6.0, 0.7))
    with torch.no_grad():
        head.mlp.lins[-1].weight.zero_()
        head.mlp.lins[-1].bias.copy_(torch.tensor([1.0, -1.0, -1.0]))
    torch.testing.assert_close(head(torch.randn(2, 4)), torch.tensor([[8.0, -6.0, -0.7]] * 2))
    assert set(head.state_dict()) == {name for name, _ in head.named_parameters()}


def test_bond_head_pairs_each_old_atom_with_the_new_one_of_its_graph():
    head = BondHead(3).double()
    x, new = torch.randn(4, 3, dtype=torch.float64), torch.randn(3, 3, dtype=torch.float64)
    batch = torch.tensor([0, 0, 2, 2])
    out = head(x, new, batch)
    assert out.shape == (4,)
    for i, graph in enumerate(batch.tolist()):
        torch.testing.assert_close(out[i : i + 1], head.mlp(torch.cat([x[i], new[graph]])))
    assert head(x[:0], new, batch[:0]).shape == (0,)


@pytest.mark.parametrize(
    "make", [lambda: ClassHead(6, 3), lambda: PositionHead(6, (8.0, 8.0, 0.7)), lambda: BondHead(6)]
)
def test_reset_parameters_draws_every_weight_anew_and_by_the_seed(make):
    head, other = make(), make()
    before = [p.clone() for p in head.parameters()]
    for h in (head, other):
        torch.manual_seed(1)
        h.reset_parameters()
    assert all((a != b).all() for a, b in zip(head.parameters(), before, strict=True))
    assert all((a == b).all() for a, b in zip(head.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(
    ("groups", "planes"),
    [
        ((("H",), ("C", "N"), ("O",)), [0, 1, 1]),
        ((("O",), ("H",), ("C",)), [1, 0, 1]),
        ((("H", "C"), ("O",)), [0, 0]),
        ((("C",), ("O",)), [0, 0]),
        ((("H",),), [0]),
    ],
)
def test_hydrogen_has_a_plane_where_it_has_a_class(groups, planes):
    assert class_planes(AtomClasses(groups)).tolist() == planes


def test_classes_of_a_plane_share_its_probability():
    logits = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    found = class_log_probabilities(logits, torch.tensor([1, 0, 1, 1]))
    assert (found[:, 1] == 0).all()
    others = logits[:, [0, 2, 3]]
    torch.testing.assert_close(found[:, [0, 2, 3]].exp(), others.exp() / others.exp().sum(1, keepdim=True))
