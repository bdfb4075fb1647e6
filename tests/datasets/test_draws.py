import json
from dataclasses import replace

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
    molecules = [source.oriented(index // settings.group_size) for _, index in keys]
    return settings.draw(keys, molecules, SCAN)


def _copies(n):
    return replace(SETTINGS, copies=n, augment=Augment((CropSlices(3),), (Noise(),)))


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


def test_copies_share_what_is_rendered_and_nothing_else(source):
    settings = _copies(8)
    draws = _draw(source, [(3, i) for i in range(4 * 2 * 8)], settings)
    single = _draw(source, [(3, i) for i in range(4 * 2)], replace(settings, copies=1))
    for pair, first in enumerate(single):
        eight = draws[8 * pair : 8 * pair + 8]
        assert {one.render_keys for one in eight} == {first.render_keys}
        assert all((one.group, one.mutant) == (first.group, first.mutant) for one in eight)
        assert [[name for name, _ in one.frame] for one in eight] == [["Turn", "CropSlices"]] * 8
        assert len({str(one.frame[0]) for one in eight}) == 8
        for part in ("reference", "simulated"):
            assert len({str(getattr(one, part).steps) for one in eight}) == 8
        # What a copy has of its own does not depend on how many there are.
        assert (eight[0].reference, eight[0].simulated) == (first.reference, first.simulated)
        assert eight[0].frame[1:] == first.frame
    # The copies of the second mutant have the references of those of the first.
    assert [draw.reference_key for draw in draws[:8]] == [draw.reference_key for draw in draws[8:16]]
    assert len({draw.reference_key for draw in draws}) == 4 * 8
    orders = {str([draw.frame[0] for draw in draws[i : i + 8]]) for i in range(0, 64, 16)}
    assert len(orders) == 4
    again = [_draw(source, [(3, i)], settings)[0] for i in reversed(range(64))]
    assert again[::-1] == draws


def test_few_copies_have_any_symmetry_that_the_window_has(source):
    keys = [(epoch, index) for epoch in range(30) for index in range(0, 16, 4)]
    for scan, n in ((SCAN, 8), (Scan(pixels=(12, 8)), 4)):
        molecules = [source.oriented(index // 4) for _, index in keys]
        draws = _copies(2).draw(keys, molecules, scan)
        turns = [draw.frame[0][1] for draw in draws]
        assert len({str(turn) for turn in turns}) == n
        assert n == 8 or not any(turn["turns"] % 2 for turn in turns)


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
    for copies in (0, 3, 16):
        with pytest.raises(InputError, match=f"copies: expected one of .*, got {copies}"):
            StepDraws(copies=copies)
    with pytest.raises(InputError, match="augment: expected no Turn beside copies"):
        StepDraws(copies=2, augment=Augment((CropSlices(3), Turn())))
    wide = Scan(pixels=(12, 8))
    assert StepDraws(copies=4).scan(wide) == wide
    with pytest.raises(InputError, match=r"copies: expected at most 4 .* no square, got 8 of \(12, 8\)"):
        StepDraws(copies=8).scan(wide)
