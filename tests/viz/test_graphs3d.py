import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.viz import plot_graphs_3d


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


def test_nearer_to_the_eye_is_drawn_over():
    low, high = plot_graphs_3d({"": _pair()}, elevation=90.0).axes[0].lines[1:]
    assert low.get_zorder() < high.get_zorder()
