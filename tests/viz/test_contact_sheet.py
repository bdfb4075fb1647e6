import io

import numpy as np
import pytest

from torch_afm.io.scans import ScanStack
from torch_afm.utils import InputError
from torch_afm.viz import SheetEntry, SheetPanel, plot_contact_sheet, stack_panels

pytestmark = pytest.mark.filterwarnings("error")


def _stack(slices, nx=6, ny=4):
    values = np.arange(slices * ny * nx, dtype=float).reshape(slices, ny, nx)
    return ScanStack(values, np.arange(slices, 0, -1) * 0.5 + 7, ((0, 5), (2, 5)))


def _panels(figure):
    return [ax for ax in figure.axes if ax.images]


def test_far_middle_and_near_slice_of_each_stack():
    entries = [SheetEntry(f"stack {n}", stack_panels(_stack(n)), "long words " * 20) for n in (7, 1, 2, 5)]
    figure = plot_contact_sheet(entries)
    panels = _panels(figure)
    shown = [(7, 0), (7, 3), (7, 6), (1, 0), (2, 0), (2, 1), (5, 0), (5, 2), (5, 4)]
    assert len(panels) == len(shown)
    for ax, (n, s) in zip(panels, shown, strict=True):
        assert np.array_equal(ax.images[0].get_array(), _stack(n).values[s])
        assert ax.get_title() == f"+{0.5 * (n - 1 - s):.2f} Å"
        assert tuple(ax.images[0].get_extent()) == (-0.5, 5.5, 1.5, 5.5)
    titles = [part.get_suptitle() for part in figure.subfigs]
    assert titles[:4] == ["stack 7", "stack 1", "stack 2", "stack 5"]
    with io.BytesIO() as file:
        figure.savefig(file, format="png")
        assert file.getvalue()[:4] == b"\x89PNG"


def test_what_was_not_measured_is_left_white_and_out_of_the_scale():
    stack = _stack(6)
    values = stack.values.copy()
    values[:2], values[3], values[:, :, :2] = np.nan, np.nan, np.nan
    panels = _panels(plot_contact_sheet([SheetEntry("$one", stack_panels(stack.replace(values=values)))]))
    assert [ax.get_title() for ax in panels] == ["+1.50 Å", "+0.50 Å", "+0.00 Å"]
    for ax, s in zip(panels, (2, 4, 5), strict=True):
        image = ax.images[0]
        assert image.get_array().mask[:, :2].all() and not image.get_array().mask[:, 2:].any()
        assert image.get_clim() == (values[s, 0, 2], values[s, -1, -1])


def test_stacks_without_a_measured_pixel_and_no_stacks():
    empty = _stack(2).replace(values=np.full((2, 4, 6), np.nan))
    assert _panels(plot_contact_sheet([SheetEntry("empty", stack_panels(empty))])) == []
    with pytest.raises(InputError, match="entries: expected at least one stack"):
        plot_contact_sheet([])


def test_many_pairs_of_images_lie_on_a_grid_and_do_not_overlap():
    image = np.arange(12.0).reshape(3, 4)
    pair = [SheetPanel(image, "forward"), SheetPanel(image[:, ::-1], "backward")]
    entries = [SheetEntry(f"file {i}", pair[: 1 + i % 2], "words " * i) for i in range(30)]
    figure = plot_contact_sheet(entries)
    panels = _panels(figure)
    assert [ax.get_title() for ax in panels] == ["forward", "forward", "backward"] * 15
    size = figure.get_size_inches()
    assert size[0] < 12  # four entries a row
    boxes = np.array([ax.get_position().get_points() for ax in panels])
    inner = [part.transSubfigure for part in figure.subfigs]
    owners = [next(i for i, part in enumerate(figure.subfigs) if ax in part.axes) for ax in panels]
    corners = [(inner[i] - figure.transFigure).transform(box) for i, box in zip(owners, boxes, strict=True)]
    for i, (low, high) in enumerate(corners):
        assert (low >= 0).all() and (high <= 1).all()
        for other_low, other_high in corners[:i]:
            assert (high <= other_low + 1e-9).any() or (other_high <= low + 1e-9).any()
    with io.BytesIO() as file:
        figure.savefig(file, format="png")
