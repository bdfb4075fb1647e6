import numpy as np
import pytest
from scipy import integrate, special

from torch_afm.config import Scan
from torch_afm.ppm.frequency_shift import frequency_shift_weights

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
