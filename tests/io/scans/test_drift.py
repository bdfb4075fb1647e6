import dataclasses

import numpy as np
import pytest

from tests.io.scans.test_shifts import atoms, lattice
from torch_afm.io.scans import Drift, ScanStack, align_slices, estimate_drift
from torch_afm.utils import InputError

#: Pixels a slice along y and x; the nearest slice lies where it is.
STEP = np.array([0.8, -1.25])


def stack(positions, heights=None, contrast=None, noise=0.0, image=atoms, **meta):
    """Slices that lie at so many pixels (y, x), of 0.5 Å along x and 0.4 Å along y."""
    rng = np.random.default_rng(1)
    heights = -np.arange(len(positions)) / 10 if heights is None else heights
    contrast = np.linspace(0.5, 1, len(positions)) if contrast is None else contrast
    values = np.stack([c * image(*p) for c, p in zip(contrast, positions, strict=True)])
    values += noise * rng.normal(size=values.shape)
    n, m = np.array(values.shape[1:]) - 1
    return ScanStack(values, np.asarray(heights), ((0.0, 0.5 * m), (0.0, 0.4 * n)), meta=meta)


def steady(n, step=STEP):
    return [step * (n - 1 - i) for i in range(n)]


@pytest.mark.parametrize(
    ("noise", "tilt", "error"), [(0.0, 0.0, 0.02), (0.02, 0.0, 0.03), (0.1, 0.0, 0.1), (0.0, 0.02, 0.02)]
)
def test_known_drift_is_found(noise, tilt, error):
    slices = stack(steady(4), noise=noise)
    drift = estimate_drift(slices.replace(values=slices.values + tilt * np.arange(72)))
    assert drift.shifts / [0.5, 0.4] == pytest.approx(np.array(steady(4))[:, ::-1], abs=3 * error)
    assert drift.velocity == pytest.approx((0.625, -0.32), abs=error / 2) and drift.unit == "Å/slice"
    assert drift.significant and not drift.same_height and drift.pairs == 3 and drift.period is None
    assert drift.largest == pytest.approx(3 * np.hypot(0.625, 0.32), abs=3 * error)
    assert "taken as evenly spaced in time" in drift.describe()


def test_times_say_how_far_slices_drifted():
    """A pause between the second and the third slice."""
    times = np.array([1000.0, 1060.0, 1300.0, 1360.0])
    positions = [STEP * (1360 - t) / 120 for t in times]
    drift = estimate_drift(stack(positions, times=times.tolist()))
    assert drift.shifts / [0.5, 0.4] == pytest.approx(np.array(positions)[:, ::-1], abs=0.02)
    assert drift.velocity == pytest.approx((0.625 / 120, -0.32 / 120), rel=0.02) and drift.unit == "Å/s"
    text = drift.describe()
    assert text.startswith("the sample moves by +0.312, -0.160 ± 0.00") and "Å/min (x, y)" in text
    assert text.endswith("from the nearest, by 3 pairs of neighboring slices")


def down_and_up(step, apparent=0.0, image=atoms, **settings):
    """Six heights down and up again, where contrast moves by ``apparent`` pixels along x from one height to
    the next."""
    level = np.array([0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0])
    positions = [step * (5 - i) + [0, apparent * (5 - k)] for i, k in enumerate(level)]
    order = np.argsort(level, kind="stable")
    return stack(
        [positions[i] for i in order],
        -level[order] / 10,
        0.4 + level[order] / 10,
        image=image,
        times=(120.0 * order).tolist(),
        **settings,
    )


def test_images_of_one_height_tell_drift_from_contrast():
    slices = down_and_up(0.2 * STEP, apparent=2.0, noise=0.05)
    drift = estimate_drift(slices)
    assert drift.same_height and drift.pairs == 5 and not drift.accelerated
    assert drift.velocity == pytest.approx((0.125 / 120, -0.064 / 120), abs=0.005 / 120)
    times = np.array(slices.meta["times"])
    assert drift.shifts[:, 0] == pytest.approx(0.125 * (times / 120 - 5), abs=0.05)
    assert not drift.shifts[-1].any()
    assert "pairs of images of one height" in drift.describe()
    # Down alone, the same looks like drift.
    down = slices.replace(
        values=slices.values[times <= 600],
        heights=slices.heights[times <= 600],
        meta={"times": times[times <= 600].tolist()},
    )
    assert estimate_drift(down).velocity[0] * 120 == pytest.approx(0.125 - 1.0, abs=0.05)


def test_images_of_one_height_without_drift():
    drift = estimate_drift(down_and_up(np.zeros(2), apparent=2.0, noise=0.05))
    assert drift.same_height and not drift.significant


def test_images_of_one_height_that_tell_too_little():
    """A second image of the farthest height, at once: its slices say nothing of the whole time."""
    times = np.array([0.0, 1.0, 120, 240, 360])
    positions = [STEP * (360 - t) / 120 for t in times]
    slices = stack(
        positions, [0.0, 0.0, -0.1, -0.2, -0.3], [0.4, 0.4, 0.6, 0.8, 1.0], 0.2, times=times.tolist()
    )
    drift = estimate_drift(slices)
    assert not drift.same_height and drift.pairs == 4
    assert drift.velocity == pytest.approx((0.625 / 120, -0.32 / 120), abs=0.05 / 120)


def test_acceleration_where_the_data_call_for_it():
    """Ten images of one height: a creep that ends."""
    tau = np.arange(10.0)
    for bend in (0.0, 0.08):
        positions = [np.array([0.3 * (9 - t) + bend * (9 - t) ** 2, 0.0]) for t in tau]
        heights = np.append(np.zeros(9), -0.1)
        slices = stack([*positions[1:], positions[0]], heights, np.ones(10), 0.05, times=[*tau[1:], tau[0]])
        drift = estimate_drift(slices)
        assert drift.accelerated == (bend > 0)
        truth = np.array([*positions[1:], positions[0]])[:, 0] - positions[0][0]
        assert drift.shifts[:, 1] / 0.4 == pytest.approx(truth, abs=0.15)


def test_a_slice_that_leaps_does_not_count():
    """A tip that changed is no drift."""
    positions = np.array(steady(8, 0.3 * STEP))
    positions[:3] += [9, 0]
    drift = estimate_drift(stack(positions))
    assert drift.velocity == pytest.approx((0.1875, -0.096), abs=0.03)
    assert drift.leap == pytest.approx(9 * 0.4, abs=0.2)


@pytest.mark.parametrize("step", [[0.0, 2.0], [1.0, -2.0]])
def test_a_lattice_is_known_up_to_a_lattice_vector(step):
    """The last image lies 1.7 lattice vectors off the first of its height: pairs follow from those before."""
    slices = down_and_up(np.array(step), image=lattice, apparent=0.5, noise=0.1)
    drift = estimate_drift(slices)
    assert np.hypot(*drift.period) == pytest.approx(12 * 0.5, rel=0.25)
    assert drift.same_height and drift.significant
    assert drift.velocity == pytest.approx((-0.5 * step[1] / 120, -0.4 * step[0] / 120), abs=0.02 / 120)


def test_contrast_of_a_lattice_moves_alike_everywhere():
    """Without images of one height nothing tells it from drift."""
    drift = estimate_drift(stack(steady(6, np.array([0.0, 0.5])), image=lattice, noise=0.02))
    assert not drift.same_height and not drift.significant
    assert drift.error * 5 > np.hypot(*drift.period) / 2


def test_slices_lie_on_each_other_and_are_cropped_to_what_all_show():
    slices = stack(steady(4), contrast=np.ones(4))
    drift = estimate_drift(slices)
    found = align_slices(slices, drift)
    # y drifts by 2.4 pixels upwards, x by 3.75 to the left.
    assert found.values.shape == (4, 64 - 3, 72 - 4)
    assert found.window == ((2.0, 35.5), (0.0, pytest.approx(0.4 * 60)))
    assert np.array_equal(found.values[3], atoms()[:61, 4:])
    # 0.05 pixels on slopes of up to 0.5 a pixel.
    assert np.abs(found.values - atoms()[:61, 4:])[:, 2:-2, 2:-2].max() < 0.03
    assert np.asarray(found.meta["drift_pixels"]) == pytest.approx(np.array(steady(4)), abs=0.05)
    assert found.meta["drift"] == drift.to_dict() and found.meta["drift"]["unit"] == "Å/slice"


def test_no_drift():
    slices = stack([np.zeros(2)] * 3, contrast=np.ones(3))
    drift = estimate_drift(slices)
    assert not drift.shifts.any() and not drift.significant and drift.leap == 0
    assert np.array_equal(align_slices(slices, drift).values, slices.values)


def test_less_than_a_pixel_is_not_worth_it():
    drift = estimate_drift(stack(steady(4, np.array([0.0, 0.2]))))
    assert not drift.significant and np.linalg.norm(drift.velocity) > 3 * drift.error


def test_slices_whose_drift_cannot_be_found():
    noise = np.random.default_rng(0).normal(size=(2, 32, 32))
    good = stack(steady(3))
    bad = [
        (good.replace(values=noise, heights=[0.2, 0.1]), "match nowhere"),
        (
            good.replace(values=np.zeros((2, 7, 20)), heights=[0.2, 0.1]),
            "at least 8 x 8 pixels to align, got 20 x 7",
        ),
        (good.replace(values=np.full((2, 9, 9), np.nan), heights=[0.2, 0.1]), "values"),
        (good.replace(values=good.values[:1], heights=[0.2]), "two slices or more, got one"),
        (good.replace(heights=[0.2, 0.1, 0.1]), "which of the slices of one height was taken first"),
        (good.replace(meta={"times": [5.0] * 3}), "one after another, got all at once"),
    ]
    for slices, words in bad:
        with pytest.raises(InputError, match=words):
            estimate_drift(slices)


def test_slices_that_share_too_little():
    slices = stack(steady(3))
    far = dataclasses.replace(estimate_drift(slices), shifts=np.array([[35.0, 0], [10, 0], [0, 0]]))
    with pytest.raises(InputError, match=r"share 8 x 8 pixels, got drifts up to 70\.0 pixels of 72 x 64"):
        align_slices(slices, far)


def test_of_some_of_the_slices():
    """Shifts count from the nearest that is kept, and the order of files stands in for times."""
    shifts = np.array([[0.4, -0.2], [0.2, -0.1], [0.0, 0.0]])
    drift = Drift(shifts, (0.1, 0.0), 0.01, "Å/s", 2, True, False, None, 0.0, 0.2)
    kept = drift.keep_slices(np.array([True, True, False]))
    np.testing.assert_allclose(kept.shifts, [[0.2, -0.1], [0.0, 0.0]])
    assert kept.velocity == drift.velocity
