import numpy as np
import pytest

from torch_afm.config import Scan, Tip
from torch_afm.data import from_smiles
from torch_afm.io.scans import ScanStack, flatten_lines, flatten_plane
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.transforms import Orient, best_rotations
from torch_afm.utils import InputError

Y, X = np.mgrid[0:6, 0:9].astype(float)


def _images(*images):
    return ScanStack(np.stack(images), -np.arange(len(images)), ((0.0, 1.0), (0.0, 1.0)))


def test_planes_go_and_means_stay():
    found = flatten_plane(_images(3 + 2 * X - Y, -7 - 0.5 * X + 4 * Y)).values
    for image, mean in zip(found, (3 + 2 * 4 - 2.5, -7 - 0.5 * 4 + 4 * 2.5), strict=True):
        assert image == pytest.approx(np.full((6, 9), mean), abs=1e-12)


def test_against_least_squares():
    image = np.random.default_rng(0).normal(size=(6, 9))
    terms = np.stack([np.ones(54), X.ravel(), Y.ravel()], axis=1)
    rest = image.ravel() - terms @ np.linalg.lstsq(terms, image.ravel(), rcond=None)[0]
    assert flatten_plane(_images(image)).values[0].ravel() == pytest.approx(rest + image.mean())


def test_planes_of_one_pixel_and_one_line():
    dot = ScanStack(np.full((1, 1, 1), 5.0), [0.0], ((0.0, 0.0), (0.0, 0.0)))
    assert flatten_plane(dot).values == 5.0
    line = ScanStack(X[None, :1], [0.0], ((0.0, 8.0), (0.0, 0.0)))
    assert flatten_plane(line).values == pytest.approx(np.full((1, 1, 9), 4.0))


def test_nan_has_no_plane():
    with pytest.raises(InputError, match="values: expected finite"):
        flatten_plane(_images(X * np.nan))


def _r(a, b):
    """Pearson's r of each slice."""
    return np.array([np.corrcoef(x.ravel(), y.ravel())[0, 1] for x, y in zip(a, b, strict=True)])


@pytest.fixture(scope="module")
def coronene():
    """A molecule that fills more than half of the lines and of each of these, with the weak field around."""
    molecule = from_smiles("c1cc2ccc3ccc4ccc5ccc6ccc1c7c2c3c4c5c67")
    molecule = Orient(best_rotations(molecule.pos, n=1)[0])(molecule)
    scan = Scan(pixels=(64, 64), window=((-7.0, 7.0), (-7.0, 7.0)))
    z_top = float(anchor_height(molecule, scan, Tip()))
    images = ProbeParticleModel(scan, backend="torch")(molecule, z_top=z_top)[0, 0].double().numpy()
    return ScanStack(images, scan.slice_heights(z_top), scan.window)


def test_a_clean_molecule_stays(coronene):
    found = flatten_lines(coronene).values
    assert _r(found, coronene.values).min() > 0.999
    assert found.mean(axis=(1, 2)) == pytest.approx(coronene.values.mean(axis=(1, 2)))


def test_offsets_of_lines_go_and_the_molecule_stays(coronene):
    rng = np.random.default_rng(0)
    contrast = coronene.values.std(axis=(1, 2))
    offsets = 0.3 * contrast[:, None] * rng.normal(size=coronene.values.shape[:2])
    noisy = coronene.values + offsets[:, :, None]
    found = flatten_lines(coronene.replace(values=noisy)).values
    # A median of each line, as it was, leaves 0.72 in the mean.
    assert _r(found, coronene.values).mean() > 0.98 > 0.97 > _r(noisy, coronene.values).mean()
    # From each line to the next, hardly anything of the offsets is left.
    left = (found - coronene.values).mean(axis=2)
    assert np.diff(left, axis=1).std() < 0.3 * np.diff(offsets, axis=1).std()


def test_lines_of_nothing_but_offsets():
    offsets = np.random.default_rng(0).normal(size=(2, 200, 1))
    stack = ScanStack(offsets + np.zeros(9), [2.0, 1.0], ((0.0, 1.0), (0.0, 1.0)))
    found = flatten_lines(stack).values
    assert (found.std(axis=(1, 2)) < 0.5 * offsets.std(axis=(1, 2))).all()
    assert found.mean(axis=(1, 2)) == pytest.approx(offsets.mean(axis=(1, 2)))


def test_few_lines_stay():
    values = np.random.default_rng(0).normal(size=(2, 6, 9))
    stack = ScanStack(values, [2.0, 1.0], ((0.0, 1.0), (0.0, 1.0)))
    assert np.array_equal(flatten_lines(stack).values, values)


def test_nan_has_no_offsets():
    with pytest.raises(InputError, match="values"):
        flatten_lines(ScanStack(np.full((2, 6, 9), np.nan), [2.0, 1.0], ((0.0, 1.0), (0.0, 1.0))))
