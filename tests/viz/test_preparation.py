import warnings

import numpy as np

from torch_afm.config import Scan
from torch_afm.io.scans import ScanPreparation, ScanStack, prepare_scan
from torch_afm.viz import plot_preparation


def test_before_and_after():
    axis = np.linspace(-5, 5, 40)
    image = np.cos(axis) * np.sin(axis)[:, None]
    values = np.stack([k * image + 0.1 * axis for k in (1.0, 2.0, 3.0)])
    values[1, -3:] = np.nan  # unfinished
    stack = ScanStack(values, np.array([0.2, 0.1, 0.0]), ((-5, 5), (-5, 5)), unit="V")
    model = Scan(window=((-4, 4), (-4, 4)), pixels=(20, 20), n_slices=3)
    prepared = prepare_scan(stack, model, ScanPreparation(align="never"))
    figure = plot_preparation(prepared)
    pictures = [ax.get_images()[0].get_array() for ax in figure.axes if ax.get_images()]
    assert [p.shape for p in pictures[:3]] == [(40, 40)] * 3
    np.testing.assert_allclose(pictures[5], prepared.stack.values[-1])
    before, after = figure.axes[7].get_lines()
    np.testing.assert_allclose(after.get_ydata(), prepared.stack.values.std(axis=(1, 2)))
    assert np.isfinite(before.get_ydata()).all() and "V" in figure.axes[7].get_title()


def test_slices_that_were_never_measured():
    """The nearest is empty as read; its mean and contrast are left out, and nothing is told of NaN."""
    values = np.random.default_rng(0).normal(size=(4, 40, 40))
    values[3] = np.nan
    stack = ScanStack(values, np.array([0.3, 0.2, 0.1, 0.0]), ((-5, 5), (-5, 5)))
    model = Scan(window=((-4, 4), (-4, 4)), pixels=(20, 20), n_slices=3)
    prepared = prepare_scan(stack, model, ScanPreparation(align="never"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plot_preparation(prepared)
    before, after = figure.axes[7].get_lines()
    assert len(before.get_xdata()) == len(after.get_xdata()) == 3
