import pytest

from torch_afm.models import SearchNode
from torch_afm.utils import InputError
from torch_afm.viz import plot_search


def node(parent, score, move="add 1", atoms=1, taken=False):
    return SearchNode(parent, move, atoms, score, 0.0, score, taken)


def test_every_graph_is_shown_and_the_path_named():
    tree = [
        node(-1, -60.0, "start", 0, taken=True),
        node(0, -5.0, "add 3", 3, taken=True),
        node(0, -6.0),
        node(1, -2.0, "remove 1", 2, taken=True),
    ]
    ax = plot_search(tree).axes[0]
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [d.get_xdata()[0] for d in dots] == [0, 1, 1, 2]
    assert [d.get_ydata()[0] for d in dots] == [-60.0, -5.0, -6.0, -2.0]
    assert len(ax.lines) == 4 + 3
    assert {t.get_text() for t in ax.texts} == {"start\n0 atoms", "add 3\n3 atoms", "remove 1\n2 atoms"}
    low, high = ax.get_ylim()
    assert -60 < low < -6 < -2 < high


def test_one_graph():
    assert len(plot_search([node(-1, -3.0, "start", 0, taken=True)]).axes[0].texts) == 1


@pytest.mark.parametrize("tree", [[], [node(-1, -3.0), node(1, -2.0)]])
def test_bad_tree(tree):
    with pytest.raises(InputError, match="tree: expected nodes, each after its parent"):
        plot_search(tree)
