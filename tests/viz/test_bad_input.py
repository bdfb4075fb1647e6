"""What cannot be drawn is refused by name."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.testing import water
from torch_afm.transforms import Augment
from torch_afm.utils import InputError
from torch_afm.viz import (
    plot_augmentations,
    plot_distributions,
    plot_graph,
    plot_graphs_3d,
    plot_radar,
    plot_search,
    plot_stack,
    plot_translations,
)
from torch_afm.viz.training import read_curves

SCAN = Scan(pixels=(12, 12), n_slices=6)
STACK, X, Y = np.zeros((3, 4, 5)), np.arange(5.0), np.arange(4.0)


def carbons(*pos: list[float], n: int = 1) -> AFMData:
    return AFMData(
        z=torch.full((n,), 6), pos=torch.tensor(pos), edge_index=torch.empty(2, 0, dtype=torch.long)
    )


NAN = carbons([0.0, 0.0, float("nan")])
LEAF, OTHER = (SimpleNamespace(parent=p, move="add 1", atoms=1, score=0.0) for p in (-1, 1))

#: What is drawn -> the argument that the error names.
BAD = [
    (lambda: plot_augmentations(torch.zeros(2, 1, 5, 12, 12), water(), SCAN, Augment()), "tips"),
    (lambda: plot_augmentations(torch.zeros(0, 1, 6, 12, 12), water(), SCAN, Augment()), "tips"),
    (lambda: plot_distributions({}, []), "reference"),
    (lambda: plot_graph(NAN), "pos"),
    (lambda: plot_graph(carbons([0.0, 0.0, 0.0], n=2)), "pos"),
    (lambda: plot_graphs_3d({}), "graphs"),
    (lambda: plot_graphs_3d({"a": NAN}), "pos"),
    (lambda: plot_radar({}, "energy"), "comparisons"),
    (lambda: plot_search([LEAF], 1), "tree, best"),
    (lambda: plot_search([LEAF, OTHER], 0), "tree, best"),
    (lambda: plot_stack(np.zeros((4, 5))), "stack"),
    (lambda: plot_stack(np.full((1, 4, 5), np.nan)), "stack"),
    (lambda: plot_stack(STACK, X), "x, y"),
    (lambda: plot_stack(STACK, Y, X), "x"),
    (lambda: plot_stack(STACK, X, Y, [7]), "slices"),
    (lambda: plot_translations({}), "stacks"),
    (lambda: read_curves(["nowhere.csv"]), "nowhere.csv"),
    (lambda: read_curves([__file__]), "expected learning curves"),
]


def test_the_argument_is_named():
    for draw, name in BAD:
        with pytest.raises(InputError) as caught:
            draw()
        assert str(caught.value).startswith(name) or name in str(caught.value).partition(", got")[0]
