import torch
from torch_geometric.data import Batch

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.models.single_step import strongest_atom
from torch_afm.nn import MapGrid, SpatialPrediction

GRID = MapGrid.centered((5, 7), (0.5, 0.5))
CLASSES = AtomClasses((("H",), ("C",), ("O",)))


def test_the_strongest_visible_atom_is_the_step():
    maps = SpatialPrediction(
        torch.full((1, 2, 5, 7), -5.0),
        torch.tensor([0.0, 0.25, 0.75]).log().nan_to_num(neginf=0)[:, None, None].expand(1, 3, 5, 7),
        torch.zeros(1, 2, 3, 5, 7),
        torch.zeros(1, 2, 3, 5, 7),
        torch.zeros(1),
        None,
    )
    maps.heatmap[0, 1, 3, 2], maps.heatmap[0, 0, 1, 1] = 2.0, 4.0
    maps.position[0, 1, :, 3, 2] = torch.tensor([0.1, -0.2, -0.5])
    maps.position[0, 0, 2, 1, 1] = -1.5  # stronger, but deep
    near, far = [-0.4, 0.3, 0.5], [2.0, 0.3, -0.5]
    data = Batch.from_data_list([AFMData(z=torch.tensor([6, 6]), pos=torch.tensor([near, far]))])
    step = strongest_atom(maps, data, GRID, CLASSES, -0.7)
    torch.testing.assert_close(step.pos, torch.tensor([[-0.4, 0.3, -0.5]]))
    p = torch.tensor(2.0).sigmoid()
    expected = torch.stack([1 - p, torch.tensor(1e-12), 0.25 * p, 0.75 * p])[None]
    torch.testing.assert_close(step.class_logits.exp(), expected)
    assert (step.edge_logits > 0).tolist() == [True, False]
    stopped = strongest_atom(maps, data, GRID, CLASSES, -0.7, torch.tensor([0.4]))
    torch.testing.assert_close(stopped.class_logits[:, 0].exp(), torch.tensor([0.4]))


def test_nothing_visible_is_a_stop():
    maps = SpatialPrediction(
        torch.zeros(1, 2, 5, 7),
        torch.zeros(1, 3, 5, 7),
        torch.full((1, 2, 3, 5, 7), -2.0),
        torch.zeros(1, 2, 3, 5, 7),
        torch.zeros(1),
        None,
    )
    step = strongest_atom(maps, Batch.from_data_list([AFMData.empty()]), GRID, CLASSES, -0.7)
    assert step.class_logits[0, 0].exp() == 1 and step.edge_logits.shape == (0,)
