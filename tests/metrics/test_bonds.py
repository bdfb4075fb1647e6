import torch

from torch_afm.metrics import match_atoms, match_bonds


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
