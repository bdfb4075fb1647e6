import numpy as np
import pytest
import torch

from torch_afm.transforms import DetectorNoise, Noise, RowOffsets
from torch_afm.utils import InputError


def test_uniform_in_units_of_each_slice_s_range():
    stack = torch.zeros(2, 1, 3, 128, 128)
    stack[:, 0, 1, 0, 0] = 10.0
    stack[:, 0, 2, 5, 5] = -4.0
    added = (Noise.apply(stack, [0.2, 0.5], [3, 4]) - stack).double().numpy()
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


def test_neighbors_slices_and_seeds_are_independent():
    stack = torch.zeros(2, 1, 2, 128, 128)
    stack[..., 0, 0] = 1.0
    noise = (Noise.apply(stack, [1.0, 1.0], [7, 8]) - stack)[:, 0].double() * 12**0.5
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
    drawn = [Noise(0.1).draw((10, 8, 8), rng) for _ in range(4000)]
    amplitude = np.array([d["amplitude"] for d in drawn])
    assert amplitude.min() >= 0
    assert amplitude.mean() == pytest.approx(0.1 * np.sqrt(2 / np.pi), rel=0.05)
    assert (amplitude**2).mean() == pytest.approx(0.01, rel=0.08)
    assert len({d["seed"] for d in drawn}) == 4000


def test_odd_number_of_pixels_and_channels():
    stack = torch.rand(1, 2, 3, 5, 7, generator=torch.manual_seed(0))
    out = Noise.apply(stack, [0.1], [1])
    assert out.shape == stack.shape and not torch.equal(out[:, 0] - stack[:, 0], out[:, 1] - stack[:, 1])


def test_as_many_parameters_as_samples():
    with pytest.raises(InputError, match="B = 1 as drawn"):
        Noise.apply(torch.zeros(2, 1, 2, 4, 4), [0.1], [1])
    assert str(Noise()) == "Noise(sigma=0.1)"


def test_rows_normal_in_units_of_each_slice_s_range_and_constant_along_rows():
    stack = torch.zeros(2, 1, 3, 400, 6, dtype=torch.float64)
    stack[:, 0, 1, 0, 0] = 10.0
    stack[:, 0, 2, 5, 5] = -4.0
    added = (RowOffsets.apply(stack, [0.2, 0.5], [3, 4]) - stack).numpy()
    assert (added[:, 0, 0] == 0).all()
    for b, a in enumerate((0.2, 0.5)):
        for z, span in ((1, 10.0), (2, 4.0)):
            rows = added[b, 0, z] / (a * span)
            assert np.ptp(rows, axis=1).max() < 1e-12
            # Moments of the normal distribution, each within 5 standard errors.
            values, n = rows[:, 0], len(rows)
            assert abs(values.mean()) < 5 / np.sqrt(n)
            assert abs((values**2).mean() - 1) < 5 * np.sqrt(2 / n)
            assert abs((values[1:] * values[:-1]).mean()) < 5 / np.sqrt(n)


def test_rows_follow_from_the_seed():
    stack = torch.randn(3, 1, 2, 32, 8, generator=torch.manual_seed(0))
    out = RowOffsets.apply(stack, [0.1, 0.1, 0.2], [1, 2, 1])
    assert torch.equal(out[2:], RowOffsets.apply(stack[2:], [0.2], [1]))
    ranges = stack.amax((-2, -1)) - stack.amin((-2, -1))
    first, second, third = ((out - stack)[..., 0] / ranges[..., None]).unbind()
    torch.testing.assert_close(2 * first, third, rtol=1e-4, atol=1e-5)
    assert float(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1].abs()) < 0.6


def test_draw_of_rows():
    rng = np.random.default_rng(0)
    drawn = [RowOffsets(0.03).draw((10, 8, 8), rng) for _ in range(4000)]
    amplitude = np.array([d["amplitude"] for d in drawn])
    assert amplitude.min() >= 0 and amplitude.mean() == pytest.approx(0.03 * np.sqrt(2 / np.pi), rel=0.05)
    assert len({d["seed"] for d in drawn}) == 4000
    assert str(RowOffsets()) == "RowOffsets(sigma=0.03)"
    with pytest.raises(InputError, match="B = 1 as drawn"):
        RowOffsets.apply(torch.zeros(2, 1, 2, 4, 4), [0.1], [1])


def test_detector_noise_is_as_strong_in_every_slice():
    stack = torch.zeros(2, 1, 3, 80, 90)
    stack[:, :, 2, :, ::2] = 4.0  # standard deviation 2
    stack[:, :, 1, :, ::2] = 0.1
    added = (DetectorNoise.apply(stack, [0.1, 0.3], [0.0, 0.2], [3, 4]) - stack).numpy()
    n = 80 * 90
    for b, (white, rows) in enumerate(((0.1, 0.0), (0.3, 0.2))):
        for z in range(3):
            lines = added[b, 0, z].mean(axis=1)
            rest = (added[b, 0, z] - lines[:, None]).std() * np.sqrt(90 / 89) / 2
            assert abs(rest - white) < 5 * white / np.sqrt(2 * n)
            expected = np.hypot(rows, white / np.sqrt(90))
            assert abs(lines.std() / 2 - expected) < 5 * expected / np.sqrt(160)
        assert abs(np.corrcoef(added[b, 0, 0].ravel(), added[b, 0, 2].ravel())[0, 1]) < 0.1


def test_detector_noise_follows_from_the_seed():
    stack = torch.randn(3, 1, 2, 16, 8, generator=torch.manual_seed(0))
    out = DetectorNoise.apply(stack, [0.1] * 3, [0.1] * 3, [1, 2, 1])
    assert torch.equal(out[2:], DetectorNoise.apply(stack[2:], [0.1], [0.1], [1]))
    assert not torch.equal(out[1] - stack[1], out[0] - stack[0])


def test_draw_of_detector_noise():
    rng = np.random.default_rng(0)
    drawn = [DetectorNoise((0.01, 0.1), 0.2).draw((10, 8, 8), rng) for _ in range(2000)]
    noise, rows = (np.array([d[key] for d in drawn]) for key in ("noise", "rows"))
    assert noise.min() >= 0.01 and noise.max() <= 0.1
    assert np.median(noise) == pytest.approx(np.sqrt(0.001), rel=0.1)
    assert rows.max() <= 0.2 and rows.mean() == pytest.approx(0.1, rel=0.05)
