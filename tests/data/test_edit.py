import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torch_afm.data import AFMData, append_atom, move_graph, remove_atoms
from torch_afm.testing import assert_same_graph, benzene, random_graph, water
from torch_afm.utils import InputError


def test_water_grows_from_nothing():
    want = water()
    data = append_atom(AFMData.empty(), 8, want.pos[0], [], -0.834)
    data = append_atom(data, 1, want.pos[1].tolist(), [0], 0.417)
    data = append_atom(data, 1, want.pos[2], torch.tensor([True, False]), 0.417)
    assert_same_graph(data, want)


def test_append_to_a_graph_without_any_key():
    data = append_atom(AFMData(), 6, [1.0, 2.0, 3.0], [])
    assert data.z.tolist() == [6] and data.pos.tolist() == [[1, 2, 3]]
    assert data.charge.tolist() == [0] and data.edge_index.shape == (2, 0)


def test_append_gives_charges_to_a_graph_that_has_none():
    data = AFMData(z=torch.tensor([8]), pos=torch.zeros(1, 3))
    assert append_atom(data, 1, [1, 0, 0], [0], 0.4).charge.tolist() == pytest.approx([0, 0.4])


def test_a_partner_named_twice_is_one_bond():
    assert append_atom(water(), 1, [5, 5, 5], [0, 0]).edge_index.shape == (2, 6)


def test_removed_hydrogens_of_benzene_leave_the_ring():
    data = benzene()
    ring = remove_atoms(data, data.z == 1)
    assert ring.z.tolist() == [6] * 6
    assert torch.equal(ring.pos, data.pos[:6])
    neighbors = [[(i - 1) % 6, (i + 1) % 6] for i in range(6)]
    assert [sorted(ring.edge_index[1, ring.edge_index[0] == i].tolist()) for i in range(6)] == [
        sorted(n) for n in neighbors
    ]


@given(st.integers(0, 12), st.data())
def test_removal_keeps_exactly_the_bonds_between_atoms_that_stay(n, draw):
    data = random_graph(n, seed=n)
    removed = draw.draw(st.sets(st.integers(0, n - 1))) if n else set()
    stay = [i for i in range(n) if i not in removed]
    result = remove_atoms(data, sorted(removed))
    assert torch.equal(result.pos, data.pos[stay]) and torch.equal(result.charge, data.charge[stay])
    assert torch.equal(result.z, data.z[stay])
    # Named by their old numbers, the bonds are those of the old graph without the removed atoms.
    bonds = {(stay[i], stay[j]) for i, j in result.edge_index.t().tolist()}
    assert bonds == {(i, j) for i, j in data.edge_index.t().tolist() if not {i, j} & removed}
    mask = torch.zeros(n, dtype=torch.bool)
    mask[sorted(removed)] = True
    assert_same_graph(remove_atoms(data, mask), result)


def test_removing_the_atom_appended_last_undoes_the_append():
    data = random_graph(7)
    assert_same_graph(remove_atoms(append_atom(data, 6, [0, 0, 0], [1, 4], 0.1), [7]), data)


def test_dipoles_go_with_their_atoms():
    data = water()
    data.dipole = torch.arange(9.0).reshape(3, 3)
    grown = append_atom(data, 1, [0, 0, 9], [0])
    assert grown.dipole.tolist() == [*data.dipole.tolist(), [0, 0, 0]]
    assert_same_graph(remove_atoms(grown, [3]), data)
    assert remove_atoms(data, [0, 2]).dipole.tolist() == [[3, 4, 5]]
    assert "dipole" not in append_atom(water(), 1, [0, 0, 9], [0])
    data.dipole = data.dipole[:2]
    with pytest.raises(InputError, match=r"^dipole: expected"):
        remove_atoms(data, [0])


def test_dipoles_turn_with_the_graph_and_are_not_shifted():
    data = water()
    data.dipole = torch.arange(9.0).reshape(3, 3)
    turn = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    move_graph(data, lambda points: points @ turn.T.to(points) + torch.tensor([1.0, 2.0, 3.0]).to(points))
    assert data.dipole.tolist() == [[-1, 0, 2], [-4, 3, 5], [-7, 6, 8]]


def test_everything_removed_leaves_the_empty_graph():
    assert_same_graph(remove_atoms(water(), [0, 1, 2]), AFMData.empty())
    assert_same_graph(remove_atoms(AFMData.empty(), []), AFMData.empty())


def test_removal_renumbers_bonds_to_missing_atoms():
    data = water()
    data.missing_z, data.missing_pos = torch.tensor([1, 1]), torch.zeros(2, 3)
    data.missing_edge_index = torch.tensor([[0, 1, 1], [0, 1, 2]])
    assert remove_atoms(data, [0]).missing_edge_index.tolist() == [[1, 1], [0, 1]]


def test_inputs_stay_as_they_were_and_other_keys_are_kept():
    data = water()
    data.name, data.reference = "water", torch.ones(1, 1, 2, 2, 2)
    before = copy.deepcopy(data)
    for result in (append_atom(data, 1, [0, 0, 9], [0]), remove_atoms(data, [0])):
        assert result.name == "water" and torch.equal(result.reference, data.reference)
        result.pos += 1
        result.z += 1
    assert_same_graph(data, before)


def test_gradients_flow_through_positions():
    data = water()
    data.pos = data.pos.clone().requires_grad_()
    append_atom(remove_atoms(data, [1]), 1, [0, 0, 0], []).pos.sum().backward()
    assert data.pos.grad.tolist() == [[1] * 3, [0] * 3, [1] * 3]


BAD = [
    (append_atom, (0, [0, 0, 0], []), "element"),
    (append_atom, (119, [0, 0, 0], []), "element"),
    (append_atom, (6, [0, 0], []), "pos"),
    (append_atom, (6, [0, 0, float("inf")], []), "pos"),
    (append_atom, (6, [0, 0, 0], [3]), "bonded_to"),
    (append_atom, (6, [0, 0, 0], [-1]), "bonded_to"),
    (append_atom, (6, [0, 0, 0], torch.tensor([True])), "bonded_to"),
    (append_atom, (6, [0, 0, 0], [0.5]), "bonded_to"),
    (append_atom, (6, [0, 0, 0], [[0]]), "bonded_to"),
    (append_atom, (6, [0, 0, 0], [], float("nan")), "charge"),
    (remove_atoms, ([3],), "mask_or_index"),
    (remove_atoms, ([-1],), "mask_or_index"),
    (remove_atoms, (torch.ones(4, dtype=torch.bool),), "mask_or_index"),
    (remove_atoms, ([[0]],), "mask_or_index"),
    (remove_atoms, ([0.5],), "mask_or_index"),
]


def test_bad_input():
    for edit, arguments, name in BAD:
        with pytest.raises(InputError, match=f"^{name}: expected"):
            edit(water(), *arguments)
