import numpy as np
import pytest

from torch_afm.data import PotentialGrid
from torch_afm.utils import InputError

BAD = [
    ("values", np.zeros((3, 3))),
    ("values", np.zeros((3, 3, 1))),
    ("values", np.zeros((2, 2, 2), complex)),
    ("values", np.full((2, 2, 2), np.nan)),
    ("origin", np.zeros(2)),
    ("cell", np.ones((3, 3))),
    ("cell", np.zeros((3, 3))),
]


def test_bad_grids_name_the_argument():
    good = {"values": np.zeros((2, 2, 2)), "origin": np.zeros(3), "cell": np.eye(3)}
    for name, value in BAD:
        with pytest.raises(InputError, match=f"^{name}: "):
            PotentialGrid(**(good | {name: value}))
