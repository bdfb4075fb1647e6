"""Feature vectors of stacks."""

import numpy as np
import pytest
import torch
from torch import nn

from torch_afm.config import generator_config
from torch_afm.metrics.images import RandomConvolutions, compare_images, image_features, physical_features
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
