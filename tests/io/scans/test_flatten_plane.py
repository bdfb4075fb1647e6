import numpy as np
import pytest

from torch_afm.io.scans import ScanStack, flatten_plane
from torch_afm.utils import InputError

Y, X = np.mgrid[0:6, 0:9].astype(float)


def _stack(*images):
    return ScanStack(np.stack(images), -np.arange(len(images)), ((0.0, 1.0), (0.0, 1.0)))


def test_planes_go_and_means_stay():
    found = flatten_plane(_stack(3 + 2 * X - Y, -7 - 0.5 * X + 4 * Y)).values
    for image, mean in zip(found, (3 + 2 * 4 - 2.5, -7 - 0.5 * 4 + 4 * 2.5), strict=True):
        assert image == pytest.approx(np.full((6, 9), mean), abs=1e-12)


def test_against_least_squares():
    image = np.random.default_rng(0).normal(size=(6, 9))
    terms = np.stack([np.ones(54), X.ravel(), Y.ravel()], axis=1)
    rest = image.ravel() - terms @ np.linalg.lstsq(terms, image.ravel(), rcond=None)[0]
    assert flatten_plane(_stack(image)).values[0].ravel() == pytest.approx(rest + image.mean())


def test_one_pixel_and_one_line():
    dot = ScanStack(np.full((1, 1, 1), 5.0), [0.0], ((0.0, 0.0), (0.0, 0.0)))
    assert flatten_plane(dot).values == 5.0
    line = ScanStack(X[None, :1], [0.0], ((0.0, 8.0), (0.0, 0.0)))
    assert flatten_plane(line).values == pytest.approx(np.full((1, 1, 9), 4.0))


def test_nan():
    with pytest.raises(InputError, match="values: expected finite"):
        flatten_plane(_stack(X * np.nan))
