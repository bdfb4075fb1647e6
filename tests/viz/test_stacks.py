import io
import warnings

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.io import AFMStack
from torch_afm.io.scans import ScanPreparation, ScanStack, prepare_scan
from torch_afm.viz import draw_slice, plot_preparation, plot_stack
from torch_afm.viz.stacks import bar_length, draw_scale_bar, window_around

pytestmark = pytest.mark.filterwarnings("error")

X, Y = np.linspace(-8, 8, 5), np.linspace(-3, 3, 4)


def _stack(channels=1, slices=7):
    # Every pixel has its own value.
    return np.arange(channels * slices * 20, dtype=np.float32).reshape(channels, slices, 4, 5)


def _images(figure):
    return [ax.images[0] for ax in figure.axes if ax.images]


def _render(figure):
    with io.BytesIO() as file:
        figure.savefig(file, format="png")
        assert file.getvalue()[:8] == b"\x89PNG\r\n\x1a\n"


def test_shows_the_slices_asked_for():
    stack = _stack()
    figure = plot_stack(stack, X, Y, slices=[0, 3, -1])
    for image, s in zip(_images(figure), (0, 3, 6), strict=True):
        assert np.array_equal(image.get_array(), stack[0, s])
        assert image.axes.get_title().startswith(f"slice {s}\n")
    _render(figure)


def test_every_slice_of_every_channel_far_to_near():
    stack = _stack(channels=2)
    figure = plot_stack(torch.from_numpy(stack), X, Y, title="two channels")
    assert all(
        np.array_equal(a.get_array(), b)
        for a, b in zip(_images(figure), stack.reshape(14, 4, 5), strict=True)
    )
    assert figure.get_suptitle() == "two channels"
    _render(figure)
    assert len(_images(plot_stack(stack[0]))) == 7


def test_pixels_lie_where_they_were_taken():
    # One bright pixel, the one of the smallest x and y: it must be drawn at the bottom left, on the picture
    # itself, with its center at (x[0], y[0]).
    image = np.zeros((4, 5), np.float32)
    image[0, 0] = 1
    figure = Figure(dpi=100)
    canvas = FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    shown = draw_slice(ax, image, X, Y)
    assert shown.get_extent() == pytest.approx((-10, 10, -4, 4))
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[::-1, :, 0]  # bottom row first
    for x in X:
        for y in Y:
            column, row = ax.transData.transform((x, y)).astype(int)
            assert pixels[row, column] == (255 if (x, y) == (X[0], Y[0]) else 0)


def test_label_gives_the_ends_of_the_gray_scale():
    stack = np.stack([np.linspace(-3.456, 2, 20).reshape(4, 5), np.full((4, 5), -0.001)])
    figure = plot_stack(AFMStack(stack[None], X, Y, np.array([4.25, 4.0])))
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["slice 0, z = 4.25 Å\n−3.46 to 2.00 Hz", "slice 1, z = 4.00 Å\n0.00 Hz"]
    assert figure.axes[0].get_xlabel() == "x (Å)"
    sloped, flat = _images(figure)
    assert sloped.get_clim() == pytest.approx((-3.456, 2))
    assert np.allclose(flat.norm(flat.get_array()), 0.5)
    _render(figure)


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


def test_a_scale_bar_is_about_a_fifth_wide():
    assert [bar_length(width) for width in (3, 11, 24, 60)] == [0.5, 2, 5, 10]
    ax = Figure().subplots()
    draw_scale_bar(ax, ((-10, 14), (0, 24)))
    assert [t.get_text() for t in ax.texts] == ["5 Å"] and np.ptp(ax.lines[0].get_xdata()) == 5


def test_the_window_around_structures_ends_where_the_scan_does():
    axis = np.linspace(-8, 8, 5)
    stack = AFMStack(np.zeros((1, 1, 5, 5)), axis, axis, np.zeros(1))
    atoms = AFMData(z=torch.tensor([6, 6]), pos=torch.tensor([[-1.0, 6.0, 0.0], [2.0, 7.0, 0.0]]))
    assert window_around(stack, [atoms], 3.0) == ((-4.0, 5.0), (3.0, 8.0))
    assert window_around(stack, [AFMData.empty()], 3.0) == ((-8.0, 8.0), (-8.0, 8.0))
    atoms.pos += 100
    assert window_around(stack, [atoms], 3.0) == ((-8.0, 8.0), (-8.0, 8.0))
