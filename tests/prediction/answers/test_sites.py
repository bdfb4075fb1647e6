"""Places of atoms against products of probabilities."""

import math

import torch

from tests.prediction.answers.cases import CUT, as_prediction, predicted
from torch_afm.prediction.answers.sites import NONE, Sites

C, N, O, H = 6, 7, 8, 1
CHAIN = [[0.0, 0, 0], [1.4, 0, 0], [2.8, 0, -0.2]]


def sites():
    graph = predicted([C, C, O], CHAIN, [0.9, 0.6, 0.8], {2: (N, 0.4)})
    proposed = predicted([H, C], [[-1.0, 0, -1.5], [0.1, 0, 0]], [0.3, 0.2])
    return Sites.from_prediction(as_prediction(graph, proposed), CUT)


def test_atoms_and_what_was_proposed_elsewhere_are_sites():
    found = sites()
    assert found.pos.shape == (4, 3)  # the second proposal is the first atom
    torch.testing.assert_close(found.real, torch.tensor([0.9, 0.6, 0.8, 0.3]))
    assert found.deep.tolist() == [False, False, False, True]
    assert found.classes.representative(found.given[:3] + 1).tolist() == [C, C, O]
    assert int(found.given[3]) == NONE


def test_the_prior_is_the_product_of_odds_and_of_shares():
    found, labels = sites(), sites().given.clone()
    odds = 9 * 1.5 * 4
    assert math.isclose(found.log_prior(labels), math.log(odds), rel_tol=1e-4)
    labels[2] = found.classes.index_of(torch.tensor([N]))[0] - 1
    assert math.isclose(found.log_prior(labels), math.log(odds * (0.4 / 0.6) ** 4), rel_tol=1e-4)
    labels[0], labels[3] = NONE, found.classes.index_of(torch.tensor([H]))[0] - 1
    expected = 1.5 * 4 * (0.4 / 0.6) ** 4 * 0.3 / 0.7
    assert math.isclose(found.log_prior(labels), math.log(expected), rel_tol=1e-4)


def test_choices_are_the_classes_that_the_network_wavers_between():
    found = sites()
    for site, elements in ((0, [C]), (2, [O, N])):
        choices = torch.tensor(found.choices(site))
        assert found.classes.representative(choices + 1).tolist() == elements


def test_structures_have_the_bonds_of_the_network_and_those_of_radii_for_new_atoms():
    found = sites()
    structure = found.structure(found.given)
    assert structure.site.tolist() == [0, 1, 2]
    assert {tuple(e) for e in structure.edge_index.T.tolist()} == {(0, 1), (1, 0), (1, 2), (2, 1)}
    torch.testing.assert_close(structure.bond_probability, torch.full((4,), 0.9))
    labels = found.given.clone()
    labels[1], labels[3] = NONE, found.choices(3)[0]
    structure = found.selected(torch.tensor([0, 1, 2, 3])).structure(labels)
    assert structure.z.tolist() == [C, O, H] and not structure.edge_index.numel()  # 1.8 Å apart


def test_atoms_need_room():
    found = sites().extended(
        torch.tensor([[0.3, 0.6, 0.0], [2.1, 4.0, 0.0]]),
        torch.full((2, 3), 0.1),
        torch.full((2,), 0.5),
        sites().shares[:2],
        torch.zeros(2, dtype=torch.bool),
    )
    labels = torch.cat([sites().given, torch.full((2,), NONE)])
    label = found.choices(4)[0]
    assert not found.fits(labels, 4, label)  # 0.7 Å from another
    assert found.fits(labels, 5, label)
    labels[0] = NONE
    assert found.fits(labels, 4, label)


def test_moved_sites_are_elsewhere():
    found = sites().moved(torch.tensor([1]), torch.tensor([[9.0, 9, 9]]), torch.tensor([0.25]))
    assert found.pos[1].tolist() == [9, 9, 9] and float(found.charge[1]) == 0.25
    torch.testing.assert_close(found.pos[[0, 2, 3]], sites().pos[[0, 2, 3]])
