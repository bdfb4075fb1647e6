"""Scores of slices against numpy and torchmetrics."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure as torch_ssim

from torch_afm.metrics import agreement
from torch_afm.metrics.images import content_preservation, noise_share
from torch_afm.utils import InputError


@pytest.fixture
def stacks():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:32, 0:40] / 6
    reference = np.stack([np.sin(x) * np.cos(y), 3 * np.cos(x + y) - 5])
    return reference + 0.3 * rng.normal(size=reference.shape), reference


def test_scores_of_each_slice(stacks):
    a, b = stacks
    found = agreement(a, b)
    for s in range(2):
        assert found["mse"][s] == pytest.approx(np.mean((a[s] - b[s]) ** 2))
        assert found["pearson"][s] == pytest.approx(np.corrcoef(a[s].ravel(), b[s].ravel())[0, 1])


def test_ssim_equals_torchmetrics(stacks):
    a, b = stacks
    found = agreement(a, b)["ssim"]
    for s in range(2):
        one, other = (torch.from_numpy(v[s])[None, None] for v in (a, b))
        assert found[s] == pytest.approx(
            float(torch_ssim(one, other, data_range=float(np.ptp(b[s])))), abs=1e-6
        )
    assert found[0] < 0.99


def test_the_same_stack_agrees_fully(stacks):
    found = agreement(stacks[1], stacks[1])
    assert found["mse"] == [0, 0]
    assert found["pearson"] == pytest.approx([1, 1]) and found["ssim"] == pytest.approx([1, 1])
    inverted = agreement(-stacks[1], stacks[1])
    assert inverted["pearson"] == pytest.approx([-1, -1])


def test_no_contrast():
    flat = np.zeros((1, 16, 16))
    found = agreement(flat, flat)
    assert found == {"mse": [0.0], "pearson": [0.0], "ssim": [1.0]}
    assert agreement(flat + 1, flat)["ssim"][0] < 0.1


@pytest.mark.parametrize("rows", [False, True])
def test_noise_is_told_from_contrast_that_changes_with_height(rows):
    """Decaying contrast and noise of known variance, pixel by pixel or line by line; every slice in a unit of
    its own."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:64, 0:64] / 6
    z = np.arange(10)[:, None, None] / 10
    clean = np.exp(2 * z) * np.sin(x) * np.cos(y) + np.exp(z) * np.cos(x + y)
    rough = 0.4 * rng.normal(size=(10, 64, 1) if rows else clean.shape) + np.zeros_like(clean)
    gain = rng.uniform(1, 5, size=(10, 1, 1))
    share = 0.16 / (clean + rough).var(axis=(1, 2))
    found = noise_share(gain * (clean + rough) + 7)
    assert found.mean() == pytest.approx(share.mean(), rel=0.2)
    np.testing.assert_allclose(found, share, atol=0.06)  # neighbors share their noise
    # A perfect simulation has no larger r.
    scores = np.array(agreement(clean, clean + rough)["pearson"])
    np.testing.assert_allclose(np.sqrt(1 - noise_share(clean + rough)), scores, atol=0.03)
    assert noise_share(clean).max() < 1e-4


def test_noise_of_few_slices():
    slices = np.random.default_rng(1).normal(size=(3, 40, 40))
    assert noise_share(slices[:1]) == [0]
    assert noise_share(slices[:2]) == pytest.approx([1, 1], abs=0.1)
    assert noise_share(slices) == pytest.approx([1, 1, 1], abs=0.1)
    assert noise_share(np.zeros((4, 8, 8))).tolist() == [0] * 4


BAD = [
    (lambda a, b: agreement(a[:1], b), "stack"),
    (lambda a, b: agreement(a[0], b[0]), "reference"),
    (lambda a, b: agreement(np.full_like(b, np.nan), b), "stack"),
    (lambda a, b: noise_share(a[0]), "stack"),
    (lambda a, b: noise_share(np.full_like(a, np.inf)), "stack"),
]


@pytest.mark.parametrize(("call", "argument"), BAD)
def test_bad_stacks(call, argument, stacks):
    with pytest.raises(InputError, match=f"^{argument}:"):
        call(*stacks)


@pytest.fixture
def source():
    ramp = torch.linspace(0, 6, 24)
    slices = [torch.sin(ramp[:, None] + shift) * torch.cos(2 * ramp) for shift in (0.0, 0.2, 0.4, 0.6)]
    return torch.stack([torch.stack(slices), torch.stack(slices[::-1])])


def test_a_copy_keeps_all(source):
    found = content_preservation(source, source)
    for name in ("correlation", "correlation_median", "ssim"):
        assert found[name] == pytest.approx(1, abs=1e-6)
    assert found["lost"] == 0
    assert found["adjacent"] == pytest.approx(found["adjacent_source"])


def test_correlations_are_numpys(source):
    noisy = source + 0.8 * torch.randn(source.shape, generator=torch.Generator().manual_seed(0))
    found = content_preservation(noisy, source)
    pairs = [(noisy[i, z], source[i, z]) for i in range(2) for z in range(4)]
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]
    assert found["correlation"] == pytest.approx(np.mean(expected), rel=1e-5)
    assert found["lost"] == np.mean(np.array(expected) < 0.5)
    neighbors = [(noisy[i, z], noisy[i, z + 1]) for i in range(2) for z in range(3)]
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in neighbors]
    assert found["adjacent"] == pytest.approx(np.mean(expected), rel=1e-5)
    assert found["adjacent"] < found["adjacent_source"]
    one, other = (stacks.reshape(-1, 1, 24, 24) for stacks in (noisy, source))
    span = float(source.max() - source.min())
    assert found["ssim"] == pytest.approx(float(torch_ssim(one, other, data_range=span)), abs=1e-6)
    assert found["ssim"] < 0.9


def test_contrast_and_offset_leave_the_correlation_but_not_the_similarity(source):
    found = content_preservation(0.5 * source + 1, source)
    assert found["correlation"] == pytest.approx(1, abs=1e-6)
    assert found["ssim"] < 0.9


def test_other_content_is_lost(source):
    found = content_preservation(source.flip(1).roll(6, dims=2), source)
    assert found["lost"] > 0.5
    assert content_preservation(torch.zeros_like(source), source)["correlation"] == 0


def test_single_slices_have_no_neighbors(source):
    found = content_preservation(source[:, :1], source[:, :1])
    assert found["adjacent"] is None and found["adjacent_source"] is None


def test_channels_are_not_neighbors(source):
    found = content_preservation(source[:, :2, None], source[:, :2, None])  # [N, C, 1, Y, X]
    assert found["adjacent"] is None


def test_bad_input(source):
    for stacks, other, told in (
        (source, source[:1], r"source: expected the shape of stacks, \[2, 4, 24, 24\]"),
        (source[..., :8], source[..., :8], "Y and X of 11 or more"),
        (source, torch.ones_like(source), "source: expected images that are not flat"),
        (source * torch.nan, source, "stacks: expected finite"),
    ):
        with pytest.raises(InputError, match=told):
            content_preservation(stacks, other)
