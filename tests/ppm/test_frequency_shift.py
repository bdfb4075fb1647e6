import numpy as np
import pytest
import torch
from scipy import integrate, special

from torch_afm.config import Scan
from torch_afm.ppm import OpenCLRenderer, TorchRenderer
from torch_afm.ppm.frequency_shift import frequency_shift_weights
from torch_afm.testing import water

F0, K, NM = 30300.0, 1800.0, 16.0217662
COUNTS = [2, 3, 4, 5, 6, 8, 10, 12, 15, 20]


def shift(scan, force):
    """Δf of a slice whose middle height is 0, by the weights."""
    q = scan.slice_heights(0.0)[0]
    return frequency_shift_weights(scan) @ force(scan.heights(-q)[: scan.n_oscillation])


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
    for weights in ("giessibl", "ppafm"):
        assert shift(Scan(weights=weights), lambda z: -np.exp(-z)) < 0


def test_ppafm_weights_are_the_golden_ones(golden_case):
    np.testing.assert_allclose(
        frequency_shift_weights(golden_case.scan), golden_case.fields["df_weights_Hz_per_eVA"], rtol=1e-6
    )


def test_ppafm_weights_give_nine_tenths_of_a_linear_force():
    exact = F0 * NM / (2 * K)
    assert shift(Scan(weights="ppafm", f0=F0, k=K), lambda z: -z) == pytest.approx(0.9 * exact, rel=1e-3)


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
    stack = OpenCLRenderer(scan).render(water(), z_top=7.9)[0, 0].double()
    # The same middles of oscillations, by a difference over a fifth of the height.
    fine = Scan(window=window, pixels=(7, 5), n_slices=6 * 5 + 1, n_oscillation=2, dz=0.01)
    force = TorchRenderer(fine, dtype=torch.float64).relax(water(), z_top=7.9).force[0, 0]
    slope = (force[2:-1:5] - force[3::5])[:6] / fine.dz
    expected = -F0 * NM / (2 * K) * slope
    torch.testing.assert_close(stack, expected, rtol=3e-3, atol=1e-3 * float(stack.std()))
