"""Predictions in another frame."""

import torch

from tests.prediction.networks import SCAN, Z_TOP, Oracle
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import generate
from torch_afm.prediction.frames import inside_scan, move_graph, move_step
from torch_afm.testing import benzene


def test_all_atoms_of_a_step_move():
    renderer = ProbeParticleModel(SCAN)
    found = generate(Oracle(benzene()), renderer(benzene(), z_top=Z_TOP), renderer, Z_TOP, views=1)
    shift, step = torch.tensor([1.0, -2.0, 0.5]), found.steps[1]
    moved = move_step(step, shift)
    for before, after in (
        (step.graph.pos, moved.graph.pos),
        (step.added.pos, moved.added.pos),
        (step.proposal.atoms.pos, moved.proposal.atoms.pos),
        (step.proposal.revised.pos, moved.proposal.revised.pos),
    ):
        torch.testing.assert_close(after, before + shift)
    assert moved.simulated is step.simulated
    assert torch.equal(move_graph(step.graph, shift).edge_index, step.graph.edge_index)


def test_half_a_pixel_around_a_scan_is_inside():
    size = SCAN.pixel_size[0]
    pos = torch.tensor([[4 + 0.4 * size, 0, 0], [4 + 0.6 * size, 0, 0], [0, -4 - 0.4 * size, 9], [0, -5, 0]])
    assert inside_scan(pos, SCAN).tolist() == [True, False, True, False]
