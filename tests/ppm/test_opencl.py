import pickle

import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.ppm import OpenCLRenderer, TorchRenderer
from torch_afm.testing import benzene, water

SCAN = Scan(window=((-4.5, 4.5), (-4.0, 4.0)), pixels=(19, 17), n_slices=5)


def off_axis(data):
    """Off the pixels of symmetry, where the probe may stand on a saddle that only exact arithmetic keeps."""
    data.pos = data.pos + torch.tensor([0.13, 0.07, 0.0])
    return data


def test_golden(golden_case):
    rms, largest = golden_case.errors(
        OpenCLRenderer(golden_case.scan, golden_case.tip).render(golden_case.data)
    )
    assert rms <= (5e-4 if golden_case.data.charge.any() else 1e-5)
    assert largest <= (3e-3 if golden_case.data.charge.any() else 1e-3)


@pytest.mark.parametrize("index", range(10))
def test_random_molecules_against_float64(molecules, index):
    tip = Tip(tilt=(0.03 * index, -0.02 * index), stiffness=(0.25, 0.2, 0.0))
    exact = TorchRenderer(SCAN, tip, dtype=torch.float64).render(molecules[index])
    error = (OpenCLRenderer(SCAN, tip).render(molecules[index]) - exact) / exact.std()
    assert error.square().mean().sqrt() < 5e-5
    assert error.abs().max() < 1e-3


@pytest.mark.parametrize(
    "tip",
    [
        Tip(charges=(-0.1,), charge_heights=(0.0,)),
        Tip(charges=(1.0, -1.0), charge_heights=(0.05, -0.05)),
        Tip(charges=(0.2, 1.0, -0.4, -0.3), charge_heights=(0.06, 0.02, -0.03, -0.1)),
        Tip(charges=(-0.2, 0.3), charge_heights=(0.7, -0.3)),
        Tip(charges=(), charge_heights=()),
        Tip(probe="Xe", stiffness=(0.5, 0.5, 0.1), radial_stiffness=10.0, bond_length=3.0),
    ],
    ids=["monopole", "dipole", "all multipoles", "charges off the probe", "neutral", "xenon"],
)
def test_other_tips_against_float64(tip):
    data = off_axis(water())
    exact = TorchRenderer(SCAN, tip, dtype=torch.float64).render(data)
    error = (OpenCLRenderer(SCAN, tip).render(data) - exact) / exact.std()
    assert error.square().mean().sqrt() < 5e-5
    assert error.abs().max() < 1e-3


def test_deep_scan_follows_the_branches_of_float64():
    # 1 Å closer than usual, the probe bends far around the atoms.
    scan = Scan(window=SCAN.window, pixels=SCAN.pixels, n_slices=8, distance=4.3)
    data = off_axis(benzene())
    exact = TorchRenderer(scan, dtype=torch.float64).render(data)
    error = (OpenCLRenderer(scan).render(data) - exact).abs() / exact.std()
    # But for a pixel at the fold where a basin ends and rounding decides.
    assert (error > 1e-3).any(dim=2).double().mean() < 0.01


def test_probe_inside_an_atom_stays_finite():
    for z_top in (3.9, 4.4, 4.9):
        assert OpenCLRenderer(SCAN).render(water(), z_top=z_top).isfinite().all()


def test_pickled_renderer_renders_the_same():
    renderer = OpenCLRenderer(SCAN, Tip(tilt=(0.1, 0.0)))
    stack = renderer.render(water())
    assert torch.equal(pickle.loads(pickle.dumps(renderer)).render(water()), stack)


def test_evaluations_are_few():
    # A relaxation cannot take fewer than one; the start and the first-order update of F_z save the rest.
    assert 1 <= OpenCLRenderer(Scan()).evaluations(benzene()) < 1.5
