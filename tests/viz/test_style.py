import numpy as np
import pytest

from torch_afm.utils import InputError
from torch_afm.viz import plot_checkpoints, plot_translations


def test_a_row_a_stack():
    stacks = {"source": np.random.default_rng(0).normal(size=(10, 8, 9)), "translated": np.ones((10, 8, 9))}
    figure = plot_translations(stacks, "epoch 3", "Hz")
    assert len(figure.axes) == 10
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[0] == "source, slice 0" and titles[-1] == "translated, slice 9"
    shown = figure.axes[4].images[0].get_array()
    assert np.array_equal(shown, stacks["source"][9]) and figure.axes[9].get_xlabel() == "1.00 Hz"
    with pytest.raises(InputError, match="at least one"):
        plot_translations({})
    with pytest.raises(InputError, match="flat: expected shape"):
        plot_translations({"flat": np.zeros((4, 4))})


def test_floors_the_choice_and_what_is_rejected_are_in_the_plot():
    figure = plot_checkpoints(
        [5, 10, 15], {"kid": [3.0, 2.0, 1.0], "mmd": [0.3, 0.2, 0.2]}, {"kid": -0.5, "mmd": 0.1},
        {"correlation": [0.9, 0.8, 0.3]}, 10, [15],
    )  # fmt: skip
    kid, mmd, content = figure.axes
    for ax, floor in ((kid, -0.5), (mmd, 0.1)):
        (line,) = [line for line in ax.lines if line.get_label() == "floor"]
        assert set(line.get_ydata()) == {floor}
    assert (kid.get_yscale(), mmd.get_yscale()) == ("linear", "log")
    assert list(content.lines[0].get_ydata()) == [0.9, 0.8, 0.3]
    for ax in figure.axes:
        assert any(list(line.get_xdata()) == [10, 10] for line in ax.lines) and len(ax.patches) == 1
    with pytest.raises(InputError, match="mmd: expected a value"):
        plot_checkpoints([1], {"mmd": [1.0, 2.0]}, {"mmd": 0.0}, {})
