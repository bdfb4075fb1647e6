import numpy as np
import pytest

from torch_afm.config import Scan, Tip
from torch_afm.data import from_smiles
from torch_afm.io.scans import ScanStack, align_slices, flatten_lines, flatten_plane
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


#: Drift of each slice in pixels along y and x; the nearest has none.
DRIFT = np.array([[2.37, -3.81], [1.5, -2.25], [0.4, -0.6], [0.0, 0.0]])


def _atoms(dy, dx, seed=0):
    """Rings of bonds and atoms, as functions of the position, so that any shift of them is exact. They reach
    over the edge: what drifts out is lost and something else drifts in."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:64, 0:72].astype(float)
    image = np.zeros_like(x)
    for cy, cx, height in zip(
        rng.uniform(0, 64, 25), rng.uniform(0, 72, 25), rng.uniform(0.5, 1.5, 25), strict=True
    ):
        image += height * np.exp(-((y - cy - dy) ** 2 + (x - cx - dx) ** 2) / (2 * 3.0**2))
    return image


def _stack(noise=0.0, contrast=(0.4, 0.6, 0.8, 1.0), tilt=0.0):
    rng = np.random.default_rng(1)
    images = [c * _atoms(*d) for c, d in zip(contrast, DRIFT, strict=True)]
    values = np.stack(images) + noise * rng.normal(size=(4, 64, 72)) + tilt * np.arange(72)
    return ScanStack(values, [4.0, 3.0, 2.0, 1.0], ((0.0, 71.0), (0.0, 63.0)))


@pytest.mark.parametrize(
    ("noise", "tilt", "error"), [(0.0, 0.0, 0.02), (0.02, 0.0, 0.05), (0.1, 0.0, 0.15), (0.0, 0.02, 0.02)]
)
def test_known_drift_is_found(noise, tilt, error):
    """The contrast of the slices is 0.4 to 1, and errors add up over three pairs of them."""
    _, shifts = align_slices(_stack(noise, tilt=tilt))
    assert np.abs(shifts - DRIFT).max() < error


def test_slices_lie_on_each_other_and_are_cropped_to_what_all_show():
    stack, _ = align_slices(_stack(contrast=(1, 1, 1, 1)))
    # y drifts by 2.37 upwards, x by 3.81 to the left.
    assert stack.values.shape == (4, 64 - 3, 72 - 4) and stack.window == ((4.0, 71.0), (0.0, 60.0))
    want = _atoms(0, 0)[:61, 4:]
    assert np.array_equal(stack.values[3], want)
    # 0.05 pixels on slopes of up to 0.5 a pixel.
    assert np.abs(stack.values - want)[:, 2:-2, 2:-2].max() < 0.03
    assert np.asarray(stack.meta["drift_pixels"]) == pytest.approx(DRIFT, abs=0.05)


def test_no_drift():
    stack = ScanStack(np.stack([_atoms(0, 0)] * 2), [2.0, 1.0], ((0.0, 1.0), (0.0, 1.0)))
    aligned, shifts = align_slices(stack)
    assert not shifts.any() and np.array_equal(aligned.values, stack.values)


def test_slices_that_cannot_be_aligned():
    noise = np.random.default_rng(0).normal(size=(2, 32, 32))
    y, x = np.mgrid[0:16, 0:16]
    apart = np.stack([np.exp(-((y - c) ** 2 + (x - 8) ** 2) / 2) for c in (3, 8, 13)])
    for values in (np.zeros((2, 7, 20)), np.full((2, 9, 9), np.nan), noise, np.zeros((2, 32, 32)), apart):
        with pytest.raises(InputError, match="values: "):
            align_slices(ScanStack(values, -np.arange(len(values)), ((0.0, 1.0), (0.0, 1.0))))
