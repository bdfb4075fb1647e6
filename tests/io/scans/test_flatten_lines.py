import numpy as np
import pytest

from torch_afm.io.scans import ScanStack, flatten_lines
from torch_afm.utils import InputError

Y, X = np.mgrid[0:6, 0:9].astype(float)
RNG = np.random.default_rng(0)
STEPS = RNG.normal(size=(2, 6, 1)) * 5


def _stack(values):
    return ScanStack(values, [2.0, 1.0], ((0.0, 1.0), (0.0, 1.0)))


def test_steps_between_lines_go():
    """A molecule on less than half of each line stays as it is."""
    molecule = np.zeros((2, 6, 9))
    molecule[:, 2:4, 3:6] = RNG.normal(size=(2, 2, 3))
    found = flatten_lines(_stack(molecule + STEPS)).values
    offset = np.median(molecule + STEPS, axis=(1, 2), keepdims=True)
    assert found == pytest.approx(molecule + offset)


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_polynomials_go(degree):
    lines = STEPS + np.zeros(9) + sum(RNG.normal(size=(2, 6, 1)) * X**k for k in range(1, degree + 1))
    found = flatten_lines(_stack(lines), degree).values
    assert found == pytest.approx(np.broadcast_to(lines.mean(axis=(1, 2), keepdims=True), lines.shape))


def test_against_polyfit():
    values = RNG.normal(size=(2, 6, 9))
    found = flatten_lines(_stack(values), 3).values
    fit = np.polynomial.polynomial.polyfit(np.arange(9), values.reshape(12, 9).T, 3)
    rest = values.reshape(12, 9) - np.polynomial.polynomial.polyval(np.arange(9), fit)
    assert found == pytest.approx(rest.reshape(values.shape) + values.mean(axis=(1, 2), keepdims=True))


@pytest.mark.parametrize("degree", [-1, 9])
def test_bad_degrees(degree):
    with pytest.raises(InputError, match="degree: expected 0 to 8"):
        flatten_lines(_stack(np.zeros((2, 6, 9))), degree)


def test_nan():
    with pytest.raises(InputError, match="values: expected finite"):
        flatten_lines(_stack(np.full((2, 6, 9), np.nan)))
