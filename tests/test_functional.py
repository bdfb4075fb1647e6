"""Normalized slices and Pearson's r, against scipy and numpy."""

import numpy as np
import torch
from scipy.stats import pearsonr

from torch_afm.functional import (
    interpolate_heights,
    network_slices,
    normalize_scan,
    normalize_slices,
    pearson,
    plane_basis,
    remove_slope,
)


def test_slices_have_zero_mean_and_unit_variance():
    rng = np.random.default_rng(0)
    stack = torch.from_numpy(rng.normal(3.0, 5.0, (2, 1, 4, 9, 7)))
    got = normalize_slices(stack).numpy()
    assert np.allclose(got.mean((-2, -1)), 0, atol=1e-12)
    assert np.allclose(got.var((-2, -1)), 1)


def test_a_slice_without_contrast_becomes_zero():
    stack = torch.stack([torch.full((5, 5), 7.0), torch.arange(25.0).view(5, 5)])
    got = normalize_slices(stack)
    assert not got[0].any()
    assert got[1].any()


def test_gradient_of_normalized_slices_is_that_of_the_equation():
    stack = torch.randn(1, 2, 5, 6, generator=torch.manual_seed(0), dtype=torch.float64)
    stack[0, 1] = 1.5  # no contrast
    weight = torch.randn(stack.shape, generator=torch.manual_seed(1), dtype=torch.float64)
    stack.requires_grad_()
    (gradient,) = torch.autograd.grad((normalize_slices(stack) * weight).sum(), stack)
    # Of y = (x - m) / s: (w - mean(w) - y mean(w y)) / s.
    x, w = stack.detach()[0, 0], weight[0, 0]
    y = (x - x.mean()) / x.std(correction=0)
    expected = (w - w.mean() - y * (w * y).mean()) / x.std(correction=0)
    assert torch.allclose(gradient[0, 0], expected, atol=1e-12) and not gradient[0, 1].any()


def test_pearson_is_that_of_scipy():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 3, 6, 5))
    got = pearson(torch.from_numpy(a), torch.from_numpy(b))
    expected = [pearsonr(x.ravel(), y.ravel()).statistic for x, y in zip(a, b, strict=True)]
    assert np.allclose(got.numpy(), expected)


def test_pearson_of_an_empty_image_is_zero_and_units_do_not_matter():
    a = torch.rand(2, 6, 6)
    assert pearson(a, torch.ones(2, 6, 6)).tolist() == [0.0, 0.0]
    assert torch.allclose(pearson(a, 3 * a + 2), torch.ones(2, dtype=torch.float64))
    assert torch.allclose(pearson(a, -a), -torch.ones(2, dtype=torch.float64))


def test_interpolation_between_heights_is_that_of_numpy():
    rng = np.random.default_rng(0)
    heights = np.sort(rng.uniform(0, 3, 7))[::-1]
    values = rng.normal(size=7)
    wanted = np.array([*rng.uniform(-0.5, 3.5, 20), heights[0], heights[3], heights[-1]])
    expected = np.interp(wanted, heights[::-1], values[::-1])
    np.testing.assert_allclose(interpolate_heights(heights, wanted) @ values, expected, atol=1e-12)
    np.testing.assert_array_equal(interpolate_heights(np.array([2.0]), wanted), np.ones((23, 1)))


def test_slices_of_a_network():
    weights, valid = network_slices(np.array([5.3, 5.1, 5.0]), 5, 0.1)
    np.testing.assert_array_equal(valid, [False, True, True, True, True])
    expected = [[0, 0, 0], [1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]]
    np.testing.assert_allclose(weights, expected, atol=1e-9)
    weights, valid = network_slices(np.array([0.96, 0.0]), 12, 0.1)
    assert valid.tolist() == [False] + [True] * 11
    np.testing.assert_allclose(weights[1], [1, 0])  # 1 Å is within half a step of what was measured
    weights, valid = network_slices(np.array([7.0]), 3, 0.1)
    assert weights.tolist() == [[0], [0], [1]] and valid.tolist() == [False, False, True]


def test_a_small_scan_is_normalized_as_its_slices():
    stack = torch.rand(2, 3, 9, 12)
    torch.testing.assert_close(normalize_scan(stack, 12), normalize_slices(stack))


def test_a_wide_scan_has_the_mean_and_variance_of_its_windows_with_contrast():
    rng = np.random.default_rng(1)
    stack = torch.from_numpy(rng.normal(2.0, 3.0, (2, 21, 33)))
    size = 8
    rows, columns = (
        np.round(np.linspace(0, n - size, 1 + -(-4 * (n - size) // size))).astype(int) for n in (21, 33)
    )
    windows = np.stack([stack[:, r : r + size, c : c + size].numpy() for r in rows for c in columns])
    mean, variance = windows.mean((-2, -1)), windows.var((-2, -1))
    offset = (variance * mean).sum(0) / variance.sum(0)
    scale = np.sqrt((variance**2).sum(0) / variance.sum(0))
    expected = (stack.numpy() - offset[:, None, None]) / scale[:, None, None]
    np.testing.assert_allclose(normalize_scan(stack, size).numpy(), expected, rtol=1e-9, atol=1e-9)


def test_a_molecule_looks_alike_however_much_bare_surface_there_is():
    axis = torch.arange(-8.0, 8.0)
    molecule = -(-(axis[:, None].square() + axis.square()) / 18).exp()
    wide = torch.nn.functional.pad(molecule, (40, 40, 24, 24))[None]
    near = normalize_scan(wide, 16)[0, 24:40, 40:56]
    # Windows beside it show part of it: near, not equal; by all of the scan it would be 2.5 times as strong.
    ratio = near.std() / normalize_slices(molecule).std()
    assert 0.9 < ratio < 1.4 and normalize_slices(wide)[0, 24:40, 40:56].std() > 1.8 * near.std()
    assert not normalize_scan(torch.full((1, 40, 40), 5.0), 16).any()


def test_slopes_are_removed():
    """As a least-squares plane by NumPy, whose mean stays."""
    rng = np.random.default_rng(0)
    stack = torch.from_numpy(rng.normal(size=(2, 3, 5, 7)))
    y, x = np.mgrid[:5, :7]
    terms = np.stack([np.ones(35), y.ravel(), x.ravel()], axis=1)
    for image, found in zip(
        stack.reshape(-1, 35).numpy(), remove_slope(stack).reshape(-1, 35).numpy(), strict=True
    ):
        weights = np.linalg.lstsq(terms, image, rcond=None)[0]
        np.testing.assert_allclose(found, image - terms @ weights + image.mean(), atol=1e-12)
    column = torch.ones(1, 4, 1)
    assert torch.equal(remove_slope(column), column)
    gram = plane_basis(5, 7).flatten(1) @ plane_basis(5, 7).flatten(1).T
    torch.testing.assert_close(gram, torch.eye(3).double())
