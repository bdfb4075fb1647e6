import numpy as np
import pytest

from torch_afm.io.scans.shifts import find_period, measure_shift, move_image
from torch_afm.utils import InputError


def atoms(dy=0.0, dx=0.0, seed=0, shape=(64, 72)):
    """Atoms as functions of the position, so that any shift of them is exact. They reach over the edge: what
    moves out is lost and something else moves in."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    image = np.zeros_like(x)
    for cy, cx, height in zip(
        rng.uniform(0, shape[0], 25), rng.uniform(0, shape[1], 25), rng.uniform(0.5, 1.5, 25), strict=True
    ):
        image += height * np.exp(-((y - cy - dy) ** 2 + (x - cx - dx) ** 2) / (2 * 3.0**2))
    return image


def lattice(dy=0.0, dx=0.0, period=12.0, shape=(48, 48)):
    """Three waves: a hexagonal lattice with rows along x."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    waves = [2 * np.pi / (period * np.sqrt(3) / 2) * np.array([np.sin(a), np.cos(a)]) for a in ANGLES]
    return sum(np.cos(ky * (y - dy) + kx * (x - dx)) for ky, kx in waves)


ANGLES = np.deg2rad([90, 210, 330])
SHIFT = np.array([2.37, -3.81])


@pytest.mark.parametrize("contrast", [(1.0, 0.0), (0.4, -3.0)])
def test_shifts_of_what_is_known_everywhere(contrast):
    gain, offset = contrast
    found = measure_shift(atoms(), gain * atoms(*SHIFT) + offset)
    assert found.pixels == pytest.approx(SHIFT, abs=0.01) and found.error == 0.01
    # From a start nearby, too.
    assert measure_shift(atoms(), atoms(*SHIFT), np.zeros(2)).pixels == pytest.approx(SHIFT, abs=0.01)


def test_standard_errors_are_those_of_noise():
    rng = np.random.default_rng(0)
    off, errors = [], []
    for _ in range(40):
        noisy = [image + 0.3 * rng.normal(size=image.shape) for image in (atoms(), atoms(*SHIFT))]
        found = measure_shift(*noisy)
        off.append(found.pixels - SHIFT)
        errors.append(found.error)
    assert np.sqrt(np.mean(np.square(off))) == pytest.approx(np.mean(errors), rel=0.4)
    assert np.mean(errors) > 0.02


def test_contrast_that_changes_its_shape_is_less_sure():
    changed = atoms() * np.linspace(0.3, 1.0, 72)
    assert measure_shift(atoms(), changed).error > 10 * measure_shift(atoms(), atoms()).error


def test_a_plane_that_differs():
    """As between flattened images of a molecule that moved."""
    tilted = atoms(*SHIFT) + 0.02 * np.arange(72)
    with_plane, without = (measure_shift(atoms(), tilted, tilt=t).pixels - SHIFT for t in (True, False))
    assert np.abs(with_plane).max() < 0.01 < np.abs(without).max()


def test_images_that_show_nothing_alike():
    noise = np.random.default_rng(0).normal(size=(2, 32, 32))
    for pair in (noise, np.zeros((2, 32, 32))):
        with pytest.raises(InputError, match="match nowhere"):
            measure_shift(*pair)


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_the_period_of_a_lattice(noise):
    image = lattice() + noise * np.random.default_rng(0).normal(size=(48, 48))
    found = find_period(image)
    assert np.linalg.norm(found) == pytest.approx(12.0, abs=0.3)


def test_what_is_not_periodic():
    y, x = np.mgrid[:48, :48]
    ring = sum(
        np.exp(-((y - 24 - 6 * np.sin(a)) ** 2 + (x - 24 - 6 * np.cos(a)) ** 2) / 8)
        for a in np.arange(6) * np.pi / 3
    )
    rng = np.random.default_rng(0)
    for image in (atoms(), ring, rng.normal(size=(48, 48)), np.zeros((8, 8)), 0.1 * x):
        assert find_period(image - image.mean()) is None


def test_images_are_moved_back():
    back = move_image(atoms(*SHIFT), SHIFT)
    assert np.abs(back - atoms())[4:-6, 8:-4].max() < 1e-3
    assert np.array_equal(move_image(atoms(), np.zeros(2)), atoms())
