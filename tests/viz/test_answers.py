"""Answers side by side."""

from tests.prediction.answers.cases import stack_of
from torch_afm.testing import benzene
from torch_afm.viz import plot_answers


def test_every_answer_has_its_panel_with_its_weight():
    figure = plot_answers(stack_of(benzene()), [benzene()] * 5, [0.5, 0.2, 0.1, 0.1, 0.1])
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[:2] == ["1: probability 0.50", "2: probability 0.20"]
    assert len([title for title in titles if title]) == 5
    assert [bool(ax.axison) for ax in figure.axes][5:] == [False] * 3
