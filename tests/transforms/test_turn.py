import dataclasses

import numpy as np
import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, PotentialGrid
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import Turn
from torch_afm.utils import InputError

SCAN = Scan(window=((-4.0, 6.0), (0.0, 10.0)), pixels=(12, 12), n_slices=2, n_oscillation=3)
SYMMETRIES = [(turns, mirror) for turns in range(4) for mirror in (False, True)]


def _molecule():
    """No symmetry, off the center of the window (1, 5)."""
    return AFMData(
        z=torch.tensor([6, 8, 1]),
        pos=torch.tensor([[1.5, 5.2, 0.0], [2.7, 5.2, -0.2], [0.6, 6.9, -0.1]], dtype=torch.float64),
        charge=torch.tensor([0.1, -0.2, 0.1], dtype=torch.float64),
    )


@pytest.mark.parametrize(("turns", "mirror"), SYMMETRIES)
def test_turned_stack_is_the_stack_of_the_turned_molecule(turns, mirror):
    tip = Tip(tilt=(0.3, 0.1))
    render = ProbeParticleModel(SCAN, tip, dtype=torch.float64, backend="torch")
    stack = Turn.apply(render(_molecule(), z_top=8.5), [turns], [mirror])
    moved = _molecule()
    assert Turn.apply_to_scan(SCAN, [turns], [mirror]) == SCAN
    Turn.apply_to_graphs([moved], SCAN, [turns], [mirror])
    # The tip turns along.
    vector = np.array([-0.3 if mirror else 0.3, 0.1])
    for _ in range(turns):
        vector = np.array([-vector[1], vector[0]])
    expected = render(moved, dataclasses.replace(tip, tilt=tuple(vector)), z_top=8.5)
    assert float(stack.std()) > 0.1
    assert torch.allclose(stack, expected, atol=1e-5)


@pytest.mark.parametrize(("turns", "mirror"), [(1, False), (2, True)])
def test_lattice_and_potential_turn_along(turns, mirror):
    """Both as one sample has them: an oblique lattice, and a potential of its own along it."""
    cell = torch.tensor([[[4.2, 0, 0], [0.9, 5.1, 0], [0, 0, 12.0]]]).double()
    x, y = np.meshgrid(np.arange(12) / 12, np.arange(14) / 14, indexing="ij")
    wave = np.cos(2 * np.pi * x) + 0.5 * np.sin(2 * np.pi * (x + y))
    decay = np.exp(-1.2 * np.arange(40) * 0.3)
    sample = _molecule()
    sample.cell, sample.pbc = cell, torch.tensor([[True, True, False]])
    sample.potential = PotentialGrid(wave[:, :, None] * decay, np.array([0.2, 0.1, 0.0]), cell[0].numpy())
    render = ProbeParticleModel(
        SCAN, Tip(charges=(0.3,), charge_heights=(0.0,)), dtype=torch.float64, backend="torch"
    )
    stack = Turn.apply(render(sample, z_top=8.5), [turns], [mirror])
    moved = sample.clone()
    Turn.apply_to_graphs([moved], SCAN, [turns], [mirror])
    bare = render(_molecule(), z_top=8.5)
    assert (Turn.apply(bare, [turns], [mirror]) - stack).std() > 0.01
    torch.testing.assert_close(render(moved, z_top=8.5), stack, atol=1e-4, rtol=0)
    assert np.array_equal(sample.potential.origin, [0.2, 0.1, 0.0])


def test_missing_atoms_move_along_and_no_tensor_changes():
    samples = [AFMData(pos=_molecule().pos[:1], missing_pos=_molecule().pos[1:]) for _ in SYMMETRIES]
    before = [s.missing_pos for s in samples]
    Turn.apply_to_graphs(samples, SCAN, *zip(*SYMMETRIES, strict=True))
    assert torch.equal(before[3], _molecule().pos[1:])
    for sample in samples:
        whole = torch.cat([sample.pos, sample.missing_pos])
        assert torch.allclose(torch.cdist(whole, whole), torch.cdist(_molecule().pos, _molecule().pos))
    assert len({tuple(s.pos.flatten().round(decimals=6).tolist()) for s in samples}) == 8


def test_all_eight_once_undone_by_their_inverse():
    stack = torch.rand(8, 2, 3, 5, 5, generator=torch.manual_seed(0))
    out = Turn.apply(stack, *zip(*SYMMETRIES, strict=True))
    inverse = [(turns if mirror else -turns % 4, mirror) for turns, mirror in SYMMETRIES]
    assert torch.equal(Turn.apply(out, *zip(*inverse, strict=True)), stack)
    assert not any(torch.equal(out[i], stack[i]) for i in range(1, 8))


def test_half_turns_need_no_square():
    wide = dataclasses.replace(SCAN, pixels=(12, 8))
    assert Turn.apply_to_scan(wide, [0, 2], [True, False]) == wide
    with pytest.raises(InputError, match="expected a square to turn"):
        Turn.apply_to_scan(wide, [0, 3], [True, False])


def test_draws_all_equally():
    rng = np.random.default_rng(0)
    drawn = [Turn().draw(SCAN, np.zeros((1, 3)), rng) for _ in range(1600)]
    counts = [drawn.count({"turns": turns, "mirror": mirror}) for turns, mirror in SYMMETRIES]
    assert sum(counts) == 1600 and min(counts) > 150
    assert not any(Turn(mirror=False).draw(SCAN, np.zeros((1, 3)), rng)["mirror"] for _ in range(50))
