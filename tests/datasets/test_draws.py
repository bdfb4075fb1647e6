import json

import numpy as np
import pytest
import torch

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.datasets import RotatedMolecules, StepDraw, StepDraws
from torch_afm.datasets.draws import distinct_references
from torch_afm.elements import AtomClasses
from torch_afm.testing import assert_same_graph, benzene, water
from torch_afm.transforms import Augment, CropSlices, Noise, RandomMutant, Turn
from torch_afm.utils import InputError

SCAN = Scan(pixels=(12, 12), n_slices=4)
SETTINGS = StepDraws(
    mutants=2,
    mutant=RandomMutant(misplaced=0.2, extra=2),
    augment=Augment((Turn(), CropSlices(3)), (Noise(),), share=0.5),
    seed=3,
)


@pytest.fixture(scope="module")
def source():
    return RotatedMolecules([water(), benzene()], rotations=2, candidates=10)


def _draw(source, keys, settings=SETTINGS):
    molecules = [source.oriented(index // settings.mutants) for _, index in keys]
    return settings.draw(keys, molecules, SCAN)


def test_a_draw_depends_on_seed_epoch_and_index_alone(source):
    keys = [(epoch, index) for epoch in (0, 4) for index in range(8)]
    draws = _draw(source, keys)
    assert [_draw(source, [key])[0] for key in keys[::-1]] == draws[::-1]
    assert len({draw.to_json() for draw in draws}) == 16
    assert len({draw.reference_key for draw in draws}) == 8
    for first, second in zip(draws[::2], draws[1::2], strict=True):
        assert (first.group, first.frame, first.reference) == (second.group, second.frame, second.reference)
        assert first.simulated != second.simulated
    assert distinct_references(draws[3:8]) == ([0, 1, 3], [0, 1, 1, 2, 2])


def test_json_keeps_every_bit(source):
    for draw in _draw(source, [(0, i) for i in range(8)]):
        again = StepDraw.from_json(draw.to_json())
        assert again.to_json() == draw.to_json() and again.reference_key == draw.reference_key
        assert set(json.loads(draw.to_json())) >= {"group", "frame", "reference", "removed", "simulated"}
        # Lists take the places of tuples, as always in JSON.
        molecule = source.oriented(draw.group)
        found, expected = SETTINGS.cut(molecule.clone(), again), SETTINGS.cut(molecule, draw)
        for graph in (found, expected):
            graph.true_pos = graph.true_pos.nan_to_num(9e9)  # of false atoms
        assert_same_graph(found, expected)


def test_share_of_stacks_with_augmentations(source):
    draws = _draw(source, [(epoch, i) for epoch in range(40) for i in range(8)])
    stacks = [stack for draw in draws for stack in (draw.reference, draw.simulated)]
    share = np.mean([bool(stack.steps) for stack in stacks])
    assert 0.4 < share < 0.6  # four standard deviations, for shared references
    assert all([name for name, _ in draw.frame] == ["Turn", "CropSlices"] for draw in draws)


def test_the_simulated_stack_images_what_prediction_knows():
    z, pos = torch.tensor([1, 7, 8, 6]), torch.tensor([[0.0, 0, 0], [1, 0, -0.5], [2, 0, -0.6], [3, 0, -2]])
    whole = AFMData(z=z, pos=pos, charge=torch.tensor([0.1, -0.2, 0.3, 0.4]))
    mutant = AFMData(z=z[:2], pos=pos[:2], charge=whole.charge[:2])
    classes = AtomClasses((("H",), ("C", "N", "O")))
    shown = StepDraws(classes=classes).imaged(mutant, whole)
    assert shown.z.tolist() == [1, 6] and not shown.charge.any() and torch.equal(shown.pos, mutant.pos)
    shown = StepDraws(classes=classes, keep_deep=True, true_elements=True).imaged(mutant, whole)
    assert shown.z.tolist() == [1, 7, 6] and torch.equal(shown.charge, whole.charge[[0, 1, 3]])
    assert torch.equal(shown.pos, pos[[0, 1, 3]])


def test_bad_input():
    for text in ("no json", "{}", "[]", '{"group": 0, "frame": [], "reference": 3, "simulated": {}}'):
        with pytest.raises(InputError, match="drawn: expected what a sample kept"):
            StepDraw.from_json(text)
    with pytest.raises(InputError, match="mutants: expected at least 1, got 0"):
        StepDraws(mutants=0)
