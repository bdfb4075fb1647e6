"""Files of microscopes, in ``real/`` of the public data folder; its README says where they come from."""

import os
from pathlib import Path

import numpy as np
import pytest

from torch_afm.config import Scan
from torch_afm.io.scans import crop_finished, estimate_drift, merge_repeats, prepare_scan, read_scan
from torch_afm.io.scans.sharpness import compare_sharpness
from torch_afm.utils import InputError

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("TORCH_AFM_DATA" not in os.environ, reason="TORCH_AFM_DATA is not set"),
]


@pytest.fixture
def real():
    return Path(os.environ["TORCH_AFM_DATA"]) / "real"


def test_a_stack_of_a_hexagonal_layer(real):
    """Heights down in 0.1 Å and up again by one, 0.8 Å from the middle to the turning point, at -41°."""
    files = sorted((real / "hbn").iterdir())
    whole = read_scan(real / "hbn")
    assert len(whole.heights) == 18 and len(merge_repeats(whole).heights) == 16
    stack = read_scan(files[1:17])
    assert np.diff(stack.heights) == pytest.approx(np.full(15, -0.1), abs=1e-3)
    assert stack.meta["amplitude"] == pytest.approx(1.6) and stack.meta["f0"] == pytest.approx(30844.6)
    assert stack.meta["angle"] == -41.0 and stack.unit == "Hz"
    prepared = prepare_scan(stack, Scan(pixels=(64, 64)))
    assert prepared.scan.n_oscillation == 16 and "(header)" in dict(prepared.steps)["oscillation"]
    assert any("the network looks at 16 x 16 Å" in w for w in prepared.warnings)


def test_drift_of_a_hexagonal_layer(real):
    """0.066, -0.078 Å an image along x and y, by images of one height in the whole series of 31."""
    stack = read_scan(real / "hbn")
    drift = estimate_drift(stack)
    seconds = np.median(np.diff(np.sort(stack.meta["times"])))
    assert np.array(drift.velocity) * seconds == pytest.approx([0.066, -0.078], abs=0.01)
    assert drift.same_height and drift.significant and drift.error * seconds < 0.01
    assert np.hypot(*drift.period) == pytest.approx(2.5, abs=0.3)
    prepared = prepare_scan(stack, Scan(pixels=(64, 64)))
    assert "moved back" in dict(prepared.steps)["drift"]
    assert any("is periodic" in w for w in prepared.warnings)
    # Down alone, contrast moves alike everywhere: what seems to be drift is left.
    down = estimate_drift(read_scan(sorted((real / "hbn").iterdir())[1:16]))
    assert not down.same_height and not down.significant


@pytest.mark.parametrize(
    "name", ["edafm_BCB_CO_exp", "edafm_BCB_Xe_exp", "edafm_Water_CO_exp", "camphor_exp_3"]
)
def test_the_near_end_of_measured_stacks_is_the_sharper(real, name):
    """Of the fifth stack, ``camphor_exp_1``, the sharpness does not change by an error."""
    assert compare_sharpness(read_scan(real / f"{name}.h5")).margin > 5


def test_single_images_are_called_so(real):
    for name in ("Image_177.sxm", "Image_445.sxm", "G80SXM_DCA3Cu2_Ag111_ncAFM.sxm"):
        with pytest.raises(InputError, match="expected images at several heights, got a single one"):
            prepare_scan(read_scan(real / "single" / name), Scan())


def test_a_grid_that_was_stopped(real):
    """88 of 1024 points, and each curve ends at its own height: two lines as far as all of them reach."""
    stack = read_scan(real / "single" / "unfinished_z_grid.3ds")
    assert np.isfinite(stack.values[0]).sum() == 88 and "88 of 1024 points" in stack.meta["warnings"][0]
    whole = crop_finished(stack)
    assert whole.values.shape == (135, 2, 32) and whole.heights[[0, -1]] == pytest.approx(
        [2, -3.255], abs=1e-3
    )


def test_createc_with_a_shortened_header(real):
    path = real / "single" / "createc_afm.dat"
    with pytest.raises(InputError, match="controller of the height was on"):
        read_scan(path, channel="Frequency shift", heights=[0.0])
    stack = read_scan(path, channel="Frequency shift", heights=[0.0], constant_height=True)
    # The regulated frequency shift: 7.0 Hz below resonance everywhere.
    assert stack.values.mean() == pytest.approx(-7.0, abs=0.01) and stack.values.std() < 0.1
    assert stack.meta["f0"] == pytest.approx(30713.24) and np.ptp(stack.x) == pytest.approx(
        150.0046 * 255 / 256
    )
