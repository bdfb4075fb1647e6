"""What a translation keeps."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure as torch_ssim

from torch_afm.metrics.images import content_preservation
from torch_afm.utils import InputError


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
    neighbours = [(noisy[i, z], noisy[i, z + 1]) for i in range(2) for z in range(3)]
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in neighbours]
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


def test_single_slices_have_no_neighbours(source):
    found = content_preservation(source[:, :1], source[:, :1])
    assert found["adjacent"] is None and found["adjacent_source"] is None


def test_channels_are_not_neighbours(source):
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
