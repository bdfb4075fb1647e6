import numpy as np
import pytest
import torch

from torch_afm.ppm.d3 import dispersion, dispersion_energy
from torch_afm.utils import InputError

#: Pair energies in eV of an atom and oxygen at a distance in Å, from the library s-dftd3 (python dftd3 1.7)
#: with BJ damping and without three-body terms.
PAIRS = {
    "PBE": {
        (1, 3.0): -0.00427211,
        (6, 3.0): -0.00951992,
        (7, 3.5): -0.00484185,
        (8, 4.0): -0.00216083,
        (9, 3.0): -0.00484359,
        (16, 3.5): -0.00992044,
        (17, 5.0): -0.00160046,
        (35, 3.5): -0.0107452,
        (79, 3.2): -0.0161468,
    },
    "B3LYP": {(1, 3.0): -0.00657223, (6, 3.0): -0.0162873, (79, 3.2): -0.0315341},
    "revPBE": {(1, 3.0): -0.0094151, (6, 3.0): -0.0226676, (79, 3.2): -0.0377184},
}
CH2O = np.array([(0, 0, 0), (0, 1.205, 0), (0.938, -0.587, 0), (-0.938, -0.587, 0)])
#: The same of formaldehyde and oxygen above it, less that of formaldehyde.
ABOVE = {(0, 1.205, 3.0): -0.014468, (0, 0, 3.3): -0.012687, (0.938, -0.587, 3.5): -0.008562}


@pytest.mark.parametrize("functional", PAIRS)
def test_pairs_against_s_dftd3(functional):
    for (z, distance), expected in PAIRS[functional].items():
        terms = dispersion(np.array([z]), np.zeros((1, 3)), 8, functional)
        point = torch.tensor([[0.0, 0.0, distance]], dtype=torch.float64)
        found = dispersion_energy(point, torch.zeros(1, 3, dtype=torch.float64), terms)
        # There the other atom counts as a neighbor, by up to 1e-3.
        assert float(found) == pytest.approx(expected, rel=2e-3)


def test_molecule_against_s_dftd3():
    terms = dispersion(np.array([6, 8, 1, 1]), CH2O, 8)
    points = torch.tensor(list(ABOVE), dtype=torch.float64)
    found = dispersion_energy(points, torch.from_numpy(CH2O), terms)
    np.testing.assert_allclose(found, list(ABOVE.values()), rtol=5e-3)


def test_gradient_in_positions():
    terms = dispersion(np.array([6, 8, 1, 1]), CH2O, 8)
    points = torch.tensor([[0.3, 0.2, 2.9], [1.0, 0.0, 3.3]], dtype=torch.float64)
    pos = torch.from_numpy(CH2O.copy()).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: dispersion_energy(points, p, terms), pos)


def test_neighbors_across_a_cell_count():
    """A chain of carbon atoms 1.3 Å apart: each has two neighbors, alone none."""
    alone = dispersion(np.array([6]), np.zeros((1, 3)), 8)
    chain = dispersion(np.array([6]), np.zeros((1, 3)), 8, cell=np.diag([1.3, 0.0, 0.0]))
    long = dispersion(np.full(9, 6), np.arange(9)[:, None] * [1.3, 0, 0], 8)
    assert chain.c6[0] == pytest.approx(long.c6[4], rel=1e-3)
    assert chain.c6[0] < 0.9 * alone.c6[0]


def test_elements_without_reference_are_refused():
    with pytest.raises(InputError, match="Cm"):
        dispersion(np.array([96]), np.zeros((1, 3)), 8)
    with pytest.raises(InputError, match="LDA"):
        dispersion(np.array([6]), np.zeros((1, 3)), 8, "LDA")
