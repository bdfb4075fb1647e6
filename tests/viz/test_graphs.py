"""Graphs, flat and in three dimensions."""

import io

import numpy as np
import pytest
import torch
from matplotlib.collections import EllipseCollection, PatchCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from torch_afm.data import AFMData, from_smiles
from torch_afm.viz import draw_graph, graphs, plot_graph, plot_graphs_3d
from torch_afm.viz.graphs import COLORS

pytestmark = pytest.mark.filterwarnings("error")


def _graph(z, pos, bonds=()):
    edges = torch.tensor(bonds, dtype=torch.long).reshape(-1, 2).T
    pos = torch.tensor(pos, dtype=torch.float).reshape(-1, 3)
    return AFMData(
        z=torch.tensor(z, dtype=torch.long), pos=pos, edge_index=torch.cat([edges, edges.flip(0)], 1)
    )


def _drawn(figure, kind):
    return [c for c in figure.axes[0].collections if type(c) is kind]


def _render(figure):
    with io.BytesIO() as file:
        figure.savefig(file, format="png")
        return file.getvalue()


def test_atoms_stand_where_they_are():
    # Unsorted heights: the drawing order is bottom up, so that high atoms cover deep ones.
    data = _graph([6, 8, 1], [[1, -2, -0.2], [-3, 0.5, -0.9], [0, 4, 0]])
    figure = plot_graph(data)
    (atoms,) = _drawn(figure, EllipseCollection)
    order = data.pos[:, 2].argsort()
    assert np.allclose(atoms.get_offsets(), data.pos[order, :2])
    # In pixels: x to the right, y upwards, one scale for both.
    _render(figure)
    place = figure.axes[0].transData.transform(data.pos[:, :2])
    assert place[1, 0] < place[2, 0] < place[0, 0]
    assert place[0, 1] < place[1, 1] < place[2, 1]
    scale = (place[0] - place[1]) / (data.pos[0, :2] - data.pos[1, :2]).numpy()
    assert scale[0] == pytest.approx(scale[1], rel=0.01)


def test_depth_makes_smaller_and_paler():
    figure = plot_graph(_graph([6, 6, 6], [[0, 0, 0], [2, 0, -0.5], [4, 0, -1.0]]))
    (atoms,) = _drawn(figure, EllipseCollection)
    deep, middle, top = atoms.get_widths()
    assert deep < middle < top
    # white is 3
    deep, middle, top = atoms.get_facecolors()[:, :3].sum(axis=1)
    assert deep > middle > top
    # A lone atom below the top of its frame is small too.
    (alone,) = _drawn(plot_graph(_graph([6], [[0, 0, -1.0]])), EllipseCollection)
    assert alone.get_widths() == pytest.approx(atoms.get_widths()[:1])


def test_colors_and_letters():
    figure = plot_graph(_graph([1, 6, 7, 8, 17, 53], [[2 * i, 0, 0] for i in range(6)]))
    (atoms,) = _drawn(figure, EllipseCollection)
    colors = atoms.get_facecolors()[:, :3]
    for color, name in zip(colors, ("H", "C", "N", "O", "Cl"), strict=False):
        assert tuple(color) == pytest.approx(to_rgb(COLORS[name]))
    (letters,) = _drawn(figure, PatchCollection)
    centers = [path.get_extents().get_points().mean(0) for path in letters.get_paths()]
    assert np.allclose(centers, [[4, 0], [6, 0], [8, 0], [10, 0]], atol=1e-6)  # N, O, Cl, I
    radius = atoms.get_widths()[2:] / 2
    for path, r, (x, _) in zip(letters.get_paths(), radius, centers, strict=True):
        assert np.hypot(path.vertices[:, 0] - x, path.vertices[:, 1]).max() < r


def test_each_bond_is_one_bar_between_its_atoms():
    data = from_smiles("CO", seed=0)
    (bars,) = _drawn(plot_graph(data), PolyCollection)
    middles = sorted(tuple(np.round(path.vertices[:4].mean(0), 4)) for path in bars.get_paths())
    pos = data.pos[:, :2].numpy()
    truth = sorted(tuple(np.round((pos[a] + pos[b]) / 2, 4)) for a, b in data.edge_index.T.tolist() if a < b)
    assert np.allclose(middles, truth, atol=2e-4) and len(truth) == 5


def test_new_atom_is_ringed():
    data = _graph([6, 1], [[0, 0, 0], [1, 0.5, -0.3]], [(0, 1)])
    figure = Figure()
    draw_graph(figure.subplots(), data, ((-8, 8), (-8, 8)), new_atoms=[1])
    atoms, ring = _drawn(figure, EllipseCollection)
    assert np.allclose(ring.get_offsets(), [[1, 0.5]])
    assert ring.get_widths()[0] > atoms.get_widths()[0]
    assert len(ring.get_facecolor()) == 0


def test_window():
    ax = plot_graph(_graph([6], [[0, 0, 0]]), window=((-8, 8), (-4, 4))).axes[0]
    assert ax.get_xlim() == (-8, 8) and ax.get_ylim() == (-4, 4)
    ax = plot_graph(_graph([6, 6], [[0, 0, 0], [10, 4, 0]])).axes[0]
    for limits, values in ((ax.get_xlim(), (0, 10)), (ax.get_ylim(), (0, 4))):
        assert limits[0] < values[0] - 1 and limits[1] > values[1] + 1


@pytest.mark.parametrize(
    "data",
    [_graph([], []), _graph([8], [[0, 0, -5]]), _graph([1, 1], [[0, 0, 0], [0, 0, -0.7]], [(0, 1)])],
    ids=["empty", "one deep atom", "one above the other"],
)
def test_draws_without_complaint(data):
    assert _render(plot_graph(data)) == _render(plot_graph(data))


def _pair():
    return AFMData(
        z=torch.tensor([6, 1]),
        pos=torch.tensor([[0.0, 0.0, -0.5], [3.0, 1.0, 0.0]]),
        edge_index=torch.tensor([[0, 1], [1, 0]]),
    )


def test_atoms_bonds_and_one_frame_for_all():
    figure = plot_graphs_3d({"prediction": AFMData.empty(), "truth": _pair()})
    empty, full = figure.axes
    assert len(empty.lines) == 0
    bond, *atoms = full.lines
    assert [tuple(float(v[0]) for v in atom.get_data_3d()) for atom in atoms] == [(0, 0, -0.5), (3, 1, 0)]
    assert [list(v) for v in bond.get_data_3d()] == [[0, 3], [0, 1], [-0.5, 0]]
    for limits in ("get_xlim", "get_ylim", "get_zlim"):
        assert getattr(empty, limits)() == getattr(full, limits)()
    # Markers are to scale: a carbon's diameter beside the width shown, in points.
    carbon, hydrogen = (atom.get_markersize() for atom in atoms)
    assert 5 < hydrogen < carbon < 50
    assert full.get_xlim() == pytest.approx((-1.5, 4.5))


def test_nearer_to_the_eye_is_drawn_over(monkeypatch):
    monkeypatch.setattr(graphs, "ELEVATION", 90.0)
    low, high = plot_graphs_3d({"": _pair()}).axes[0].lines[1:]
    assert low.get_zorder() < high.get_zorder()


def test_a_bond_has_as_many_bars_as_its_order():
    data = _graph([6, 6, 6, 6, 6], [[0, 0, 0], [1.4, 0, 0], [2.8, 0, 0], [4.2, 0, 0], [5.6, 0, 0]])
    bonds = torch.tensor([[0, 1], [1, 2], [2, 3], [3, 4]]).T
    data.edge_index = torch.cat([bonds, bonds.flip(0)], 1)
    data.bond_order = torch.tensor([1.0, 1.5, 2.0, 3.0]).repeat(2)
    (bars,) = _drawn(plot_graph(data), PolyCollection)
    boxes = [path.get_extents() for path in bars.get_paths()]
    middles = [(box.x0 + box.x1) / 2 for box in boxes]
    assert [round(x, 2) for x in middles] == [0.7, 2.1, 2.1, 3.5, 3.5, 4.9, 4.9, 4.9]
    # The second bar of an aromatic bond is shorter.
    assert [round(box.width, 2) for box in boxes] == [1.4, 1.4, 0.7, *[1.4] * 5]
