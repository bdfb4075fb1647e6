import os
from pathlib import Path

import numpy as np
import pytest

from torch_afm.io.scans import ScanStack, read_scan
from torch_afm.prediction import choose_weights


def _stack(values):
    n, ny, nx = values.shape
    return ScanStack(values, -0.1 * np.arange(n), ((0.0, nx - 1.0), (0.0, ny - 1.0)))


def test_simulated_stacks(golden):
    """Stacks of another program, [x, y, z] from far to near in steps of 0.1 Å."""
    names = sorted({name.split("/")[0] for name in golden.files})
    assert len(names) == 7
    for name in names:
        values = np.moveaxis(golden[f"{name}/df_exact"], -1, 0)
        weights, reason = choose_weights(_stack(values))
        assert weights == "spatial" and "simulated" in reason


def test_measured_ones(golden):
    values = np.moveaxis(golden["ptcda_pc/df_exact"], -1, 0)
    noisy = values + 0.1 * values.std() * np.random.default_rng(0).normal(size=values.shape)
    unfinished = np.where(np.arange(len(values[0]))[:, None] < 3, np.nan, values)
    for measured, word in ((noisy, "noise"), (unfinished, "not finished"), (values[:1], "number of slices")):
        weights, reason = choose_weights(_stack(measured))
        assert weights == "scan" and word in reason


@pytest.mark.data
@pytest.mark.skipif("TORCH_AFM_DATA" not in os.environ, reason="TORCH_AFM_DATA is not set")
def test_real_scans():
    real = Path(os.environ["TORCH_AFM_DATA"]) / "real"
    for path in (*sorted(real.glob("*.h5")), real / "hbn", *sorted((real / "single").glob("*.sxm"))):
        assert choose_weights(read_scan(path))[0] == "scan", path
