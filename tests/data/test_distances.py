import numpy as np
import torch
from ase.neighborlist import primitive_neighbor_list

from torch_afm.data.distances import MIN_DISTANCE, check_distances
from torch_afm.utils import InputError


def test_agrees_with_the_neighbour_list_of_ase():
    """Oblique cells, narrow ones, one and two periodic directions, atoms far outside the cell."""
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        cell = np.diag([*rng.uniform(0.6, 4, 2), 20.0])
        cell[1, 0], cell[0, 1] = rng.uniform(-9, 9), rng.uniform(-1, 1) * (rng.random() < 0.3)
        if abs(np.linalg.det(cell)) < 8:
            continue
        pbc = rng.random(3) < 0.6
        pos = rng.uniform(-20, 20, (rng.integers(1, 7), 3)) * [1, 1, 0.01]
        lateral = np.array([*pbc[:2], False])
        found = primitive_neighbor_list("d", lateral, cell, pos, MIN_DISTANCE)
        told = None
        try:
            check_distances("pos", torch.tensor(pos), cell, pbc)
        except InputError as error:
            told = float(str(error).split(" at ")[-1].split()[0])
        refused += told is not None
        assert (told is None) == (len(found) == 0)
        assert told is None or abs(told - found.min()) < 1e-3
    assert 10 < refused < 140, refused
