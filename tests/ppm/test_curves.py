"""Δf(z) against closed forms and against the pixels of a stack."""

import numpy as np
import pytest
import torch

from torch_afm.config import ForceField, Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel, anchor_height, frequency_curves
from torch_afm.testing import water
from torch_afm.units import N_PER_M
from torch_afm.utils import InputError

ATOM = AFMData(z=torch.tensor([6]), pos=torch.zeros(1, 3))


def test_one_atom_on_its_axis():
    """The force of a Lennard-Jones pair on the axis, where springs do not bend aside, put into Giessibl's
    integral by Gauss-Chebyshev quadrature. The bond is as good as rigid."""
    tip = Tip(charges=(), charge_heights=(), radial_stiffness=3000.0, bond_length=3.0)
    scan = Scan(dz=0.05, n_oscillation=20, n_slices=10, pixels=(3, 3), distance=4.5)
    renderer = ProbeParticleModel(scan, tip, backend="torch", dtype=torch.float64)
    found = frequency_curves(renderer, ATOM, torch.zeros(1, 2), length=4.0)
    (r_c, r_o), (e_c, e_o) = ForceField().lj_parameters([6, 8])
    radius, depth, a = r_c + r_o, np.sqrt(e_c * e_o), scan.amplitude / 2

    def force(r):
        return 12 * depth / r * ((radius / r) ** 12 - (radius / r) ** 6)

    # ∫ F(z + q) q / √(A² − q²) dq with q = A cos θ.
    cos = np.cos((np.arange(400) + 0.5) * np.pi / 400)
    distance = found.z - tip.bond_length
    integral = np.pi * a * (force(distance[:, None] + a * cos) * cos).mean(1)
    expected = -scan.f0 * N_PER_M / (np.pi * scan.k * a**2) * integral
    assert len(found.z) == 81
    np.testing.assert_allclose(found.frequency_shift[0], expected, atol=2e-3 * np.abs(expected).max())
    assert expected.min() < -0.1 and expected[-1] > expected.min()  # past the minimum


@pytest.mark.parametrize("backend", ["opencl", "torch"])
def test_the_pixels_of_the_stack(backend):
    molecule = water()
    renderer = ProbeParticleModel(
        Scan(window=((-3, 3), (-2, 2)), pixels=(7, 5), n_slices=4),
        Tip(tilt=(0.2, 0.1)),
        backend=backend,
        dtype=torch.float64 if backend == "torch" else torch.float32,
    )
    stack = renderer(molecule)[0, 0]
    points = torch.tensor([[-1.0, 0.0], [2.0, -1.0]])
    curves = frequency_curves(renderer, molecule, points, length=2.0)
    assert curves.frequency_shift.shape == (2, 21)
    z_top = float(anchor_height(molecule, renderer.scan, renderer.tip))
    assert curves.z[-4:] == pytest.approx(renderer.scan.slice_heights(z_top))
    expected = torch.stack([stack[:, 2, 2], stack[:, 1, 5]])
    torch.testing.assert_close(
        curves.frequency_shift[:, -4:], expected, atol=1e-3 * float(stack.std()), rtol=0
    )
    short = frequency_curves(renderer, molecule, points, length=0.0, z_top=z_top)
    assert short.z == pytest.approx(curves.z[-4:])


def test_gradient():
    renderer = ProbeParticleModel(Scan(pixels=(3, 3), n_slices=2), backend="torch", dtype=torch.float64)
    atom = ATOM.clone()
    atom.pos = atom.pos.double().requires_grad_()
    z_top = float(anchor_height(ATOM, renderer.scan, renderer.tip))
    frequency_curves(renderer, atom, torch.zeros(1, 2), 1.0, z_top).frequency_shift[0, -1].backward()
    with torch.no_grad():
        up, down = (
            frequency_curves(
                renderer,
                ATOM.clone().update({"pos": torch.tensor([[0, 0, h]])}),
                torch.zeros(1, 2),
                1.0,
                z_top,
            )
            for h in (1e-4, -1e-4)
        )
    slope = float(up.frequency_shift[0, -1] - down.frequency_shift[0, -1]) / 2e-4
    assert float(atom.pos.grad[0, 2]) == pytest.approx(slope, rel=1e-4)


def test_bad_arguments():
    renderer = ProbeParticleModel(Scan(pixels=(3, 3)), backend="torch")
    for points, length, message in [
        (torch.tensor([[9.0, 0.0]]), 1.0, "points: expected places within the window"),
        (torch.tensor([[torch.nan, 0.0]]), 1.0, "points"),
        (torch.zeros(3), 1.0, "points"),
        (torch.zeros(1, 2), -1.0, "length: expected 0 Å or more"),
        (torch.zeros(1, 2), 1e5, "length: expected fewer height steps"),
    ]:
        with pytest.raises(InputError, match=message):
            frequency_curves(renderer, ATOM, points, length)
