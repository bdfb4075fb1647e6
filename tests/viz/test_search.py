from types import SimpleNamespace

from torch_afm.viz import plot_search


def node(parent, score, move="add 1", atoms=1):
    return SimpleNamespace(parent=parent, move=move, atoms=atoms, score=score)


def test_every_graph_is_shown_and_the_path_named():
    tree = [
        node(-1, -60.0, "start", 0),
        node(0, -5.0, "add 3", 3),
        node(0, -6.0),
        node(1, -2.0, "remove 1", 2),
    ]
    ax = plot_search(tree, 3).axes[0]
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [d.get_xdata()[0] for d in dots] == [0, 1, 1, 2]
    assert [d.get_ydata()[0] for d in dots] == [-60.0, -5.0, -6.0, -2.0]
    assert len(ax.lines) == 4 + 3
    assert {t.get_text() for t in ax.texts} == {"start\n0 atoms", "add 3\n3 atoms", "remove 1\n2 atoms"}
    low, high = ax.get_ylim()
    assert -60 < low < -6 < -2 < high


def test_one_graph():
    assert len(plot_search([node(-1, -3.0, "start", 0)], 0).axes[0].texts) == 1
