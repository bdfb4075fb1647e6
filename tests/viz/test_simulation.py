"""Sheets of simulations: what is on them, and that it lies where it should."""

import numpy as np
import pytest
import torch
from ase.build import fcc111

from torch_afm.config import Scan, to_dict
from torch_afm.data import from_ase
from torch_afm.io import AFMStack
from torch_afm.testing import water
from torch_afm.utils import InputError
from torch_afm.viz import plot_frequency_curves, plot_simulation
from torch_afm.viz.simulation import _drawn_atoms


def stack(n_slices=4, window=((-4, 4), (-3, 3))):
    scan = Scan(window=window, pixels=(8, 6), n_slices=n_slices)
    values = np.random.default_rng(0).normal(size=(1, *scan.shape))
    return AFMStack(values, scan.x, scan.y, scan.slice_heights(8.0), {"scan": to_dict(scan)})


def titles(figure):
    return [ax.get_title() for ax in figure.axes]


@pytest.mark.parametrize(("n_slices", "images"), [(1, 1), (4, 4), (40, 17)])
def test_one_stack(n_slices, images):
    figure = plot_simulation([stack(n_slices)], water())
    names = titles(figure)
    assert sum(name.startswith("z = ") for name in names) == images
    assert names.count("nearest, with atoms") == 1
    bars = [child for ax in figure.axes for child in ax.child_axes]
    assert len(bars) == images and {bar.get_title(loc="left") for bar in bars} == {"Hz"}
    lengths = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert set(lengths) == {"2 Å"}  # of 9.1 Å
    for ax in figure.axes:
        line = ax.lines[0].get_xdata()
        assert np.ptp(line) == pytest.approx(2.0) and ax.get_xlim()[0] < line.min()
    figure.canvas.draw()


def test_several_stacks_with_labels_do_not_overlap():
    labels = [f"k 0.{i}" for i in range(20)]
    figure = plot_simulation([stack()] * 20, water(), labels)
    assert [text.get_text() for text in figure.texts] == labels
    assert titles(figure).count("nearest, with atoms") == 20 and len(figure.axes) == 80
    boxes = np.array([ax.get_position().get_points() for ax in figure.axes])
    assert boxes.min() >= 0 and boxes.max() <= 1
    separate = (boxes[:, None, 1] <= boxes[None, :, 0]).any(-1)
    assert (separate | separate.T | np.eye(len(boxes), dtype=bool)).all()


def test_a_surface_is_drawn_over_the_whole_window_and_not_below_its_top():
    slab = fcc111("Au", (1, 1, 3), vacuum=6.0)
    slab.pbc = True
    drawn = _drawn_atoms(from_ase(slab), stack(window=((0, 12), (0, 9))))
    area = float(np.linalg.norm(np.cross(*slab.cell[:2])))
    assert len(drawn.z) == pytest.approx(14 * 11 / area, rel=0.25)
    assert float(drawn.pos[:, 2].min()) == pytest.approx(slab.positions[:, 2].max(), abs=1e-4)
    assert float(drawn.pos[:, 0].max()) <= 13 and float(drawn.pos[:, 1].min()) >= -1


def test_curves():
    z = np.linspace(12, 7, 6)
    figure = plot_frequency_curves([z], [np.stack([z, -z])], [(0, 1), (-1, 0)], stack(), water())
    image, ax = figure.axes
    assert ax.get_xlabel() == "z (Å)" and ax.get_ylabel() == "frequency shift (Hz)"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["1", "2"]
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), -z)
    assert {"1", "2"} <= {text.get_text() for text in image.texts}
    several = plot_frequency_curves(
        [z, z], [np.stack([z, -z])] * 2, [(0, 1), (-1, 0)], stack(), water(), ["a", "b"]
    )
    assert [ax.get_title() for ax in several.axes[1:]] == ["1: x = 0 Å, y = 1 Å", "2: x = -1 Å, y = 0 Å"]
    assert [text.get_text() for text in several.axes[1].get_legend().get_texts()] == ["a", "b"]


def test_bad_arguments():
    z = torch.linspace(3, 1, 4).numpy()
    with pytest.raises(InputError, match="stacks: expected at least one"):
        plot_simulation([], water())
    with pytest.raises(InputError, match="labels: expected one a stack"):
        plot_simulation([stack()], water(), ["a", "b"])
    with pytest.raises(InputError, match="z, frequency_shift, labels"):
        plot_frequency_curves([z], [], [(0, 0)], stack(), water())
    with pytest.raises(InputError, match="frequency_shift"):
        plot_frequency_curves([z], [np.zeros((2, 4))], [(0, 0)], stack(), water())
