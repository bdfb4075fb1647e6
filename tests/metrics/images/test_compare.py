"""Image distances beside their floors."""

import warnings

import numpy as np
import pytest
import torch

from torch_afm.metrics.images import RandomConvolutions, compare_images, frechet_distance, image_features
from torch_afm.metrics.images.physical import physical_features
from torch_afm.utils import InputError


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
