import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import integrate, special

from benchmarks.rendering.oscillation import integral
from torch_afm.config import Scan
from torch_afm.ppm import ProbeParticleModel
from torch_afm.ppm.frequency_shift import frequency_shift_weights
from torch_afm.testing import benzene, water

F0, K, NM = 30300.0, 1800.0, 16.0217662
COUNTS = [2, 3, 4, 5, 6, 8, 10, 12, 15, 20]


def shift(scan, force):
    """Δf of a slice whose middle height is 0, by the weights."""
    q = scan.slice_heights(0.0)[0]
    return frequency_shift_weights(scan) @ force(scan.heights(-q)[: scan.n_samples])


@pytest.mark.parametrize("n", [10, 40, 100, 300, 1000])
def test_odd_powers_are_integrated_exactly(n):
    """∫ x^(p+1)/√(1 - x²) dx = √π Γ(p/2 + 1)/Γ(p/2 + 3/2), whatever the number of samples."""
    scan = Scan(n_oscillation=n, dz=2 / n, f0=F0, k=K)
    for p in range(1, 2 * math.isqrt(n) + 2, 2):
        moment = math.exp(math.lgamma(p / 2 + 1) - math.lgamma(p / 2 + 1.5)) / math.sqrt(math.pi)
        assert shift(scan, lambda z: -(z**p)) == pytest.approx(F0 * NM / K * moment, rel=1e-9)  # noqa: B023


@pytest.mark.parametrize(("substeps", "tolerance"), [(1, 3e-4), (2, 1e-6), (4, 1e-8), (100, 1e-10)])
def test_more_samples_a_step_come_nearer_to_the_integral(substeps, tolerance):
    scan = Scan(substeps=substeps, f0=F0, k=K)
    a = scan.amplitude / 2
    exact = F0 * NM / (K * a) * special.iv(1, 2.5 * a)
    assert shift(scan, lambda z: np.exp(-2.5 * z)) == pytest.approx(exact, rel=tolerance)
    assert len(frequency_shift_weights(scan)) == scan.n_samples == 10 * substeps


@pytest.mark.parametrize("n", COUNTS)
def test_linear_force_gives_half_the_gradient(n):
    # F = -k_ts z  =>  Δf = f0 k_ts / 2k, with k_ts in N/m
    scan = Scan(n_oscillation=n, f0=F0, k=K)
    assert shift(scan, lambda z: -0.7 * z) == pytest.approx(F0 * 0.7 * NM / (2 * K), rel=1e-10)


@pytest.mark.parametrize("n", COUNTS)
@pytest.mark.parametrize("kappa", [0.5, 1.0, 1.5])
def test_exponential_force_gives_a_bessel_function(n, kappa):
    # F = e^{-κz}: the integral is -π I1(κA) A, so Δf = f0 I1(κA) / (kA)
    scan = Scan(n_oscillation=n, f0=F0, k=K)
    a = scan.amplitude / 2
    exact = F0 * NM / (K * a) * special.iv(1, kappa * a)
    # Two or three samples can match one moment only.
    tolerance = 1e-3 if n > 3 else 3e-3
    assert shift(scan, lambda z: np.exp(-kappa * z)) == pytest.approx(exact, rel=tolerance)


@pytest.mark.parametrize("n", [8, 10, 12, 15, 20])
@pytest.mark.parametrize("closest", [2.9, 3.1, 3.4])
def test_lennard_jones_force_against_adaptive_quadrature(n, closest):
    scan = Scan(n_oscillation=n, f0=F0, k=K)
    a, radius, depth = scan.amplitude / 2, 3.57, 0.0058

    def force(z):
        r = closest + a + z
        return 12 * depth / r * ((radius / r) ** 12 - (radius / r) ** 6)

    integral = integrate.quad(lambda t: force(a * np.sin(t)) * a * np.sin(t), -np.pi / 2, np.pi / 2)[0]
    assert shift(scan, force) == pytest.approx(-F0 * NM / (np.pi * K * a * a) * integral, rel=1.5e-3)


@pytest.mark.parametrize("n", COUNTS)
def test_weights_are_odd_and_bound_the_noise(n):
    scan = Scan(n_oscillation=n, f0=F0, k=K)
    w = frequency_shift_weights(scan)
    np.testing.assert_allclose(w, -w[::-1], atol=1e-9 * np.abs(w).max())
    assert np.linalg.norm(w) * scan.amplitude / 2 < 2 * F0 * NM / K


def test_attraction_gives_a_negative_shift_in_both_conventions():
    for quadrature in ("giessibl", "ppafm"):
        assert shift(Scan(quadrature=quadrature), lambda z: -np.exp(-z)) < 0


def test_ppafm_weights_are_the_golden_ones(golden_case):
    np.testing.assert_allclose(
        frequency_shift_weights(golden_case.scan), golden_case.fields["df_weights_Hz_per_eVA"], rtol=1e-6
    )


def test_ppafm_weights_give_nine_tenths_of_a_linear_force():
    exact = F0 * NM / (2 * K)
    assert shift(Scan(quadrature="ppafm", f0=F0, k=K), lambda z: -z) == pytest.approx(0.9 * exact, rel=1e-3)


@pytest.mark.parametrize("kappa", [0.7, 2.5])
def test_two_samples_are_the_small_amplitude_limit(kappa):
    # F = e^{-κz} at z = 0: Δf = -f0/2k F' = f0 κ/2k, and the central difference errs by (κ dz)²/24.
    exact = F0 * NM * kappa / (2 * K)
    errors = [
        shift(Scan(n_oscillation=2, dz=dz, f0=F0, k=K), lambda z: np.exp(-kappa * z)) / exact - 1
        for dz in (0.2, 0.1, 0.05)
    ]
    expected = [(kappa * dz) ** 2 / 24 for dz in (0.2, 0.1, 0.05)]
    np.testing.assert_allclose(errors, expected, rtol=0.02)


def test_amplitudes_converge_to_the_small_amplitude_limit():
    # Of e^{-κz}, the exact Δf is 2 I1(κA)/(κA) times the limit: 1 + (κA)²/8 to first order.
    exact = F0 * NM / (2 * K)
    for n, dz in ((10, 0.02), (10, 0.05), (4, 0.05)):
        scan = Scan(n_oscillation=n, dz=dz, f0=F0, k=K)
        ratio = shift(scan, lambda z: np.exp(-z)) / exact
        assert ratio - 1 == pytest.approx((scan.amplitude / 2) ** 2 / 8, rel=0.05)


def test_rendered_small_amplitude_is_the_slope_of_the_force():
    window = ((-2.0, 2.0), (-1.5, 1.5))
    scan = Scan(window=window, pixels=(7, 5), n_slices=6, n_oscillation=2, dz=0.05)
    stack = ProbeParticleModel(scan, backend="opencl")(water(), z_top=7.9)[0, 0].double()
    # The same middles of oscillations, by a difference over a fifth of the height.
    fine = Scan(window=window, pixels=(7, 5), n_slices=6 * 5 + 1, n_oscillation=2, dz=0.01)
    force = (
        ProbeParticleModel(fine, dtype=torch.float64, backend="torch").relax(water(), z_top=7.9).force[0, 0]
    )
    slope = (force[2:-1:5] - force[3::5])[:6] / fine.dz
    expected = -F0 * NM / (2 * K) * slope
    torch.testing.assert_close(stack, expected, rtol=3e-3, atol=1e-3 * float(stack.std()))


def test_rendered_stacks_come_nearer_to_gauss_and_chebyshev():
    """In units of the stack's std, near slices of a molecule between whose atoms the probe slides."""
    scan = Scan(window=((-3.1, 3.3), (-2.9, 3.0)), pixels=(7, 6), n_slices=10, n_oscillation=10)
    pixels = torch.cartesian_prod(torch.arange(7), torch.arange(6))
    exact = integral(benzene(), scan, 40, pixels)
    errors = []
    for substeps in (1, 2, 4, 8):
        renderer = ProbeParticleModel(replace(scan, substeps=substeps), backend="opencl")
        error = (renderer(benzene(), pixels=pixels)[0, 0] - exact) / exact.std()
        errors.append(float(error.square().mean().sqrt()))
        # Where the force is smooth, slices are those of the integral whatever the number of samples.
        assert error[:3].abs().max() < 1e-4
    assert errors[1] < errors[0] / 3 and errors[2] < errors[0] / 8 and errors[3] < errors[0] / 20
