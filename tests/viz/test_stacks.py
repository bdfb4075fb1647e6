import io

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from torch_afm.io import AFMStack
from torch_afm.viz import draw_slice, plot_stack

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


def test_label_gives_the_ends_of_the_grey_scale():
    stack = np.stack([np.linspace(-3.456, 2, 20).reshape(4, 5), np.full((4, 5), -0.001)])
    figure = plot_stack(AFMStack(stack[None], X, Y, np.array([4.25, 4.0])))
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["slice 0, z = 4.25 Å\n−3.46 to 2.00 Hz", "slice 1, z = 4.00 Å\n0.00 Hz"]
    assert figure.axes[0].get_xlabel() == "x (Å)"
    sloped, flat = _images(figure)
    assert sloped.get_clim() == pytest.approx((-3.456, 2))
    assert np.allclose(flat.norm(flat.get_array()), 0.5)
    _render(figure)
