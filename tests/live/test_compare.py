"""An image beside a scan: gain, offset, residual, r."""

import numpy as np
import pytest

from torch_afm.live.compare import compare
from torch_afm.utils import InputError


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 8, 10))


def test_gain_and_offset_of_each_slice_leave_nothing(image):
    gain, offset = np.array([2.0, 0.1, -3.0]), np.array([0.0, 5.0, -1.0])
    scan = gain[:, None, None] * image + offset[:, None, None]
    found = compare(scan, image)
    np.testing.assert_allclose(found.image, scan, atol=1e-12)
    np.testing.assert_allclose(found.residual, 0, atol=1e-12)
    np.testing.assert_allclose(found.r, [1, 1, -1])


def test_noise_is_what_is_left(image):
    noise = np.random.default_rng(1).normal(size=image.shape)
    found = compare(image + noise, image)
    for z in range(3):
        a, b = np.polyfit(image[z].ravel(), (image + noise)[z].ravel(), 1)
        np.testing.assert_allclose(found.residual[z], (image + noise)[z] - a * image[z] - b, atol=1e-10)
        r = np.corrcoef(image[z].ravel(), (image + noise)[z].ravel())[0, 1]
        assert found.r[z] == pytest.approx(r)


def test_planes_count_only_where_the_scan_has_its_own(image):
    y, x = np.mgrid[:8, :10]
    tilted = image + 3.0 * x - 2.0 * y
    level = np.stack([image[z] - _plane(image[z]) for z in range(3)])
    np.testing.assert_allclose(compare(level, tilted, leveled=True).residual, 0, atol=1e-9)
    assert np.abs(compare(level, tilted).residual).max() > 0.1


def _plane(values: np.ndarray) -> np.ndarray:
    y, x = (v.ravel().astype(float) for v in np.mgrid[: values.shape[0], : values.shape[1]])
    basis = np.stack([np.ones_like(x), x, y], axis=1)
    weights, *_ = np.linalg.lstsq(basis, values.ravel(), rcond=None)
    return (basis @ weights).reshape(values.shape)


def test_an_image_without_contrast(image):
    found = compare(image, np.zeros_like(image))
    np.testing.assert_allclose(found.image, np.broadcast_to(image.mean((1, 2), keepdims=True), image.shape))
    np.testing.assert_array_equal(found.r, 0)


def test_other_shapes(image):
    with pytest.raises(InputError, match="image: expected shape"):
        compare(image, image[:2])
