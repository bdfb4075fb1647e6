"""Features of images."""

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from torch_afm.config import generator_config
from torch_afm.metrics.images import RandomConvolutions, compare_images, image_features, physical_features
from torch_afm.metrics.images.features import SPECTRUM_BINS
from torch_afm.models import SequentialGenerator
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt


def _means(images):
    return images.mean(dim=(2, 3))


@pytest.mark.parametrize("channels", [False, True])
def test_slices_and_whole_stacks(channels):
    stacks = np.random.default_rng(0).normal(size=(5, 2, 3, 8, 9))
    stacks = stacks if channels else stacks[:, 0]
    found = image_features(stacks, _means, slices=True, batch_size=4)
    np.testing.assert_allclose(found[:, 0], stacks.mean(axis=(-2, -1)).ravel(), atol=1e-6)
    found = image_features(torch.from_numpy(stacks), _means, slices=False, batch_size=4)
    np.testing.assert_allclose(found, stacks.mean(axis=(-2, -1)).reshape(5, -1), atol=1e-6)


def test_a_module_is_evaluated_without_gradients_and_left_as_it_was():
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Dropout(0.5)).train()
    stacks = torch.ones(4, 1, 8, 8)
    first, second = (image_features(stacks, module) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert module.training


@pytest.mark.filterwarnings("ignore:.*covariance of rank")
def test_the_encoder_of_a_model_takes_whole_stacks():
    torch.manual_seed(0)
    model = SequentialGenerator(generator_config("small")).eval()
    stacks = torch.randn(5, *model.config.scan.shape)

    def encoder(images):
        return model.reference_encoder.trunk(images[:, None])[-1].mean(dim=(2, 3))

    one_by_one = image_features(stacks, encoder, slices=False, batch_size=1)
    np.testing.assert_allclose(image_features(stacks, encoder, slices=False), one_by_one, atol=1e-5)
    found = compare_images(stacks[:2], stacks, encoder, slices=False)
    assert (found["images"], found["target_images"]) == (2, 5)
    assert found["features"] == one_by_one.shape[1]


#: What is refused.
REFUSED = [
    (torch.zeros(3, 8, 8), _means, "stacks"),
    (torch.zeros(0, 1, 8, 8), _means, "stacks"),
    (torch.zeros(1, 1, 8, 8, dtype=torch.uint8), _means, "stacks"),
    (torch.full((1, 1, 8, 8), torch.nan), _means, "stacks"),
    (torch.zeros(2, 1, 8, 8), lambda images: images, "extractor"),
    (torch.zeros(2, 1, 8, 8), lambda images: images.mean(), "extractor"),
    (torch.zeros(2, 1, 8, 8), lambda images: [1, 2], "extractor"),
    (torch.zeros(2, 1, 8, 8), lambda images: _means(images) / 0, "extractor"),
    (torch.zeros(2, 1, 8, 8), physical_features, "images"),
    (torch.zeros(2, 1, 4, 8), RandomConvolutions(), "images"),
]


def test_bad_input():
    for stacks, extractor, name in REFUSED:
        with pytest.raises(InputError, match=f"^{name}"):
            image_features(stacks, extractor)


@pytest.fixture
def images():
    return torch.randn(3, 2, 40, 64, generator=torch.Generator().manual_seed(0)) ** 2 + 5


def test_moments_are_scipys(images):
    found = physical_features(images).reshape(3, 2, 22)
    pixels = images.double().flatten(2).numpy()
    expected = [pixels.mean(2), pixels.std(2), scipy.stats.skew(pixels, 2), scipy.stats.kurtosis(pixels, 2)]
    np.testing.assert_allclose(found[..., :4], np.stack(expected, axis=-1), rtol=1e-6)


def test_row_offsets_are_found_as_large_as_they_were_made():
    generator = torch.Generator().manual_seed(0)
    offsets = 0.3 * torch.randn(1, 1, 400, 1, generator=generator)
    image = 5 + offsets.expand(1, 1, 400, 64)
    assert float(physical_features(image)[0, 4]) == pytest.approx(0.3, rel=0.1)
    assert float(physical_features(image.mT)[0, 4]) == pytest.approx(0, abs=1e-9)  # columns are no rows


def test_residual_of_white_noise():
    """Minus its mean over nine, white noise keeps 8/9 of its variance."""
    noise = 0.2 * torch.randn(1, 1, 200, 200, generator=torch.Generator().manual_seed(0))
    assert float(physical_features(noise)[0, 5]) == pytest.approx(0.2 * (8 / 9) ** 0.5, rel=0.02)


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("cycles", [3, 9, 15])
def test_a_wave_fills_its_own_bin(axis, cycles):
    wave = torch.cos(2 * torch.pi * cycles * torch.arange(64) / 64)
    image = wave.expand(1, 1, 64, 64) if axis == 3 else wave[:, None].expand(1, 1, 64, 64)
    spectrum = physical_features(image)[0, 6:]
    assert int(spectrum.argmax()) == int(cycles / 64 * 2 * SPECTRUM_BINS)
    assert float(spectrum.sort().values[-2]) < -8


def test_the_spectrum_of_white_noise_is_its_variance():
    noise = 3 * torch.randn(100, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    spectrum = 10 ** physical_features(noise)[:, 6:]
    np.testing.assert_allclose(spectrum.mean(dim=0), 9, rtol=0.15)


def test_a_flat_image():
    found = physical_features(torch.full((1, 1, 32, 32), 0.1))[0]
    np.testing.assert_allclose(found[:6], [0.1, 0, 0, 0, 0, 0], atol=1e-7)
    assert torch.isfinite(found).all()


def test_it_is_a_network_of_stock_layers():
    module = RandomConvolutions(in_channels=2, width=4, layers=2, seed=3)
    images = torch.randn(3, 2, 16, 20, generator=torch.Generator().manual_seed(0))
    expected = []
    h = images
    for i in range(2):
        layer = nn.Conv2d(h.shape[1], 4, 3, padding=1)
        layer.load_state_dict({key: module.get_buffer(f"{key}_{i}") for key in ("weight", "bias")})
        h = layer(h).relu()
        expected += [h.flatten(2).mean(2), h.flatten(2).var(2, correction=0).sqrt()]
        h = nn.AvgPool2d(2)(h)
    torch.testing.assert_close(module(images), torch.cat(expected, dim=1))
    assert not list(module.parameters())


def test_seeds_and_the_callers_generator():
    images = torch.ones(1, 1, 8, 8)
    state = torch.get_rng_state()
    same, again, other = (RandomConvolutions(seed=s)(images) for s in (1, 1, 2))
    assert torch.equal(same, again)
    assert not torch.equal(same, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_shifts_along_the_image_hardly_matter():
    """Averages over maps know of textures, not of places: a circular shift touches the edges only."""
    image = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    module = RandomConvolutions()
    near = (module(image) - module(image.roll((8, 16), dims=(2, 3)))).norm()
    assert near < 0.1 * (module(image) - module(2 * image)).norm()


def test_bad_sizes():
    with pytest.raises(InputError, match="expected 1 or more, got 1, 0, 3"):
        RandomConvolutions(width=0)
    with pytest.raises(InputError, match=r"expected \[N, 1, Y, X\] .* got \[1, 2, 8, 8\]"):
        RandomConvolutions()(torch.zeros(1, 2, 8, 8))
