import torch

from torch_afm.config import Scan
from torch_afm.elements import AtomClasses
from torch_afm.generation import baselines
from torch_afm.ppm import ProbeParticleModel


def test_what_they_find():
    scan = Scan(pixels=(9, 5), n_slices=2)
    renderer = ProbeParticleModel(scan, backend="torch")
    reference = torch.zeros(1, 1, *scan.shape)
    reference[0, 0, -1, 3, 2] = 1.0
    reference[0, 0, 0, 1, 1] = 5.0  # in another slice
    found = {k: p(reference, renderer, 9.0) for k, p in baselines(AtomClasses()).items()}
    assert found["stop at once"].graph.z.numel() == 0
    one = found["brightest pixel"].graph
    assert one.z.tolist() == [1] and one.pos.tolist() == [[float(scan.x[2]), float(scan.y[3]), 0.0]]
    assert all(g.ended == "stop" and not g.steps for g in found.values())


def test_random_atoms_fill_the_window_alike_for_a_seed():
    scan = Scan(pixels=(4, 4), n_slices=2)
    renderer = ProbeParticleModel(scan, backend="torch")
    reference = torch.zeros(1, 1, *scan.shape)
    draws = []
    for _ in range(2):
        torch.manual_seed(1)
        random = baselines(AtomClasses())["random atoms"]
        draws.append([random(reference, renderer, 9.0).graph for _ in range(200)])
    pos, again = (torch.cat([g.pos for g in one]) for one in draws)
    assert torch.equal(pos, again)
    assert {g.z.numel() for g in draws[0]} == set(range(1, 11))
    assert set(torch.cat([g.z for g in draws[0]]).tolist()) == {1, 6}
    assert pos[:, :2].abs().max() <= 8 and pos[:, :2].abs().mean() > 3.5
    assert pos[:, 2].min() >= -0.7 and pos[:, 2].max() <= 0
