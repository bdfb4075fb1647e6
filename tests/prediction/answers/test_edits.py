"""Edits against a judge that knows how many atoms of each sort are right."""

import math

import torch

from tests.prediction.answers.cases import CUT, as_prediction, predicted
from torch_afm.prediction.answers.edits import (
    TEMPERATURE,
    Edit,
    apply_edits,
    describe,
    draw_edits,
    judge_edits,
    log_posterior,
    with_open_bonds,
)
from torch_afm.prediction.answers.sites import NONE, Sites

C, N, O, H = 6, 7, 8, 1
FAR = [[0.0, 0, 0], [4.0, 0, 0], [8.0, 0, 0]]


def sites(proposed=None):
    graph = predicted([C, C, O], FAR, [0.5, 0.5, 0.5], {2: (N, 0.5)})
    return Sites.from_prediction(as_prediction(graph, proposed), CUT)


def wants(z, gain):
    """A judge that gives ``gain`` for each atom of an element."""
    return lambda structures: [gain * float((s.z == z).sum()) for s in structures]


def test_the_posterior_is_prior_and_tempered_likelihood():
    found = sites()
    (value,) = log_posterior(found, [found.given], wants(C, 26.0))
    assert math.isclose(value, found.log_prior(found.given) + 2 * 26.0 / TEMPERATURE)


def test_every_atom_is_removed_changed_or_added_once():
    extra = predicted([H], [[0.0, 4.0, 0]], [0.5])
    found = sites(extra)
    edits = judge_edits(found, found.given, wants(C, -13.0))
    gains = {(e.site, e.label): e.gain for e in edits}
    nitrogen = int(found.classes.index_of(torch.tensor([N]))[0]) - 1
    hydrogen = int(found.classes.index_of(torch.tensor([H]))[0]) - 1
    assert set(gains) == {(0, NONE), (1, NONE), (2, NONE), (2, nitrogen), (3, hydrogen)}
    assert math.isclose(gains[0, NONE], 1.0, abs_tol=1e-5)  # even odds: the image alone decides
    assert math.isclose(gains[2, NONE], 0.0, abs_tol=1e-5)
    assert "C removed at x 0.0" in describe(found, found.given, Edit(0, NONE, 1.0))
    assert "O is N" in describe(found, found.given, Edit(2, nitrogen, 1.0))
    assert "H added" in describe(found, found.given, Edit(3, hydrogen, 1.0))


def test_the_best_edits_are_made_unless_they_are_neighbors():
    near = predicted([C, C, O], [[0.0, 0, 0], [1.4, 0, 0], [8.0, 0, 0]], [0.5] * 3)
    found = Sites.from_prediction(as_prediction(near), CUT)
    edits = [Edit(0, NONE, 1.0), Edit(1, NONE, 2.0), Edit(2, NONE, 0.01)]
    edited, done = apply_edits(found, found.given, edits)
    assert done == [edits[1]]
    assert (edited == NONE).tolist() == [False, True, False]


def test_draws_have_the_frequencies_of_their_probabilities():
    found, generator = sites(), torch.Generator().manual_seed(0)
    edits = [Edit(0, NONE, math.log(3)), Edit(1, NONE, -math.inf)]
    drawn = torch.stack([draw_edits(found, found.given, edits, generator) for _ in range(400)])
    share = float((drawn[:, 0] == NONE).float().mean())
    assert abs(share - 0.75) < 0.08
    assert bool((drawn[:, 1:] == found.given[1:]).all())
    again = draw_edits(found, found.given, edits, torch.Generator().manual_seed(0))
    assert torch.equal(again, drawn[0])


def test_open_bonds_are_offered_to_hidden_atoms_too():
    chain = predicted([C, C], [[0.0, 0, 0], [1.4, 0, 0]], [0.9, 0.9])
    found = Sites.from_prediction(as_prediction(chain), CUT)
    extended, labels = with_open_bonds(found, found.given, CUT)
    new = slice(2, None)
    assert len(labels) > 4 and bool((labels[new] == NONE).all())
    assert set(extended.classes.representative(extended.shares[new].argmax(1) + 1).tolist()) == {H, C}
    assert torch.equal(extended.deep[new], extended.pos[new, 2] < CUT) and extended.deep.any()
