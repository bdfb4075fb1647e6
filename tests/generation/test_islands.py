import numpy as np
import pytest

from torch_afm.generation.islands import find_islands, isolate, mask_box

PITCH = 0.25
AXIS = np.arange(120) * PITCH


def blob(x, y, width=0.6):
    """Something small, under a broad attraction."""
    r2 = (AXIS - x) ** 2 + (AXIS[:, None] - y) ** 2
    return np.exp(-r2 / (2 * width**2)) - 0.5 * np.exp(-r2 / (2 * 4.0**2))


def stack(*places, noise=0.0):
    tilt = 0.01 * AXIS + 0.02 * AXIS[:, None]
    far = sum(blob(x + dx, y) for x, y in places for dx in (-1.0, 0.0, 1.0))
    rng = np.random.default_rng(0)
    return np.stack([k * far + tilt + noise * rng.normal(size=far.shape) for k in (0.2, 0.5, 1.0, 1.5)])


def test_each_thing_is_found_and_nothing_else():
    places = [(6.0, 7.0), (22.0, 20.0), (8.0, 24.0)]
    for noise in (0.0, 0.03):
        found = find_islands(stack(*places, noise=noise), PITCH)
        assert len(found) == 3
        middles = sorted(tuple(np.argwhere(m).mean(0)[::-1] * PITCH) for m in found)
        np.testing.assert_allclose(middles, sorted(places), atol=0.3)
        assert all(4.0 < m.sum() * PITCH**2 < 60.0 for m in found)


def test_a_bright_atom_hides_no_dim_ones():
    """A spot six times as bright as those beside it: what is there is one thing, and whole."""
    values = sum(k * blob(x, 15.0) for k, x in ((6.0, 11.0), (1.0, 14.0), (1.0, 16.5), (1.0, 19.0)))
    (mask,) = find_islands(np.stack([values] * 4), PITCH)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) * PITCH for axis in (1, 0))
    assert columns[0] <= 11.0 - 1 and columns[-1] >= 19.0 + 1
    assert (columns[0] + columns[-1]) / 2 == pytest.approx(15.0, abs=1.0)
    assert np.array(mask_box(mask)) * PITCH == pytest.approx(np.array([rows[[0, -1]], columns[[0, -1]]]))


def test_a_tilt_or_a_constant_is_no_island():
    assert find_islands(np.zeros((4, 60, 60)), PITCH) == []
    spot = stack((15.0, 15.0))
    spot[:, 50:53, 50:52] += 1.0  # a glitch of 0.4 Å²
    assert len(find_islands(spot, PITCH)) == 1


def test_one_is_left_the_others_fade():
    two = stack((6.0, 7.0), (20.0, 20.0))
    masks = find_islands(two, PITCH)
    first = next(i for i, m in enumerate(masks) if np.argwhere(m).mean() * PITCH < 10)
    left = isolate(two, masks, first, PITCH)
    own, other = masks[first], masks[1 - first]
    np.testing.assert_allclose(left[:, own], two[:, own])
    # A constant, slice by slice, where the other was.
    assert np.ptp(left[:, other], axis=1).max() == 0.0
    assert np.ptp(two[-1][other]) > 0.5


def test_a_single_island_that_fills_the_scan_stays():
    values = stack((15.0, 15.0))
    np.testing.assert_allclose(isolate(values, [np.ones((120, 120), bool)], 0, PITCH), values)
