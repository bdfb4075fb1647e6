import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from torch_afm.nn.style import binned_spectrum
from torch_afm.style.critic import Critic
from torch_afm.train import StyleConfig

pytestmark = pytest.mark.learnt


def critic(**settings):
    torch.manual_seed(0)
    return Critic(StyleConfig(critic_width=2, crop=16, **settings)).double()


def stack():
    return torch.rand(1, 2, 16, 16, generator=torch.manual_seed(1)).double() * 2 - 1


def test_with_a_context_the_critic_sees_neighbors():
    swapped = stack().flip(1)
    one = critic(context=1, slices=3)
    assert not torch.isclose(one.loss(stack(), 1.0), one.loss(swapped, 1.0))
    plain = critic()
    torch.testing.assert_close(plain.loss(stack(), 1.0), plain.loss(swapped, 1.0))


def test_detail_that_the_critic_sees_written_out():
    one = critic(detail=True)
    fine = [10 * (s - uniform_filter(s, 3, mode="nearest")) for s in stack()[0].numpy()]
    scores = one.patches(torch.stack([stack()[0], torch.tensor(np.array(fine))], dim=1))
    torch.testing.assert_close(one.loss(stack(), 0.3), (scores - 0.3).square().mean())


def test_the_loss_of_spectra_is_added_with_its_weight():
    one, plain = critic(lambda_spectral=0.7), critic()
    assert plain.spectrum is None
    scores = one.spectrum.layers(binned_spectrum(stack()[0][:, None]).flatten(1))
    expected = plain.loss(stack(), 1.0) + 0.7 * (scores - 1).square().mean()
    torch.testing.assert_close(one.loss(stack(), 1.0), expected)
