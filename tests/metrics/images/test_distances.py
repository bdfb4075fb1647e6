"""Distances of sets of images, against torchmetrics."""

import warnings

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from torch_afm.metrics.images import (
    RandomConvolutions,
    compare_images,
    frechet_distance,
    image_features,
    kernel_distance,
)
from torch_afm.metrics.images.distances import covariance_rank
from torch_afm.metrics.images.features import physical_features
from torch_afm.utils import InputError


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(4, 4))
    return rng.normal(size=(60, 4)) @ mix, rng.normal(size=(80, 4)) + 0.5


def test_it_is_torchmetrics(features):
    class Identity(nn.Module):
        num_features = 4

        def forward(self, x):
            return x

    metric = FrechetInceptionDistance(feature=Identity()).set_dtype(torch.float64)
    for side, real in zip(features, (True, False), strict=True):
        metric.update(torch.from_numpy(side), real=real)
    assert frechet_distance(*features) == pytest.approx(float(metric.compute()), rel=1e-6)


def test_it_is_the_definition(features):
    x, y = features
    a, b = np.cov(x.T), np.cov(y.T)
    shift = x.mean(0) - y.mean(0)
    expected = shift @ shift + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_gaussians_on_a_line_and_shifts():
    """(m₁ - m₂)² + (s₁ - s₂)² on a line; a shift costs its square."""
    x = np.random.default_rng(0).normal(size=50)
    x = (x - x.mean()) / x.std(ddof=1)
    assert frechet_distance(x, 3 * x + 2) == pytest.approx(4 + 4, rel=1e-9)
    rows = np.random.default_rng(0).normal(size=(50, 3))
    assert frechet_distance(rows, rows + [1.0, 2.0, 2.0]) == pytest.approx(9, rel=1e-9)  # noqa: RUF005
    assert frechet_distance(rows, rows[::-1]) == pytest.approx(0, abs=1e-9)


def test_its_root_is_a_metric(features):
    x, y = features
    z = y[::2] * 2
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), rel=1e-9)
    assert frechet_distance(x, z) ** 0.5 <= frechet_distance(x, y) ** 0.5 + frechet_distance(y, z) ** 0.5


def test_a_rank_deficient_covariance_is_told(features):
    x, y = features
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frechet_distance(x, y)
    with pytest.warns(UserWarning, match="x: 3 images give 4 features a covariance of rank 2"):
        frechet_distance(x[:3], y)
    with pytest.warns(UserWarning, match="rank 4"):
        frechet_distance(x[:, [0, 1, 2, 3, 3]], y[:, [0, 1, 2, 3, 3]])
    assert covariance_rank(x * np.array([1e-9, 1, 1e9, 1])) == 4


def test_bad_features():
    with pytest.raises(InputError, match="x: expected two images or more, got 1"):
        frechet_distance(np.ones((1, 2)), np.ones((3, 2)))
    with pytest.raises(InputError, match="x: expected finite"):
        frechet_distance(np.full((2, 2), np.nan), np.ones((3, 2)))


class _Identity(nn.Module):
    num_features = 4

    def forward(self, x):
        return x


def test_over_all_images_it_is_torchmetrics():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(30, 4)) + 0.5
    metric = KernelInceptionDistance(feature=_Identity(), subsets=1, subset_size=30)
    metric.update(torch.from_numpy(x), real=True)
    metric.update(torch.from_numpy(y), real=False)
    assert kernel_distance(x, y) == pytest.approx(float(metric.compute()[0]), rel=1e-5)


def test_without_bias():
    """Over many draws from one distribution the mean is 0; between two it is that of the kernel's means."""
    rng = np.random.default_rng(0)
    same = [kernel_distance(rng.normal(size=5), rng.normal(size=7)) for _ in range(4000)]
    assert abs(np.mean(same)) < 4 * np.std(same) / 4000**0.5
    assert min(same) < 0
    # With k = (x y + 1)³ and moments m of N(1, 1) and N(0, 1): sum of binom(3, i) (m_i - m'_i)².
    found = [kernel_distance(rng.normal(size=5) + 1, rng.normal(size=7)) for _ in range(8000)]
    expected = 3 * (1 - 0) ** 2 + 3 * (2 - 1) ** 2 + (4 - 0) ** 2
    assert np.mean(found) == pytest.approx(expected, abs=4 * np.std(found) / 8000**0.5)


def test_symmetric_and_bad_input():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(9, 3))
    assert kernel_distance(x, y) == pytest.approx(kernel_distance(y, x), rel=1e-12)
    with pytest.raises(InputError, match="y: expected two images or more, got 1"):
        kernel_distance(x, y[:1])


def stacks(n, seed, noise=0.1):
    generator = torch.Generator().manual_seed(seed)
    ramp = torch.linspace(0, 6, 32)
    phase = 6 * torch.rand(n, 3, 1, 1, generator=generator)
    clean = torch.sin(ramp[:, None] + phase) * torch.cos(2 * ramp)
    return clean + noise * torch.randn(clean.shape, generator=generator)


@pytest.mark.parametrize("extractor", [physical_features, RandomConvolutions(width=4)])
def test_another_style_stands_out_of_the_floor_and_the_same_one_does_not(extractor):
    target = stacks(40, 0)
    same = compare_images(stacks(30, 1), target, extractor)
    other = compare_images(stacks(30, 1, noise=0.3), target, extractor)
    for name in ("frechet", "kid", "mmd"):
        floor = abs(same[name]["floor"])  # the unbiased KID of two halves lies on either side of 0
        assert same[name]["value"] < 2 * floor
        assert other[name]["value"] > 4 * floor
        assert other[name]["floor"] == same[name]["floor"]
    assert (same["images"], same["target_images"]) == (90, 120)


def test_units_of_the_features_do_not_matter():
    target, other = stacks(10, 0), stacks(10, 1, noise=0.3)
    scale = torch.logspace(-3, 3, 6)

    def few(images):
        return physical_features(images)[:, :6]

    plain = compare_images(other, target, few)
    scaled = compare_images(other, target, lambda images: few(images) * scale + 7)
    for name in ("frechet", "kid", "mmd"):
        assert scaled[name]["value"] == pytest.approx(plain[name]["value"], rel=1e-5)
    y = image_features(target, few)
    x = (image_features(other, few) - y.mean(0)) / y.std(0)
    assert plain["frechet"]["value"] == pytest.approx(
        frechet_distance(x, (y - y.mean(0)) / y.std(0)), rel=1e-9
    )


def test_halves_are_of_stacks():
    """Slices of one stack alike: halves by slice would look alike, halves by stack do not."""
    level = torch.arange(8.0)[:, None, None, None]
    target = level + stacks(8, 0, noise=0.01)

    def mean(images):
        return images.mean(dim=(2, 3))

    y = image_features(target, mean)
    y = (y - y.mean()) / y.std()
    order = np.random.default_rng(4).permutation(8)
    halves = [y.reshape(8, 3)[h].ravel() for h in np.array_split(order, 2)]
    found = compare_images(target, target, mean, seed=4)
    assert found["frechet"]["floor"] == pytest.approx(frechet_distance(*halves), rel=1e-9)
    assert found["frechet"]["value"] == pytest.approx(0, abs=1e-9)


def test_whole_stacks_and_rank():
    target = stacks(12, 0)
    with pytest.warns(UserWarning, match="12 images give 66 features a covariance of rank 11"):
        found = compare_images(stacks(5, 1), target, slices=False)
    assert (found["features"], found["rank"], found["target_rank"]) == (66, 4, 11)
    assert (found["images"], found["target_images"]) == (5, 12)


def test_constant_features_do_no_harm():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = compare_images(stacks(4, 1), stacks(4, 0), lambda images: torch.full((len(images), 2), 0.1))
    assert found["frechet"] == {"value": 0, "floor": 0}


def test_bad_input():
    with pytest.raises(InputError, match="expected at least 4 and 2 stacks, got 3 and 5"):
        compare_images(stacks(5, 0), stacks(3, 0))
    with pytest.raises(InputError, match="stacks: expected 66 features as of the target, got 44"):
        compare_images(stacks(5, 0)[:, :2], stacks(5, 0), slices=False)
