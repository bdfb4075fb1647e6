"""The search, with networks that know the truth, or half of it."""

import pytest
import torch

from tests.generation.test_spatial import GRID, SCAN, Z_TOP, Oracle, by_place
from torch_afm.data import AFMData
from torch_afm.generation import BeamGeneration, generate_beam, image_distance
from torch_afm.ppm import ProbeParticleModel
from torch_afm.testing import benzene
from torch_afm.utils import InputError


@pytest.fixture(scope="module")
def renderer():
    return ProbeParticleModel(SCAN)


@pytest.fixture(scope="module")
def reference(renderer):
    return renderer(benzene(), z_top=Z_TOP)


def run(model, reference, renderer, **kwargs):
    return generate_beam(model, reference, renderer, Z_TOP, **{"views": 1, "width": 2} | kwargs)


def test_what_the_network_knows_is_found(reference, renderer):
    truth = benzene()
    found = run(Oracle(truth), reference, renderer)
    assert isinstance(found, BeamGeneration) and found.ended == "search"
    assert by_place(found.graph.z, found.graph.pos) == by_place(truth.z, truth.pos)
    assert found.tree[0].parent == -1 and found.tree[0].atoms == 0
    assert all(node.parent < i for i, node in enumerate(found.tree))
    best = found.tree[found.best]
    assert best.score == max(node.score for node in found.tree)
    assert best.score == pytest.approx(best.likelihood - 4.0 * best.distance)
    assert torch.equal(found.steps[-1].graph.pos, torch.cat([found.graph.pos, found.context.pos]))


class Undecided(Oracle):
    """Sees each missing atom with a probability of 0.4, below the threshold of greedy generation, and doubts
    none."""

    def __init__(self, truth):
        super().__init__(truth, logit=-0.405)

    def said(self, data):
        said = super().said(data)
        return said._replace(real=torch.full((len(data.z),), 6.0))


class Mistaken(Oracle):
    """Takes a false atom for all but as real as the others, and misses it where it is gone."""

    def __init__(self, truth, false):
        super().__init__(
            AFMData(z=torch.cat([truth.z, torch.tensor([6])]), pos=torch.cat([truth.pos, false[None]]))
        )
        self.false = false

    def said(self, data):
        there = (data.pos - self.false).norm(dim=1) < 0.1
        return super().said(data)._replace(real=torch.where(there, 1.4, 1.5))


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

    def said(self, data):
        said = super().said(data)
        there = (data.pos - self.false).norm(dim=1) < 0.1
        return said._replace(real=torch.where(there, -0.5, 6.0))  # 0.38: too much to be dropped at once

    def one(self, data):
        out = super().one(data)
        if len(data.z) > 4:  # later on it knows better
            column, row = (int(i) for i in GRID.nearest(self.false[None]))
            out.heat[0, 1, row, column] = -9.0
            out.stop[0] = 4.0 if len(data.z) >= len(self.truth.z) - 1 else -4.0
        return out


def test_an_early_mistake_is_undone(reference, renderer):
    truth, false = benzene(), torch.tensor([3.2, 3.2, -0.2])
    found = run(Stubborn(truth, false), reference, renderer)
    assert by_place(found.graph.z, found.graph.pos) == by_place(truth.z, truth.pos)
    assert any(node.atoms == 13 for node in found.tree)


def test_a_filter_keeps_atoms_out(reference, renderer):
    truth = benzene()
    found = run(Oracle(truth), reference, renderer, allowed=lambda new, graph: new.z != 1)
    assert set(found.graph.z.tolist()) == {6}


def test_same_seed_same_graph(reference, renderer):
    runs = [run(Undecided(benzene()), reference, renderer, sample=True, seed=s) for s in (3, 3, 4)]
    assert [n.move for n in runs[0].tree] == [n.move for n in runs[1].tree]
    assert torch.equal(runs[0].graph.pos, runs[1].graph.pos)
    assert [n.move for n in runs[0].tree] != [n.move for n in runs[2].tree]


def test_distance_of_images(reference):
    assert float(image_distance(reference, reference)) == pytest.approx(0, abs=1e-6)
    assert float(image_distance(3 * reference - 7, reference)) == pytest.approx(0, abs=1e-6)
    assert float(image_distance(-reference, reference)) == pytest.approx(2, abs=1e-6)
    noise = torch.randn(200, *reference.shape[1:], generator=torch.manual_seed(0))
    assert float(image_distance(noise, reference).mean()) == pytest.approx(1, abs=0.02)
    assert float(image_distance(torch.zeros_like(reference), reference)) == pytest.approx(1)


def test_bad_settings(reference, renderer):
    for wrong in ({"width": 0}, {"image_weight": -1.0}, {"confidence": 0.0}):
        with pytest.raises(InputError, match="width, image_weight, confidence: expected"):
            run(Oracle(benzene()), reference, renderer, **wrong)
