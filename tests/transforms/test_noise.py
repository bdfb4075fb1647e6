import numpy as np
import pytest
import torch

from torch_afm.transforms import AddNoise, RandomNoise
from torch_afm.utils import InputError


def test_uniform_in_units_of_each_slice_s_range():
    stack = torch.zeros(2, 1, 3, 128, 128)
    stack[:, 0, 1, 0, 0] = 10.0
    stack[:, 0, 2, 5, 5] = -4.0
    added = (AddNoise([0.2, 0.5], [3, 4])(stack) - stack).double().numpy()
    assert (added[:, 0, 0] == 0).all()
    for b, a in enumerate((0.2, 0.5)):
        for z, span in ((1, 10.0), (2, 4.0)):
            values = added[b, 0, z].ravel() / (a * span)
            assert np.abs(values).max() <= 0.5 + 1e-6
            # Moments of the uniform distribution on [-1/2, 1/2], each within 5 standard errors.
            n = len(values)
            assert abs(values.mean()) < 5 * np.sqrt(1 / 12 / n)
            assert abs((values**2).mean() - 1 / 12) < 5 * np.sqrt(1 / 180 / n)
            assert abs((values**4).mean() - 1 / 80) < 5 * np.sqrt((1 / 2304 - 1 / 6400) / n)
            histogram = np.histogram(values, 16, (-0.5, 0.5))[0]
            assert ((histogram - n / 16) ** 2 / (n / 16)).sum() < 15 + 5 * np.sqrt(30)


def test_neighbours_slices_and_seeds_are_independent():
    stack = torch.zeros(2, 1, 2, 128, 128)
    stack[..., 0, 0] = 1.0
    noise = (AddNoise([1.0, 1.0], [7, 8])(stack) - stack)[:, 0].double() * 12**0.5
    limit = 5 / 128
    for a, b in (
        (noise[0, 0, :, 1:], noise[0, 0, :, :-1]),
        (noise[0, 0, 1:], noise[0, 0, :-1]),
        (noise[0, 0], noise[0, 1]),
        (noise[0], noise[1]),
    ):
        assert abs(float((a * b).mean())) < limit


def test_amplitude_is_half_normal():
    rng = np.random.default_rng(0)
    drawn = [RandomNoise(0.1).draw((10, 8, 8), rng) for _ in range(4000)]
    amplitude = np.array([d["amplitude"] for d in drawn])
    assert amplitude.min() >= 0
    assert amplitude.mean() == pytest.approx(0.1 * np.sqrt(2 / np.pi), rel=0.05)
    assert (amplitude**2).mean() == pytest.approx(0.01, rel=0.08)
    assert len({d["seed"] for d in drawn}) == 4000


def test_odd_number_of_pixels_and_channels():
    stack = torch.rand(1, 2, 3, 5, 7, generator=torch.manual_seed(0))
    out = AddNoise([0.1], [1])(stack)
    assert out.shape == stack.shape and not torch.equal(out[:, 0] - stack[:, 0], out[:, 1] - stack[:, 1])


def test_as_many_parameters_as_samples():
    with pytest.raises(InputError, match="B = 1 as drawn"):
        AddNoise([0.1], [1])(torch.zeros(2, 1, 2, 4, 4))
    assert str(RandomNoise()) == "RandomNoise(sigma=0.1)" and str(AddNoise([0.1], [1])) == "AddNoise()"
