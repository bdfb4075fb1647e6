import numpy as np
import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure as torch_ssim

from torch_afm.metrics import agreement
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


def test_bad_stacks(stacks):
    with pytest.raises(InputError, match="stack"):
        agreement(stacks[0][:1], stacks[1])
    with pytest.raises(InputError, match="reference"):
        agreement(stacks[0][0], stacks[1][0])
    with pytest.raises(InputError, match="NaN"):
        agreement(np.full((1, 16, 16), np.nan), np.zeros((1, 16, 16)))
