import json

import pytest
import torch

from torch_afm.datasets import data_statistics, format_statistics
from torch_afm.datasets.statistics import THESIS_ELEMENTS
from torch_afm.testing import benzene, water
from torch_afm.utils import InputError

#: As it is, and turned upside down about x.
UP, DOWN = [0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]


def test_counted_by_hand():
    """Water shows its oxygen with both hydrogens 0.586 Å below, upside down the hydrogens with the oxygen as
    far below. Benzene shows all its atoms either way."""
    found = data_statistics([water(), benzene()], [[UP, DOWN], [UP, DOWN]], z_min=-0.5)
    assert found["elements"] == {**dict.fromkeys(THESIS_ELEMENTS, 0.0), "H": 75.0, "C": 50.0, "O": 25.0}
    assert found["sizes"] == {"3": 1, "12": 1}
    assert found["visible"] == {"1": 1, "2": 1, "12": 2}
    assert (found["molecules"], found["rotations"]) == (2, 4)
    assert json.loads(json.dumps(found)) == found
    deeper = data_statistics([water(), benzene()], [[UP, DOWN], [UP, DOWN]], z_min=-0.6)
    assert deeper["elements"]["O"] == 50.0 and deeper["elements"]["H"] == 100.0


def test_text_has_both_numbers():
    text = format_statistics(data_statistics([water()] * 3, [[UP]] * 3))
    lines = [line.split() for line in text.splitlines()]
    assert ["H", "100.0", "94.2"] in lines
    assert ["O", "100.0", "25.3"] in lines
    assert ["Si", "0.0", "<", "0.1"] in lines
    assert "3 rotations of 3 molecules" in text
    assert "3 to 3, mean 3.0" in text


def test_elements_that_the_thesis_lacks():
    iodine = water()
    iodine.z = torch.tensor([53, 1, 1])
    text = format_statistics(data_statistics([iodine], [[UP]]))
    assert ["I", "100.0", "-"] in [line.split() for line in text.splitlines()]


def test_bad_input():
    with pytest.raises(InputError, match="molecules: expected at least one"):
        data_statistics([], [])
    with pytest.raises(InputError, match=r"quaternions: expected shape \(1, any, 4\), got \(1, 4\)"):
        data_statistics([water()], [UP])
