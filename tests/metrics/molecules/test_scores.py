"""Duplicates, first atoms and failures."""

import dataclasses

import torch

from torch_afm.data import AFMData
from torch_afm.metrics.molecules import duplicates, failures, first_is_top, shadowed


def _pos(*rows):
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 3)


def _atoms(pos):
    return AFMData(z=torch.full((len(pos),), 6), pos=pos)


def _names(*args, **kwargs):
    return {name for name, is_so in dataclasses.asdict(failures(*args, **kwargs)).items() if is_so}


def test_duplicates_are_counted_against_older_atoms():
    # The second and the fourth lie on the first; the fifth lies on the fourth alone.
    pos = _pos([0, 0, 0], [0.4, 0, 0], [5, 0, 0], [-0.3, 0, 0], [-0.7, 0, 0])
    assert duplicates(pos) == 3
    assert duplicates(pos[[0, 2]]) == duplicates(_pos()) == 0


def test_first_atom_is_the_top_one():
    true = _pos([0, 0, 0], [2, 0, -0.05], [4, 0, -0.5])
    assert first_is_top(_pos([0.3, 0, 0], [4, 0, 0]), _atoms(true)) is True
    assert first_is_top(_pos([2.3, 0, 0]), _atoms(true)) is True  # level with the highest
    assert first_is_top(_pos([4, 0, -0.5]), _atoms(true)) is False
    assert first_is_top(_pos([0, 0.6, 0]), _atoms(true)) is False  # too far away
    assert first_is_top(_pos(), _atoms(true)) is None and first_is_top(true, _atoms(_pos())) is None


def test_shadowed_atoms_have_a_higher_one_beside_them():
    # Below and 1 Å beside; below and 2 Å beside; as high.
    true = _pos([0, 0, 0], [1, 0, -0.5], [-2, 0, -0.5], [0, 1, -0.1])
    assert shadowed(true).tolist() == [False, True, False, False]
    assert shadowed(_pos()).tolist() == []


def test_failure_classes():
    true = _pos([0, 0, 0], [1, 0, -0.5], [3, 0, 0])
    assert _names(true, true, "stop") == set()
    assert _names(true[[0, 2]], true, "stop") == {"shadowed_missed"}
    assert _names(true[[0, 1]], true, "stop") == set()  # missed, but in the open
    flat = true * torch.tensor([1.0, 1, 0])
    # The depth is off by 0.5 Å, which still counts as found.
    assert _names(flat, true, "stop") == {"lost_z"}
    assert _names(true, true, "repeat") == {"repeats"}
    refused = torch.cat([true, true[:1] + 0.1])
    assert _names(true, true, "repeat", refused) == {"repeats"}
    assert _names(true, true, "stop", refused) == {"repeats"}
    assert _names(torch.cat([true, _pos([3.6, 0, 0])]), true, "stop") == {"piled_up"}
    assert _names(torch.cat([_pos([9, 0, 0]), true]), true, "stop") == {"wrong_first"}
    assert _names(_pos(), true, "stop") == {"shadowed_missed"}
