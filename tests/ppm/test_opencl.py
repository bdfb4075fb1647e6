import pickle
from dataclasses import replace

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.config.tip import MAX_RADIAL_STIFFNESS
from torch_afm.ppm import OpenCLRenderer, TorchRenderer, opencl
from torch_afm.ppm.context import get_program
from torch_afm.ppm.frequency_shift import frequency_shift_weights
from torch_afm.testing import benzene, water
from torch_afm.utils import InputError

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
    scan = replace(SCAN, substeps=1 + index % 3)
    exact = TorchRenderer(scan, tip, dtype=torch.float64).render(molecules[index])
    error = (OpenCLRenderer(scan, tip).render(molecules[index]) - exact) / exact.std()
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


@pytest.mark.parametrize("tilt", [(0.0, 0.0), (0.3, 0.1)])
def test_stiffest_springs_against_float64(tilt):
    """At the limit of the radial spring the bond is rigid for an image, and float32 still resolves it."""
    tip = Tip(radial_stiffness=MAX_RADIAL_STIFFNESS, tilt=tilt)
    half = replace(tip, radial_stiffness=MAX_RADIAL_STIFFNESS / 2)
    for data in (off_axis(water()), off_axis(benzene())):
        double = TorchRenderer(SCAN, tip, dtype=torch.float64)
        exact = double.render(data)
        # To first order in 1/k, from half of the limit to it is as far as from there to a rigid bond.
        assert (double.render(data, half) - exact).square().mean().sqrt() < 3e-4 * exact.std()
        error = (OpenCLRenderer(SCAN, tip).render(data) - exact) / exact.std()
        assert error.square().mean().sqrt() < 5e-4
        assert error.abs().max() < 1e-2


def test_deep_scan_follows_the_branches_of_float64():
    # 1 Å closer than usual, the probe bends far around the atoms.
    scan = Scan(window=SCAN.window, pixels=SCAN.pixels, n_slices=8, distance=4.3)
    data = off_axis(benzene())
    exact = TorchRenderer(scan, dtype=torch.float64).render(data)
    error = (OpenCLRenderer(scan).render(data) - exact).abs() / exact.std()
    # But for a pixel at the fold where a basin ends and rounding decides.
    assert (error > 1e-3).any(dim=2).double().mean() < 0.01


@pytest.mark.parametrize("tip", [Tip(tilt=(0.4, -0.2)), (Tip(), Tip(probe="Xe", stiffness=(0.5, 0.4, 0.1)))])
def test_relaxed_probe_against_float64(tip):
    scan = Scan(window=((1.0, 7.0), (-5.0, 0.0)), pixels=(9, 7), n_slices=2, n_oscillation=9)
    close = water()
    close.pos = close.pos + torch.tensor([3.8, -2.6, 1.0])
    far = close.clone()
    far.pos = far.pos - torch.tensor([0.0, 0.0, 0.3])
    batch = Batch.from_data_list([close, far])
    ours = OpenCLRenderer(scan).relax(batch, tip, z_top=7.4)
    exact = TorchRenderer(scan, dtype=torch.float64).relax(batch, tip, z_top=7.4)
    assert ours.force.shape == exact.force.shape and ours.probe.shape == exact.probe.shape
    torch.testing.assert_close(ours.force.double(), exact.force, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.probe.double(), exact.probe, rtol=0, atol=2e-3)
    assert ours.converged.all() and exact.converged.all()


def test_stack_is_the_weighted_sum_of_the_forces():
    for scan in (SCAN, replace(SCAN, substeps=3)):
        renderer = OpenCLRenderer(scan)
        force = renderer.relax(water()).force.double()
        weights = torch.from_numpy(frequency_shift_weights(scan))
        expected = force.unfold(2, scan.n_samples, scan.substeps) @ weights
        torch.testing.assert_close(renderer.render(water()).double(), expected, rtol=0, atol=1e-4)


def test_probe_inside_an_atom_stays_finite_and_is_reported():
    data = water()
    silent = OpenCLRenderer(SCAN, on_unconverged="ignore")
    for z_top in (3.9, 4.4, 4.9):
        assert silent.render(data, z_top=z_top).isfinite().all()
    # The free probe of the middle pixel begins at the oxygen's nucleus.
    assert not silent.relax(data, z_top=4.0).converged[0, 0, 0, 8, 9]
    # A probe that cannot give way is led from above the atom into it.
    rigid = Tip(stiffness=(1e4, 1e4, 0.0), radial_stiffness=MAX_RADIAL_STIFFNESS)
    inside = silent.relax(data, rigid, z_top=5.8)
    assert inside.converged[0, 0, 0].all() and not inside.converged[0, 0, -1, 8, 9]
    assert inside.converged[0, 0, :, 0].all()
    count = int((~inside.converged).sum())
    with pytest.warns(UserWarning, match=f"got {count} of {SCAN.n_heights * 17 * 19} pixels"):
        OpenCLRenderer(SCAN).render(data, rigid, z_top=5.8)
    with pytest.raises(InputError, match=f"got {count} of"):
        OpenCLRenderer(SCAN, on_unconverged="error").render(data, rigid, z_top=5.8)


def test_iterations_used_up_are_reported(monkeypatch):
    # One Newton step from the free probe does not bring it to rest above an atom.
    def hasty(name, options):
        return get_program(name, (*options, "-DMAX_ITERATIONS=1"))

    monkeypatch.setattr(opencl, "get_program", hasty)
    scan = Scan(window=SCAN.window, pixels=SCAN.pixels, n_slices=1, n_oscillation=2)
    converged = OpenCLRenderer(scan, on_unconverged="ignore").relax(benzene()).converged
    assert 0 < converged.double().mean() < 1
    with pytest.warns(UserWarning, match=f"got {int((~converged).sum())} of"):
        OpenCLRenderer(scan).render(benzene())


def test_pickled_renderer_renders_the_same():
    renderer = OpenCLRenderer(SCAN, Tip(tilt=(0.1, 0.0)))
    stack = renderer.render(water())
    assert torch.equal(pickle.loads(pickle.dumps(renderer)).render(water()), stack)


def test_evaluations_are_few():
    # A relaxation cannot take fewer than one; the start and the first-order update of F_z save the rest.
    assert 1 <= OpenCLRenderer(Scan()).evaluations(benzene()) < 1.5


def test_bits_do_not_depend_on_the_batch():
    charged, neutral, large = benzene(), benzene(), benzene()
    charged.charge = charged.charge + 0.1
    neutral.charge = torch.zeros(12)
    for key in ("z", "charge"):
        large[key] = large[key].repeat(5)
    large.pos = torch.cat([large.pos + torch.tensor([3.0 * (i % 3) - 3, 0.1, -3.4 * i]) for i in range(5)])
    graphs = [charged, large, neutral, water()]
    renderer = OpenCLRenderer(SCAN, on_unconverged="ignore")
    tips = [Tip(tilt=(0.1 * i, 0.0)) for i in range(4)]
    together = renderer.render(Batch.from_data_list(graphs), tips)
    for i, graph in enumerate(graphs):
        assert torch.equal(renderer.render(graph, tips[i])[0], together[i])
