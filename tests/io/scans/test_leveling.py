import numpy as np
import pytest
from scipy import ndimage

from torch_afm.config import Scan
from torch_afm.io.scans import Drift, ScanPreparation, ScanStack, leveling, prepare_scan
from torch_afm.io.scans.leveling import level_scan
from torch_afm.utils import InputError


def test_drift_is_that_of_all_slices(monkeypatch):
    """What is cut tells of the drift, too, and what is cut away keeps the report short."""
    rng = np.random.default_rng(0)
    values = ndimage.gaussian_filter(rng.normal(size=(6, 96, 96)), (0, 4, 4))
    meta = {"files": [f"{i}.sxm" for i in range(6)], "times": [60.0 * i for i in range(6)]}
    stack = ScanStack(values, -0.1 * np.arange(6), ((0.0, 23.75), (0.0, 23.75)), meta=meta)
    seen = []

    def found(whole):
        seen.append(whole.values.shape)
        shifts = np.stack([0.3 * np.arange(5, -1, -1), np.zeros(6)], axis=1)
        return Drift(shifts, (0.1, 0.0), 0.001, "Å/s", 5, True, False, None, 0.0, 0.25)

    monkeypatch.setattr(leveling, "estimate_drift", found)
    settings = ScanPreparation(bottom=-0.3, window=((1.0, 22.0), (1.0, 22.0)))
    prepared = prepare_scan(stack, Scan(pixels=(65, 65)), settings, whole=True)
    assert seen == [(6, 96, 96)] and len(prepared.measured) == 4
    steps = dict(prepared.steps)
    assert "2 slices nearer than -0.30 Å" in steps["bottom"] and "moved back" in steps["drift"]
    assert (
        steps["files"].startswith("6 files, far to near: 0.sxm, 1.sxm")
        and "1970-01-01 00:00" in steps["files"]
    )
    np.testing.assert_allclose(prepared.stack.meta["drift_pixels"][0], [0.0, 0.9 / 0.25])


def test_cuts_that_leave_nothing():
    stack = ScanStack(np.random.default_rng(0).normal(size=(2, 16, 16)), [1.0, 0.0], ((0.0, 4.0), (0.0, 4.0)))
    with pytest.raises(InputError, match=r"bottom: expected at most 1\.00 Å, the farthest slice, got 1\.50"):
        level_scan(stack, ScanPreparation(bottom=1.5), [], [])
    flat = stack.replace(values=np.ones((2, 16, 16)))
    with pytest.raises(InputError, match="images with contrast, got 2 without"):
        level_scan(flat, ScanPreparation(align="never"), [], [])
    assert not level_scan(stack, ScanPreparation(flatten="none", align="never"), [], []).leveled
    assert level_scan(stack, ScanPreparation(align="never"), [], []).leveled
