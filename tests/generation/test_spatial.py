"""The generation loop, against a network that knows the truth and maps what is missing of it."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from torch_afm.config import Scan
from torch_afm.data import AFMData, covalent_bonds, from_smiles
from torch_afm.elements import AtomClasses
from torch_afm.generation import generate_spatial
from torch_afm.metrics import match_atoms
from torch_afm.models import SpatialGenerator
from torch_afm.nn import GraphOutput, MapGrid, SpatialPrediction
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.testing import benzene
from torch_afm.transforms import NormalizeSlices, Orient, best_rotations
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt

SCAN = Scan(window=((-4.0, 4.0), (-4.0, 4.0)), pixels=(16, 16), n_slices=2)
GRID = MapGrid.of(SCAN, 2)
Z_TOP = 9.0


class Oracle(nn.Module):
    """Maps the missing atoms of ``truth``: logit 4 at their pixels, sigma 0.1, 0.2, 0.3 Å. Sees bonds where
    :func:`covalent_bonds` does, says that no atom should move, and believes in all but those at
    ``doubted``."""

    def __init__(
        self,
        truth: AFMData,
        stop: bool = True,
        blind: bool = False,
        logit: float = 4.0,
        doubted: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.truth, self.stop, self.blind, self.logit = truth, stop, blind, logit
        self.doubted = doubted
        self.classes, self.grid = AtomClasses(), GRID
        self.config = SimpleNamespace(scan=SCAN, z_min=-0.7)
        self.seen = []

    def forward(self, batch):
        graphs = batch.to_data_list()
        self.seen.extend(graphs)
        outs = [self.one(graph) for graph in graphs]
        start = batch.ptr.tolist()
        pairs = torch.cat([out.graph.pairs + k for out, k in zip(outs, start, strict=False)], dim=1)
        said = (torch.cat(parts) for parts in list(zip(*(out.graph for out in outs), strict=True))[1:])
        maps = (torch.cat(parts) for parts in list(zip(*outs, strict=True))[:5])
        return SpatialPrediction(*maps, GraphOutput(pairs, *said))

    def one(self, data):
        heat = torch.full((1, 2, *GRID.shape), -9.0)
        position = torch.zeros(1, 2, 3, *GRID.shape)
        sigma = torch.tensor([0.1, 0.2, 0.3])
        log_var = (2 * sigma.log())[None, None, :, None, None].expand_as(position)
        x, y = GRID.axes(position)
        missing = 0
        for z, pos in zip(self.truth.z, self.truth.pos, strict=True):
            if not self.blind and ((data.pos - pos).norm(dim=1) < 1e-3).any():
                continue
            k = int(self.classes.of(z)) - 1
            column, row = (int(i) for i in GRID.nearest(pos[None]))
            if heat[0, k, row, column] < 0:  # one atom a pixel, as in a network
                heat[0, k, row, column] = self.logit
                position[0, k, :, row, column] = torch.stack([pos[0] - x[column], pos[1] - y[row], pos[2]])
            missing += bool(pos[2] >= -0.7)
        stop = torch.tensor([4.0 if self.stop and not missing else -4.0])
        kind = torch.zeros_like(heat)
        return SpatialPrediction(heat, kind, position, log_var, stop, self.said(data))

    def said(self, data):
        pairs = (torch.cdist(data.pos, data.pos) < 2.8).triu(diagonal=1).nonzero().T
        known = {tuple(pair) for pair in covalent_bonds(data.z, data.pos).T.tolist()}
        bond = torch.tensor([4.0 if tuple(pair) in known else -4.0 for pair in pairs.T.tolist()])
        log_var = (2 * torch.tensor([0.1, 0.2, 0.3]).log()).expand(len(data.z), 3)
        real = torch.full((len(data.z),), 4.0)
        if self.doubted is not None:
            real[(data.pos[:, 2] - self.doubted).abs() < 1e-4] = -4.0
        return GraphOutput(pairs, bond, torch.zeros(len(data.z), 3), log_var, real)


@pytest.fixture(scope="module")
def renderer() -> ProbeParticleModel:
    return ProbeParticleModel(SCAN)


@pytest.fixture(scope="module")
def reference(renderer):
    return renderer(benzene(), z_top=Z_TOP)


def run(model, reference, renderer, **kwargs):
    return generate_spatial(model, reference, renderer, Z_TOP, **{"views": 1, "revisions": 0} | kwargs)


def by_place(z, pos):
    return sorted(zip(z.tolist(), (tuple(round(v, 4) for v in p) for p in pos.tolist()), strict=True))


@pytest.mark.parametrize("each", [None, 1, 5])
def test_all_atoms_are_recovered_exactly(each, reference, renderer):
    truth = benzene()
    model = Oracle(truth)
    generation = run(model, reference, renderer, atoms_per_step=each)
    graph = generation.graph
    assert generation.ended == "stop" and generation.context.z.numel() == 0
    assert by_place(graph.z, graph.pos) == by_place(truth.z, truth.pos)
    expected = covalent_bonds(graph.z, graph.pos).T.tolist()
    assert sorted(graph.edge_index.T.tolist()) == sorted(expected) and len(expected) == 24
    torch.testing.assert_close(graph.bond_probability, torch.full((24,), 1 / (1 + math.exp(-4))))
    torch.testing.assert_close(graph.sigma, torch.tensor([[0.1, 0.2, 0.3]] * 12))
    torch.testing.assert_close(graph.confidence, torch.full((12,), 1 / (1 + math.exp(-4))), atol=1e-3, rtol=0)
    assert torch.equal(graph.class_probabilities.argmax(dim=1), model.classes.of(graph.z) - 1)
    counts = [step.found.z.numel() for step in generation.steps]
    assert sum(counts) == 12 and counts[-1] == 0 and len(counts) == {None: 2, 1: 13, 5: 4}[each]


def test_each_step_sees_the_render_of_the_graph_so_far(reference, renderer):
    model = Oracle(benzene())
    generation = run(model, reference, renderer, atoms_per_step=4)
    normalize = NormalizeSlices()
    for step, seen in zip(generation.steps, model.seen, strict=True):
        expected = renderer(AFMData(z=step.graph.z, pos=step.graph.pos), z_top=Z_TOP)
        torch.testing.assert_close(step.simulated, expected)
        torch.testing.assert_close(seen.simulated, normalize(expected))
        torch.testing.assert_close(seen.reference, normalize(reference))
        assert torch.equal(seen.pos, step.graph.pos)
    assert torch.equal(generation.simulated, generation.steps[-1].simulated)


def test_atoms_above_each_other_come_one_after_the_other(reference, renderer):
    truth = AFMData(z=torch.tensor([6, 6]), pos=torch.tensor([[0.3, 0.2, 0.0], [0.3, 0.3, -0.6]]))
    generation = run(Oracle(truth), reference, renderer)
    assert [step.found.z.numel() for step in generation.steps] == [1, 1, 0]
    assert by_place(generation.graph.z, generation.graph.pos) == by_place(truth.z, truth.pos)


def test_context_is_apart(reference, renderer):
    pos = torch.tensor([[0.3, 0.2, 0.0], [1.8, 0.3, -1.0], [-1.8, 0.3, -0.69]])
    generation = run(Oracle(AFMData(z=torch.tensor([6, 6, 1]), pos=pos)), reference, renderer)
    assert by_place(generation.graph.z, generation.graph.pos) == by_place(torch.tensor([6, 1]), pos[[0, 2]])
    torch.testing.assert_close(generation.context.pos, pos[1:2])
    assert generation.steps[-1].graph.z.numel() == 3
    story = json.loads(json.dumps(generation.to_dict()))
    assert len(story["atoms"]) == 2 and len(story["context"]) == 1
    assert story["context"][0]["element"] == "C" and len(story["context"][0]["sigma"]) == 3


def test_no_atom_is_ever_placed_on_another(reference, renderer):
    model = Oracle(benzene(), stop=False, blind=True)
    generation = run(model, reference, renderer)
    assert generation.ended == "repeat" and generation.graph.z.numel() == 12
    assert torch.pdist(generation.graph.pos).min() > 0.5
    # H and C of one place are two names for one atom.
    both = AFMData(z=torch.tensor([1, 6]), pos=torch.tensor([[0.3, 0.2, 0.0], [0.3, 0.3, 0.1]]))
    generation = run(Oracle(both, logit=-0.2), reference, renderer)
    assert generation.graph.z.numel() == 1
    assert float(generation.graph.confidence) == pytest.approx(2 / (1 + math.exp(0.2)), rel=1e-3)
    torch.testing.assert_close(generation.graph.class_probabilities, torch.tensor([[0.5, 0.5]]))


def test_how_it_ends(reference, renderer):
    assert run(Oracle(benzene(), stop=False), reference, renderer).ended == "stop"  # nothing more to see
    full = run(Oracle(benzene()), reference, renderer, max_atoms=5)
    assert full.ended == "max_atoms" and full.graph.z.numel() == 5
    unsure = run(Oracle(benzene(), logit=0.0), reference, renderer, confidence=0.6)
    assert unsure.ended == "stop" and unsure.graph.z.numel() == 0


def test_mode_is_restored_and_bad_input_refused(reference, renderer):
    model = Oracle(benzene()).train()
    run(model, reference, renderer)
    assert model.training
    with pytest.raises(InputError, match="reference: expected shape"):
        run(model, reference[..., 1:], renderer)
    with pytest.raises(InputError, match="confidence"):
        run(model, reference, renderer, confidence=0.0)
    with pytest.raises(InputError, match="atoms_per_step"):
        run(model, reference, renderer, atoms_per_step=0)
    with pytest.raises(InputError, match="model: heat"):
        run(Oracle(benzene(), logit=math.nan), reference, renderer)


def test_revisions_move_and_remove(reference, renderer):
    truth = benzene()
    truth.pos[:, 2] = -0.01 * torch.arange(12)
    plain = run(Oracle(truth), reference, renderer)
    revised = run(Oracle(truth), reference, renderer, revisions=2)
    assert len(revised.steps) == len(plain.steps) + 2
    assert by_place(revised.graph.z, revised.graph.pos) == by_place(plain.graph.z, plain.graph.pos)
    # Seen in every pass, and believed in by none.
    doubted = run(Oracle(truth, doubted=-0.03), reference, renderer, revisions=2, max_atoms=30)
    assert doubted.graph.z.numel() == 11 or doubted.ended == "max_atoms"

    class Drifting(Oracle):
        def said(self, data):
            away = torch.tensor([0.1, 0.0, 0.0]).expand(len(data.z), 3)
            return super().said(data)._replace(move=away, real=torch.full((len(data.z),), 4.0))

    drifted = run(Drifting(truth, blind=True), reference, renderer, revisions=3)
    moved = match_atoms(drifted.graph.pos, truth.pos, 0.5)
    apart = drifted.graph.pos[moved.pred] - truth.pos[moved.true]
    torch.testing.assert_close(apart, torch.tensor([0.3, 0.0, 0.0]).expand(12, 3))


def test_the_shipped_weights_find_most_atoms():
    model = SpatialGenerator.from_pretrained("spatial")
    ppm = ProbeParticleModel(model.config.scan)
    found = there = 0
    for smiles in ("CC(=O)OCC(C)C", "CC(C)Cc1ccccc1", "NC1CCCCC1", "COc1ccccc1C", "CCCCC(=O)CC", "CC(C)CCS"):
        molecule = from_smiles(smiles)
        truth = Orient(best_rotations(molecule.pos, n=1)[0])(molecule)
        z_top = float(anchor_height(truth, ppm.scan, ppm.tip))
        graph = generate_spatial(model, ppm(truth, z_top=z_top), ppm, z_top).graph
        visible = truth.pos[truth.pos[:, 2] >= model.config.z_min]
        found += match_atoms(graph.pos, visible, 0.5).pred.numel()
        there += (len(graph.pos) + len(visible)) / 2
    assert found / there > 0.6
