"""Normalized slices, against plain formulas and finite differences; images of hidden atoms and of other
elements, against the stacks of molecules that have them."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel, TipParameters, anchor_height
from torch_afm.prediction.refinement.images import SliceImages, nuisance_images
from torch_afm.prediction.refinement.job import State
from torch_afm.testing import benzene, water

SCAN = Scan(window=((-8.0, 8.0), (-6.0, 6.0)), pixels=(33, 25), n_slices=4)


@pytest.fixture
def stack():
    return torch.randn(4, 25, 33, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_pixels_and_pick_say_the_same(stack):
    images = SliceImages(SCAN, stride=3, box=((-4.0, 5.0), (-2.0, 2.0)))
    x, y = images.pixels.T
    torch.testing.assert_close(images.pick(stack), stack[:, y, x])
    assert SCAN.x[x].min() >= -4 and SCAN.x[x].max() <= 5 and abs(SCAN.y[y]).max() <= 2
    assert len(x) == images.shape[0] * images.shape[1]


def test_mean_and_variance_of_each_slice(stack):
    image = SliceImages(SCAN, slices=2).normalize(stack.flatten(1))
    flat = stack[:2].flatten(1)
    expected = (flat - flat.mean(1, keepdim=True)) / flat.std(1, keepdim=True, correction=0)
    torch.testing.assert_close(image, expected)


def test_gain_and_offset_are_nothing(stack):
    images = SliceImages(SCAN, blur=0.7)
    other = stack.flatten(1) * torch.tensor([[2.0], [0.1], [30.0], [1.0]]) + torch.arange(4.0)[:, None]
    torch.testing.assert_close(images.normalize(other), images.normalize(stack.flatten(1)))


def test_small_units_are_contrast_too(stack):
    images = SliceImages(SCAN)
    torch.testing.assert_close(images.normalize(1e-14 * stack.flatten(1)), images.normalize(stack.flatten(1)))


def test_blur_is_a_gaussian_filter(stack):
    """In the middle, where no edge matters: pixels of 0.5 Å."""
    blurred = SliceImages(SCAN, blur=0.6)._blurred(stack.flatten(1)[..., None])[..., 0].unflatten(1, (25, 33))
    expected = gaussian_filter(stack[2].numpy(), 1.2, truncate=8)
    torch.testing.assert_close(
        blurred[2, 10:15, 10:20], torch.from_numpy(expected)[10:15, 10:20], atol=1e-6, rtol=0
    )


def test_slope(stack):
    images = SliceImages(SCAN, stride=4, blur=0.5, slices=3)
    picked = images.pick(stack)
    generator = torch.Generator().manual_seed(1)
    directions = torch.randn(*picked.shape, 2, generator=generator, dtype=torch.float64)
    image, slope = images.linearize(picked, directions)
    torch.testing.assert_close(image, images.normalize(picked))
    for k in range(2):
        ends = [images.normalize(picked + h * directions[..., k]) for h in (1e-6, -1e-6)]
        torch.testing.assert_close(slope[..., k], (ends[0] - ends[1]) / 2e-6, atol=1e-6, rtol=1e-5)


def test_a_flat_slice_is_zero_and_has_no_slope():
    images = SliceImages(SCAN)
    flat = torch.ones(4, 25 * 33)
    image, slope = images.linearize(flat, torch.randn(4, 25 * 33, 2))
    assert (image == 0).all() and (slope == 0).all()


SMALL = Scan(window=((-3.0, 3.0), (-3.0, 3.0)), pixels=(6, 5), n_slices=2)
PIXELS = torch.cartesian_prod(torch.arange(6), torch.arange(5))


@pytest.fixture(scope="module")
def renderer():
    return ProbeParticleModel(SMALL)


def test_a_whole_atom_is_the_difference_of_two_stacks(renderer):
    data = benzene()
    z_top = float(anchor_height(data, SMALL, Tip()))
    state = State(data, TipParameters.from_tips(Tip()), z_top)
    site = torch.tensor([[0.5, 0.2, -1.8]])
    doubt = torch.tensor([0.0, 0.25] + [0.0] * 10)
    found = nuisance_images(renderer, state, PIXELS, site, (0.3, 0.5), doubt)
    assert found.images.shape == (2, 30, 3)
    base = renderer(data, z_top=z_top, pixels=PIXELS)[0, 0]
    more = AFMData(
        z=torch.cat([data.z, torch.tensor([6])]),
        pos=torch.cat([data.pos, site]),
        charge=torch.cat([data.charge, torch.zeros(1)]),
    )
    change = renderer(more, z_top=z_top, pixels=PIXELS)[0, 0] - base
    weight_of_one = torch.tensor([(1 - 0.3) / 0.5, 0.0, 0.0])
    torch.testing.assert_close(found.stack(weight_of_one), change, atol=1e-4, rtol=1e-3)
    other = data.clone()
    other.z = data.z.clone()
    other.z[1] = 16
    change = renderer(other, z_top=z_top, pixels=PIXELS)[0, 0] - base
    torch.testing.assert_close(found.images[:, :, 2] / 0.25, change, atol=1e-4, rtol=1e-3)


def test_hydrogen_is_never_in_doubt(renderer):
    data = water()
    state = State(data, TipParameters.from_tips(Tip()), float(anchor_height(data, SMALL, Tip())))
    found = nuisance_images(renderer, state, PIXELS, torch.empty(0, 3), (0.3, 0.5), torch.ones(3))
    assert found.images.shape[2] == 2


def test_slices_without_their_planes():
    """Planes that are added to a stack change nothing, in values and slopes."""
    rng = np.random.default_rng(3)
    images, scan = SliceImages(SCAN, plane=True), SCAN
    stack = torch.from_numpy(rng.normal(size=scan.shape)).flatten(1)
    x, y = (torch.from_numpy(axis) for axis in (scan.x, scan.y))
    plane = (3.0 + 0.7 * x[None, :] - 0.2 * y[:, None]).flatten()
    jacobian = torch.from_numpy(rng.normal(size=(*stack.shape, 2)))
    image, slope = images.linearize(stack, jacobian)
    other, other_slope = images.linearize(stack + plane, jacobian + plane[None, :, None])
    torch.testing.assert_close(image, other)
    torch.testing.assert_close(slope, other_slope)
    torch.testing.assert_close(image.square().mean(1), torch.ones(len(stack)).double())
    eps = 1e-6
    step = images.normalize(stack + eps * jacobian[..., 0]) - image
    torch.testing.assert_close(step / eps, slope[..., 0], atol=1e-4, rtol=1e-4)
