import numpy as np
import pytest
import torch
from ase.neighborlist import primitive_neighbor_list

from torch_afm.config import Scan
from torch_afm.data import PotentialGrid, append_atom, remove_atoms
from torch_afm.data.checks import MIN_DISTANCE, check_distances
from torch_afm.datasets import AFMDataset
from torch_afm.datasets.slabs import cut_window
from torch_afm.generation.refinement import refine
from torch_afm.ppm import ProbeParticleModel
from torch_afm.testing import water
from torch_afm.transforms import RandomMutant
from torch_afm.utils import InputError

SCAN = Scan(window=((-2.0, 2.0), (-2.0, 2.0)), pixels=(4, 4), n_slices=1, n_oscillation=2)


def with_potential():
    data = water()
    data.potential = PotentialGrid(np.zeros((2, 2, 2)), -20 * np.ones(3), 80 * np.eye(3))
    return data


def repeated():
    data = water()
    data.cell, data.pbc = 5 * torch.eye(3)[None], torch.tensor([[True, True, False]])
    return data


def test_what_cannot_go_along_is_refused():
    """Functions that move, add or take atoms keep no potential of other atoms, and those that build graphs
    anew lose no lattice."""
    renderer = ProbeParticleModel(SCAN, backend="torch")
    stack = renderer(water(), z_top=8.0)
    pixels = torch.tensor([[0, 0]])
    charged = with_potential()
    charged.cell, charged.pbc = repeated().cell, repeated().pbc
    bad = [
        ("data", lambda: append_atom(with_potential(), 1, [0, 0, 3], [])),
        ("data", lambda: remove_atoms(with_potential(), [0])),
        ("data", lambda: RandomMutant.apply(with_potential(), [0])),
        ("slab", lambda: cut_window(charged, (0, 0), 0.0, SCAN)),
        *(("molecules", lambda g=g: AFMDataset([water(), g()], SCAN)) for g in (with_potential, repeated)),
        *(("data", lambda g=g: refine(g(), stack, renderer, 8.0)) for g in (with_potential, repeated)),
        ("context", lambda: refine(water(), stack, renderer, 8.0, context=repeated())),
        *(
            ("data", lambda g=g: renderer.jacobian(g(), z_top=8.0, pixels=pixels))
            for g in (with_potential, repeated)
        ),
    ]
    for name, call in bad:
        with pytest.raises(InputError, match=f"^{name}: "):
            call()
    island = repeated()
    island.pbc[:] = False
    assert len(AFMDataset([island], SCAN)) > 0


def test_agrees_with_the_neighbor_list_of_ase():
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
        reported = None
        try:
            check_distances("pos", torch.tensor(pos), cell, pbc)
        except InputError as error:
            reported = float(str(error).split(" at ")[-1].split()[0])
        refused += reported is not None
        assert (reported is None) == (len(found) == 0)
        assert reported is None or abs(reported - found.min()) < 1e-3
    assert 10 < refused < 140, refused
