import pytest
import torch

from torch_afm.config import Scan
from torch_afm.elements import AtomClasses
from torch_afm.models.peaks import find_atoms
from torch_afm.nn import MapGrid, SpatialPrediction

SCAN = Scan(window=((-4.0, 4.0), (-4.0, 4.0)), pixels=(17, 17))
GRID = MapGrid.from_scan(SCAN)
CLASSES = AtomClasses((("H",), ("C",), ("O",)))


@pytest.fixture
def maps() -> SpatialPrediction:
    """Nothing to be seen anywhere, hydrogen on plane 0, carbon and oxygen on plane 1."""
    out = torch.zeros(1, 2, 3, 17, 17)
    log_class = torch.tensor([0.0, 0.75, 0.25]).clamp(min=1e-9).log()
    log_class[0] = 0.0
    return SpatialPrediction(
        heatmap=torch.full((1, 2, 17, 17), -12.0),
        class_logits=log_class.view(1, 3, 1, 1).expand(1, 3, 17, 17).clone(),
        position=out.clone(),
        log_var=torch.full_like(out, 2 * torch.log(torch.tensor(0.1)).item()),
        stop=torch.zeros(1),
        graph=None,
    )


def _logit(p: float) -> float:
    return float(torch.tensor(p).logit())


def test_nothing_stands_out(maps):
    assert len(find_atoms(maps, GRID, CLASSES, 0.3).z) == 0


def test_a_peak_is_an_atom_where_its_pixel_says(maps):
    maps.heatmap[0, 1, 3, 5] = _logit(0.9)
    maps.position[0, 1, :, 3, 5] = torch.tensor([0.1, -0.2, -0.5])
    atoms = find_atoms(maps, GRID, CLASSES, 0.3)
    expected = [float(SCAN.x[5]) + 0.1, float(SCAN.y[3]) - 0.2, -0.5]
    assert atoms.z.tolist() == [6] and atoms.pos[0].tolist() == pytest.approx(expected, abs=1e-5)
    assert float(atoms.confidence) == pytest.approx(0.9, abs=1e-4)
    assert atoms.class_probabilities[0].tolist() == pytest.approx([0.0, 0.75, 0.25], abs=1e-3)
    assert atoms.sigma[0].tolist() == pytest.approx([0.1] * 3, rel=1e-4)


def test_the_highest_pixel_around_counts_alone(maps):
    for column, p in ((5, 0.6), (6, 0.8), (7, 0.7)):
        maps.heatmap[0, 1, 3, column] = _logit(p)
    atoms = find_atoms(maps, GRID, CLASSES, 0.3)
    assert atoms.confidence.tolist() == pytest.approx([0.8], abs=1e-4)


def test_planes_that_agree_on_a_place_share_one_atom(maps):
    maps.heatmap[0, 0, 3, 5], maps.heatmap[0, 1, 3, 5] = _logit(0.3), _logit(0.5)
    atoms = find_atoms(maps, GRID, CLASSES, 0.3)
    assert len(atoms.z) == 1 and float(atoms.confidence) == pytest.approx(0.8, abs=1e-4)
    assert float(atoms.class_probabilities[0, 0]) == pytest.approx(0.3 / 0.8, abs=1e-3)


def test_planes_that_differ_in_height_are_two_atoms(maps):
    maps.heatmap[0, 0, 3, 5], maps.heatmap[0, 1, 3, 5] = _logit(0.6), _logit(0.7)
    maps.position[0, 0, 2, 3, 5] = 1.1
    atoms = find_atoms(maps, GRID, CLASSES, 0.3)
    assert atoms.z.tolist() == [6, 1]


def test_the_less_certain_of_two_in_one_place_is_dropped(maps):
    maps.heatmap[0, 1, 3, 5], maps.heatmap[0, 1, 3, 8] = _logit(0.9), _logit(0.6)
    maps.position[0, 1, 0, 3, 8] = float(SCAN.x[5] - SCAN.x[8]) + 0.2
    atoms = find_atoms(maps, GRID, CLASSES, 0.3)
    assert atoms.confidence.tolist() == pytest.approx([0.9], abs=1e-4)


def test_the_least_confidence_is_asked(maps):
    maps.heatmap[0, 1, 3, 5] = _logit(0.4)
    assert len(find_atoms(maps, GRID, CLASSES, 0.41).z) == 0
    assert len(find_atoms(maps, GRID, CLASSES, 0.39).z) == 1
