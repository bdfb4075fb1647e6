"""The search, with networks that know the truth, or half of it."""

import pytest
import torch

from tests.generation.networks import GRID, SCAN, THIN, Z_TOP, Oracle, Script, by_place
from torch_afm.data import AFMData
from torch_afm.generation import generate, image_distance
from torch_afm.ppm import ProbeParticleModel
from torch_afm.testing import benzene
from torch_afm.utils import InputError


@pytest.fixture(scope="module")
def renderer():
    return ProbeParticleModel(SCAN)


@pytest.fixture(scope="module")
def reference(renderer):
    return renderer(benzene(), z_top=Z_TOP)


def run(model, reference, renderer, **options):
    settings = {"search": "beam", "views": 1, "width": 2} | options
    return generate(model, reference, renderer, Z_TOP, **settings)


def test_what_the_network_knows_is_found(reference, renderer):
    truth = benzene()
    found = run(Oracle(truth), reference, renderer)
    assert found.ended == "search"
    assert by_place(found.graph.z, found.graph.pos) == by_place(truth.z, truth.pos)
    assert found.search[0].parent == -1 and found.search[0].atoms == 0
    assert all(node.parent < i for i, node in enumerate(found.search))
    best = max(found.search, key=lambda node: node.taken * node.atoms)
    assert best.score == max(node.score for node in found.search)
    assert best.score == pytest.approx(best.likelihood - 4.0 * best.distance)
    assert torch.equal(found.steps[-1].graph.pos, torch.cat([found.graph.pos, found.context.pos]))


class Undecided(Oracle):
    """Sees each missing atom with a probability of 0.4, below the threshold of greedy generation, and doubts
    none."""

    def __init__(self, truth):
        super().__init__(truth, logit=-0.405)

    def of_graph(self, data):
        out = super().of_graph(data)
        return out._replace(real=torch.full((len(data.z),), 6.0))


class Mistaken(Oracle):
    """Takes a false atom for all but as real as the others, and misses it where it is gone."""

    def __init__(self, truth, false):
        super().__init__(
            AFMData(z=torch.cat([truth.z, torch.tensor([6])]), pos=torch.cat([truth.pos, false[None]]))
        )
        self.false = false

    def of_graph(self, data):
        there = (data.pos - self.false).norm(dim=1) < 0.1
        return super().of_graph(data)._replace(real=torch.where(there, 1.4, 1.5))


def test_the_image_decides_against_the_network(reference, renderer):
    truth, false = benzene(), torch.tensor([3.2, 3.2, -0.2])
    blind, seeing = (
        run(Mistaken(truth, false), reference, renderer, image_weight=weight) for weight in (0.0, 4000.0)
    )
    assert len(blind.graph.z) == 13
    assert by_place(seeing.graph.z, seeing.graph.pos) == by_place(truth.z, truth.pos)


class Stubborn(Oracle):
    """Puts an atom where there is none, at first, and doubts it once it is there."""

    def __init__(self, truth, false):
        both = AFMData(z=torch.cat([truth.z, torch.tensor([6])]), pos=torch.cat([truth.pos, false[None]]))
        super().__init__(both)
        self.false = false

    def of_graph(self, data):
        out = super().of_graph(data)
        there = (data.pos - self.false).norm(dim=1) < 0.1
        return out._replace(real=torch.where(there, -0.5, 6.0))  # 0.38: too much to be dropped at once

    def one(self, data):
        out = super().one(data)
        if len(data.z) > 4:  # later on it knows better
            column, row = (int(i) for i in GRID.nearest(self.false[None]))
            out.heatmap[0, 1, row, column] = -9.0
            out.stop[0] = 4.0 if len(data.z) >= len(self.truth.z) - 1 else -4.0
        return out


def test_an_early_mistake_is_undone(reference, renderer):
    truth, false = benzene(), torch.tensor([3.2, 3.2, -0.2])
    found = run(Stubborn(truth, false), reference, renderer)
    assert by_place(found.graph.z, found.graph.pos) == by_place(truth.z, truth.pos)
    assert any(node.atoms == 13 for node in found.search)


def test_a_filter_keeps_atoms_out(reference, renderer):
    truth = benzene()
    found = run(Oracle(truth), reference, renderer, allowed=lambda new, graph: new.z != 1)
    assert set(found.graph.z.tolist()) == {6}


def test_what_is_below_the_threshold_is_tried(reference, renderer):
    truth = benzene()
    assert len(generate(Undecided(truth), reference, renderer, Z_TOP, views=1).graph.z) == 0
    found = run(Undecided(truth), reference, renderer)
    assert by_place(found.graph.z, found.graph.pos) == by_place(truth.z, truth.pos)


def test_a_network_of_one_atom_a_step():
    """Each step is a graph of the tree; the bonds and confidences of the network stay with the atoms."""
    renderer = ProbeParticleModel(THIN)
    truth = AFMData(z=torch.tensor([6, 1]), pos=torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, -0.1]]))
    reference = renderer(truth, z_top=Z_TOP)
    found = run(Script((2, (0.0, 0.0, 0.0), ()), (1, (1.0, 0.0, -0.1), (0,))), reference, renderer)
    assert by_place(found.graph.z, found.graph.pos) == by_place(truth.z, truth.pos)
    assert [node.move for node in found.search if node.taken] == ["start", "add 1", "add 1"]
    assert found.graph.edge_index.tolist() == [[0, 1], [1, 0]]
    assert [len(step.added.z) for step in found.steps] == [1, 1, 0]


def test_distance_of_images(reference):
    assert float(image_distance(reference, reference)) == pytest.approx(0, abs=1e-6)
    assert float(image_distance(3 * reference - 7, reference)) == pytest.approx(0, abs=1e-6)
    assert float(image_distance(-reference, reference)) == pytest.approx(2, abs=1e-6)
    noise = torch.randn(200, *reference.shape[1:], generator=torch.manual_seed(0))
    assert float(image_distance(noise, reference).mean()) == pytest.approx(1, abs=0.02)
    assert float(image_distance(torch.zeros_like(reference), reference)) == pytest.approx(1)


def test_bad_settings(reference, renderer):
    for wrong in ({"width": 0}, {"image_weight": -1.0}):
        with pytest.raises(InputError, match="width, image_weight: expected"):
            run(Oracle(benzene()), reference, renderer, **wrong)
