"""Noise, likelihood and probabilities, of stacks whose noise is known."""

import numpy as np
import pytest
from scipy import ndimage

from torch_afm.metrics.evidence import log_likelihood, noise_floor, other_evidence, probabilities

RNG_SEED = 3


def smooth_stack(slices=10, pixels=64):
    """Rings of 1.5 Å around six centers, which sharpen as the tip comes near, at 0.2 Å a pixel."""
    axis = 0.2 * (np.arange(pixels) - (pixels - 1) / 2)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    near = np.linspace(0, 1, slices)[:, None, None]
    stack = np.zeros((slices, pixels, pixels))
    for angle in np.arange(6) * np.pi / 3:
        far = np.hypot(x - 1.4 * np.cos(angle), y - 1.4 * np.sin(angle))
        stack += 2 * near * np.exp(-((far / 0.7) ** 2)) - (1 + near) * np.exp(-((far / 2.2) ** 2))
    return 3 * stack + 0.2 * y  # a tilted sample


def noisy(clean, share, shape=None, pixels=0.0, same=False):
    """The stack with noise, and the share of each slice that is noise."""
    noise = np.random.default_rng(RNG_SEED).normal(size=shape or clean.shape) * np.ones_like(clean)
    if pixels:
        noise = ndimage.gaussian_filter(noise, (0, pixels, pixels))
        noise /= noise.std(axis=(1, 2), keepdims=True)
    spread = clean.std(axis=(1, 2), keepdims=True)
    noise *= np.sqrt(share / (1 - share)) * (spread[-1:] if same else spread)
    stack = clean + noise
    return stack, noise.var(axis=(1, 2)) / stack.var(axis=(1, 2))


@pytest.mark.parametrize("slices", [1, 2, 3, 4, 10, 20])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.4, 0.8])
def test_white_noise_of_any_number_of_slices(slices, share):
    stack, true = noisy(smooth_stack(20)[-slices:], share)
    np.testing.assert_allclose(noise_floor(stack), true, rtol=0.2, atol=0.005)


def test_in_any_unit():
    stack, _ = noisy(smooth_stack(), 0.1)
    np.testing.assert_allclose(noise_floor(-40 * stack + 7), noise_floor(stack), rtol=1e-6)


def test_far_slices_are_as_much_noisier_as_they_have_less_contrast():
    clean = smooth_stack() * np.linspace(0.2, 1, 10)[:, None, None]
    stack, true = noisy(clean, 0.05, same=True)
    assert true[0] > 5 * true[-1]
    np.testing.assert_allclose(noise_floor(stack), true, rtol=0.2, atol=0.005)


@pytest.mark.parametrize("slices", [1, 10])
def test_offsets_of_rows(slices):
    """Few rows tell their spread less well than many pixels do."""
    clean = smooth_stack()[-slices:]
    stack, true = noisy(clean, 0.1, shape=(slices, clean.shape[1], 1))
    assert noise_floor(stack).mean() == pytest.approx(true.mean(), rel=0.35)


def test_noise_that_was_interpolated():
    stack, true = noisy(smooth_stack(), 0.1, pixels=0.7)
    np.testing.assert_allclose(noise_floor(stack), true, rtol=0.2)
    # A single slice tells most of it.
    single, true = noisy(smooth_stack()[-1:], 0.1, pixels=0.7)
    assert 0.5 * true[0] < noise_floor(single)[0] < 1.1 * true[0]


def test_noise_that_was_interpolated_in_height_shows_between_pixels():
    clean = smooth_stack(9)
    sparse = np.random.default_rng(0).normal(size=(3, *clean.shape[1:]))
    noise = 0.3 * clean.std() * ndimage.zoom(sparse, (3, 1, 1), order=1)
    stack = clean + noise
    np.testing.assert_allclose(noise_floor(stack), noise.var(axis=(1, 2)) / stack.var(axis=(1, 2)), rtol=0.25)


def test_blurred_slices_have_less():
    stack, _ = noisy(smooth_stack(), 0.4)
    clean = ndimage.gaussian_filter(smooth_stack(), (0, 1.5, 1.5))
    blurred = ndimage.gaussian_filter(stack, (0, 1.5, 1.5))
    true = (blurred - clean).var(axis=(1, 2)) / blurred.var(axis=(1, 2))
    np.testing.assert_allclose(noise_floor(stack, (1.5, 1.5)), true, rtol=0.25, atol=0.005)


@pytest.mark.parametrize("slices", [1, 2, 3, 10])
def test_no_simulation_is_perfect_and_no_share_is_above_one(slices):
    clean = smooth_stack(20)[-slices:]
    assert noise_floor(clean) == pytest.approx(0.005, abs=0.003)
    noise = np.random.default_rng(0).normal(size=(slices, 32, 32))
    assert noise_floor(noise) == pytest.approx(1, abs=0.1) and noise_floor(noise).max() <= 1
    assert noise_floor(np.zeros((slices, 8, 8))).tolist() == [0.005] * slices


def test_likelihood_falls_with_the_difference_and_less_where_noise_is():
    low, high = np.full(5, 0.01), np.full(5, 0.2)
    small, large = np.full(5, 0.01), np.full(5, 0.05)
    quiet = log_likelihood(small, low) - log_likelihood(large, low)
    loud = log_likelihood(small, high) - log_likelihood(large, high)
    assert quiet > loud > 0


def test_probabilities_of_candidates_and_of_none():
    floor = np.full(4, 0.01)
    other = other_evidence(floor)
    good = log_likelihood(np.full(4, 0.01), floor)
    chances, none = probabilities([good, good - 40], other)
    assert chances.sum() + none == pytest.approx(1)
    assert chances[0] > 0.9 > chances[1]
    _, none = probabilities([other - 40], other)
    assert none > 0.99
