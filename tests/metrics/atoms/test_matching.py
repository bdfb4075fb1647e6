"""Atoms matched against brute force, and bonds by hand."""

import itertools
import math

import pytest
import torch

from torch_afm.metrics import match_atoms, match_bonds
from torch_afm.metrics.atoms import nearest_atoms
from torch_afm.utils import InputError


def _brute_force(pos_pred, pos_true, cutoff, z_pred=None, z_true=None, dims=3):
    """(pairs, total distance) of the best matching, by trying every injection of the smaller set."""
    a, b = pos_pred.tolist(), pos_true.tolist()
    za, zb = (z.tolist() if z is not None else None for z in (z_pred, z_true))
    if len(a) > len(b):
        a, b, za, zb = b, a, zb, za
    best = (0, 0.0)
    for partners in itertools.permutations(range(len(b)), len(a)):
        distances = [
            math.dist(a[i][:dims], b[j][:dims])
            for i, j in enumerate(partners)
            if za is None or za[i] == zb[j]
        ]
        distances = [d for d in distances if d <= cutoff]
        best = max(best, (len(distances), -sum(distances)))
    return best[0], -best[1]


@pytest.mark.parametrize("aware", [False, True])
@pytest.mark.parametrize("xy_only", [False, True])
def test_equals_brute_force(aware, xy_only):
    # Dense sets with a cutoff near their spacing: pairs compete, so greedy choices fail.
    generator = torch.Generator().manual_seed(7)
    found = 0
    for _ in range(150):
        n, m = torch.randint(0, 6, (2,), generator=generator).tolist()
        a, b = (torch.rand(k, 3, generator=generator, dtype=torch.float64) * 1.3 for k in (n, m))
        za, zb = (torch.randint(1, 3, (k,), generator=generator) for k in (n, m))
        z = (za, zb) if aware else (None, None)
        result = match_atoms(a, b, 0.8, *z, xy_only=xy_only)
        pairs, total = _brute_force(a, b, 0.8, *z, dims=2 if xy_only else 3)
        assert result.pred.numel() == pairs
        assert result.distance.sum().item() == pytest.approx(total, abs=1e-12)
        dims = 2 if xy_only else 3
        direct = (a[result.pred] - b[result.true])[:, :dims].norm(dim=1)
        assert torch.allclose(direct, result.distance, rtol=0, atol=1e-12)
        assert sorted([*result.pred.tolist(), *result.extra.tolist()]) == list(range(n))
        assert sorted([*result.true.tolist(), *result.missing.tolist()]) == list(range(m))
        if aware:
            assert torch.equal(za[result.pred], zb[result.true])
        found += pairs
    assert found > 100


def test_more_pairs_come_before_less_distance():
    # p0 is at its best on t0 (0.1 Å), but then p1 would find nobody.
    pred = torch.tensor([[0.0, 0, 0], [0.5, 0, 0]])
    true = torch.tensor([[0.1, 0, 0], [-0.45, 0, 0]])
    result = match_atoms(pred, true, cutoff=0.5)
    assert result.pred.tolist() == [0, 1] and result.true.tolist() == [1, 0]
    assert result.distance.tolist() == pytest.approx([0.45, 0.4])


def test_a_true_atom_is_found_once():
    # Three copies of one atom: the nearest-neighbor way of counting would call all of them right.
    pred = torch.tensor([[0.1, 0, 0], [0.0, 0, 0], [0.0, 0.2, 0]])
    result = match_atoms(pred, torch.zeros(1, 3))
    assert result.pred.tolist() == [1] and result.extra.tolist() == [0, 2]
    assert (result.precision, result.recall, result.f1) == pytest.approx((1 / 3, 1, 0.5))


def test_swap_of_the_two_sets():
    generator = torch.Generator().manual_seed(3)
    a, b = torch.rand(9, 3, generator=generator) * 2, torch.rand(6, 3, generator=generator) * 2
    forth, back = match_atoms(a, b, 0.6), match_atoms(b, a, 0.6)
    assert dict(zip(forth.pred.tolist(), forth.true.tolist(), strict=True)) == dict(
        zip(back.true.tolist(), back.pred.tolist(), strict=True)
    )
    assert (forth.precision, forth.recall, forth.f1) == (back.recall, back.precision, back.f1)


def test_cutoff_is_inclusive_and_lateral_where_asked():
    pred, true = torch.tensor([[0.0, 0, 0]]), torch.tensor([[0.5, 0, 3.0]])
    assert match_atoms(pred, true, 0.5).pred.numel() == 0
    lateral = match_atoms(pred, true, 0.5, xy_only=True)
    assert lateral.true.tolist() == [0] and lateral.distance.item() == 0.5
    assert match_atoms(pred, true, 0.4999, xy_only=True).pred.numel() == 0


@pytest.mark.parametrize(("n", "m", "scores"), [(0, 0, (1, 1, 1)), (0, 4, (0, 0, 0)), (3, 0, (0, 0, 0))])
def test_empty_sets(n, m, scores):
    result = match_atoms(torch.rand(n, 3), torch.rand(m, 3))
    assert (result.precision, result.recall, result.f1) == scores
    assert result.extra.tolist() == list(range(n)) and result.missing.tolist() == list(range(m))
    assert result.pred.numel() == result.true.numel() == result.distance.numel() == 0


#: What is refused.
REFUSED = [
    ({"pos_pred": torch.zeros(2, 2)}, "pos_pred"),
    ({"pos_true": torch.full((1, 3), float("nan"))}, "pos_true"),
    ({"cutoff": 0.0}, "cutoff"),
    ({"cutoff": math.inf}, "cutoff"),
    ({"z_pred": torch.ones(2)}, "z_pred, z_true"),
    ({"z_pred": torch.ones(3), "z_true": torch.ones(1)}, "z_pred"),
]


def test_bad_input():
    for change, message in REFUSED:
        with pytest.raises(InputError, match=message):
            match_atoms(**{"pos_pred": torch.zeros(2, 3), "pos_true": torch.zeros(1, 3), **change})


def test_nearest_atoms_takes_the_nearest_for_every_true_atom():
    generator = torch.Generator().manual_seed(5)
    shared = 0
    for _ in range(60):
        n, m = torch.randint(0, 7, (2,), generator=generator).tolist()
        a, b = (torch.rand(k, 3, generator=generator, dtype=torch.float64) * 1.3 for k in (n, m))
        result, one_to_one = nearest_atoms(a, b, 0.6), match_atoms(a, b, 0.6)
        expected = []
        for j, t in enumerate(b.tolist()):
            near = sorted((math.dist(p, t), i) for i, p in enumerate(a.tolist()))
            if near and near[0][0] < 0.6:
                expected.append((near[0][1], j))
        assert list(zip(result.pred.tolist(), result.true.tolist(), strict=True)) == expected
        assert result.missing.tolist() == sorted(set(range(m)) - {j for _, j in expected})
        assert result.extra.tolist() == sorted(set(range(n)) - {i for i, _ in expected})
        assert result.recall >= one_to_one.recall and result.precision <= one_to_one.precision
        shared += len(expected) - result.pred.unique().numel()
    assert shared > 10


def test_precision_of_the_nearest_counts_an_atom_once():
    pred = torch.tensor([[0.0, 0, 0], [9.0, 0, 0]])
    result = nearest_atoms(pred, torch.tensor([[0.2, 0, 0], [-0.2, 0, 0]]))
    assert (result.precision, result.recall) == (0.5, 1.0)
    with pytest.raises(InputError, match="cutoff"):
        nearest_atoms(pred, pred, -1.0)


def _edges(*pairs):
    return torch.tensor([*pairs, *((j, i) for i, j in pairs)], dtype=torch.long).reshape(-1, 2).T


def test_a_bond_is_right_where_both_ends_are_bonded_in_truth():
    true = torch.tensor([[0.0, 0, 0], [1.5, 0, 0], [3.0, 0, 0], [4.5, 0, 0]])
    pred = true[[3, 2, 1]] + torch.tensor([0.1, 0, 0])  # in another order, the first atom not found
    matching = match_atoms(pred, true)
    bonds = match_bonds(_edges((0, 1), (0, 2)), _edges((0, 1), (1, 2), (2, 3)), matching)
    assert (bonds.predicted, bonds.true, bonds.matched) == (2, 3, 1)
    assert bonds.right.tolist() == [True, False, True, False]
    assert (bonds.precision, bonds.recall, bonds.f1) == (1 / 2, 1 / 3, 2 / 5)


def test_atoms_without_a_partner_have_no_right_bonds():
    far = torch.tensor([[9.0, 0, 0], [8.0, 0, 0]])
    true = torch.tensor([[0.0, 0, 0], [1.5, 0, 0]])
    bonds = match_bonds(_edges((0, 1)), _edges((0, 1)), match_atoms(far, true))
    assert bonds.matched == 0 and not bonds.right.any()


def test_no_bonds():
    pos = torch.zeros(1, 3)
    bonds = match_bonds(_edges(), _edges(), match_atoms(pos, pos))
    assert (bonds.precision, bonds.recall, bonds.f1) == (None, None, None)
    assert match_bonds(_edges(), _edges((0, 0)), match_atoms(pos, pos)).recall == 0
