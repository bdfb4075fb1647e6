import dataclasses
import warnings

import numpy as np
import pytest
import torch

from torch_afm.config import Scan
from torch_afm.io.scans import ScanStack
from torch_afm.utils import InputError

WINDOW = ((-10.0, 10.0), (-12.0, 12.0))


def _field(z, y, x):
    return np.cos(0.4 * x) * np.sin(0.3 * y)[:, None] * np.exp(-0.5 * z)[:, None, None]


@pytest.fixture
def stack():
    z, y, x = np.linspace(8, 6, 21), np.linspace(-12, 12, 121), np.linspace(-10, 10, 101)
    return ScanStack(_field(z, y, x), z, WINDOW, meta={"file": "a"})


def test_model_grid(stack):
    """A known function is found where the model asks for it: at its own pixels and heights."""
    scan = Scan(pixels=(32, 24), n_slices=10, dz=0.1)
    made = stack.on_grid(scan)
    assert made.tensor().shape == (1, 1, 10, 24, 32) and made.tensor().dtype == torch.float32
    heights = 8 - 0.1 * np.arange(10)
    assert made.values == pytest.approx(_field(heights, scan.y, scan.x), abs=1e-6)
    assert made.window == scan.window and made.heights == pytest.approx(heights)
    assert torch.equal(made.tensor()[0, 0], torch.from_numpy(made.values).float())


def test_center_and_top(stack):
    scan = Scan(pixels=(32, 24), n_slices=5, dz=0.2)
    made = stack.on_grid(scan, center=(1.5, -2.0), top=7.3)
    heights = 7.3 - 0.2 * np.arange(5)
    assert made.values == pytest.approx(_field(heights, scan.y - 2.0, scan.x + 1.5), abs=1e-6)
    assert made.meta == {"file": "a", "center": [1.5, -2.0]}


def test_another_oscillation_is_told(stack):
    told = stack.replace(meta={"amplitude": 1.6})
    with pytest.warns(UserWarning, match=r"1\.60 Å peak to peak, the model has 1\.00 Å"):
        told.on_grid(Scan(pixels=(32, 24)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told.on_grid(Scan(pixels=(32, 24), n_oscillation=16))


def test_extrapolation(stack):
    for scan, options, name in (
        (Scan(), {"center": (3.0, 0.0)}, "x"),
        (Scan(), {"center": (0.0, -5.0)}, "y"),
        (Scan(), {"top": 8.1}, "heights"),
        (Scan(n_slices=22), {}, "heights"),
    ):
        with pytest.raises(InputError, match=f"^{name}: "):
            stack.on_grid(scan, **options)


def test_afm_stack(stack):
    made = stack.afm_stack()
    assert made.stack.shape == (1, 21, 121, 101) and np.array_equal(made.z, stack.heights)
    assert made.meta == {"file": "a", "unit": "Hz", "channel": "frequency shift", "direction": "forward"}
    assert stack.pixel == pytest.approx((0.2, 0.2)) and made.x[1] - made.x[0] == pytest.approx(0.2)


def test_frozen(stack):
    with pytest.raises(dataclasses.FrozenInstanceError):
        stack.unit = "V"


def test_bad_input(stack):
    for name, bad in (
        ("values", np.zeros((3, 4))),
        ("values", np.full((21, 2, 2), np.inf)),
        ("heights", np.arange(21.0)),
        ("heights", np.zeros(21)),
        ("heights", np.full(21, np.nan)),
        ("heights", np.arange(3.0)),
        ("window", ((1.0, 1.0), (0.0, 1.0))),
        ("window", ((0.0, 1.0), (2.0, 1.0))),
        ("window", ((0.0, np.inf), (0.0, 1.0))),
    ):
        with pytest.raises(InputError, match=f"^{name}: "):
            stack.replace(**{name: bad})
    with pytest.raises(InputError, match="values: "):
        stack.replace(values=np.zeros((0, 4, 4)), heights=[])
