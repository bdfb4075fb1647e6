"""What was drawn and stored before every augmentation was one class (under names such as ``AddNoise``) gives
what it gave, and the same generators draw it again.

Augmentations round one sum or product at a time, so most are compared to the bit. The last bit depends on the
processor where NumPy takes cosines, exponentials or logarithms, and where slices are normalized.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from torch_afm import transforms
from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.testing import water
from torch_afm.transforms import (
    Augment,
    FrameAugmentation,
    RandomMutant,
    RandomTip,
    StackAugmentation,
    change_graphs,
    change_stacks,
)
from torch_afm.transforms.base import as_lists

FILE = Path(__file__).with_name("stored_draws.json")
STORED = json.loads(FILE.read_text())
RESULTS = np.load(FILE.with_suffix(".npz"))
SCAN = Scan(window=((-4.0, 6.0), (0.0, 10.0)), pixels=(12, 12), n_slices=6)
POS = np.array([[1.0, 4.5, 0.0], [-1.0, 7.0, -0.4]])
SHAPE = (3, 10, 9)
INEXACT = ("AddPlane", "TipAsymmetry", "Creep")

STACK = {
    "AddNoise": transforms.Noise(),
    "AddPlane": transforms.Plane(),
    "AddRowOffsets": transforms.RowOffsets(),
    "ShiftSlices": transforms.SliceShift(),
    "CutOut": transforms.Cutout(),
    "DoubleTip": transforms.DoubleTip(),
    "TipAsymmetry": transforms.TipAsymmetry(),
    "Drift": transforms.Drift(),
    "Creep": transforms.Creep(),
}
FRAME = {
    "Turn": transforms.Turn(),
    "CropSlices": transforms.CropSlices(4, 2),
    "CropWindow": transforms.CropWindow((9, 8)),
}
WHOLE = Augment(tuple(FRAME.values()), transforms.handcrafted())
MUTANTS = (RandomMutant(), RandomMutant(empty=0.5), RandomMutant(misplaced=0.4, extra=3))


def _stacks(shape):
    values = np.random.default_rng(0).uniform(-2, 3, (2, 1, *shape))
    return torch.from_numpy(values.astype(np.float32))


def _rngs():
    return [np.random.default_rng(seed) for seed in (1, 2)]


def _agree(drawn, stored):
    """Equal, but for the last bits of numbers that sines and cosines are in."""
    if isinstance(stored, dict):
        assert drawn.keys() == stored.keys()
        drawn, stored = list(drawn.values()), list(stored.values())
    if isinstance(stored, list):
        assert len(drawn) == len(stored)
        for one, other in zip(drawn, stored, strict=True):
            _agree(one, other)
    else:
        assert drawn == (pytest.approx(stored, rel=1e-12) if isinstance(stored, float) else stored)


def _compare(name, result):
    expected = torch.from_numpy(RESULTS[name])
    if name in INEXACT:
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-6)
    else:
        assert torch.equal(result, expected)


@pytest.mark.parametrize("name", STACK)
def test_stacks(name):
    drawn = STORED["stack"][name]
    _compare(name, StackAugmentation.named(name).apply(_stacks(SHAPE), **as_lists(drawn)))
    _agree([STACK[name].draw(SHAPE, rng) for rng in _rngs()], drawn)


@pytest.mark.parametrize("name", FRAME)
def test_frames(name):
    drawn = STORED["frame"][name]
    _compare(name, FrameAugmentation.named(name).apply(_stacks(SCAN.shape), **as_lists(drawn)))
    _agree([FRAME[name].draw(SCAN, POS, rng) for rng in _rngs()], drawn)


def test_whole():
    frame, steps = STORED["whole"]["frame"], STORED["whole"]["steps"]
    result = change_stacks(_stacks(SCAN.shape), frame, steps)
    torch.testing.assert_close(result, torch.from_numpy(RESULTS["whole"]), rtol=0, atol=1e-5)
    samples = [
        AFMData(
            pos=torch.from_numpy(POS),
            missing_pos=torch.from_numpy(POS[:1]),
            z_top=torch.tensor([9.0], dtype=torch.float64),
        )
        for _ in range(2)
    ]
    change_graphs(samples, SCAN, frame)
    for sample, graph in zip(samples, STORED["graphs"], strict=True):
        _agree({key: sample[key].tolist() for key in graph}, graph)
    rngs = _rngs()
    _agree(
        [[d for _, d in WHOLE.draw_frame(SCAN, POS, rng)] for rng in rngs], [[d for _, d in f] for f in frame]
    )
    again = [WHOLE.draw_stack(WHOLE.scan(SCAN).shape, rng) for rng in rngs]
    _agree([[d for _, d in one] for one in again], [[d for _, d in one] for one in steps])


def test_tips():
    for rng, stored in zip(_rngs(), STORED["tips"], strict=True):
        move = {key: stored[key] for key in ("tilt", "distance")}
        _agree(RandomTip().draw(rng), move)
        tip, z_top = RandomTip.apply(Tip(tilt=(0.1, -0.2)), 9.0, **move)
        assert tip.tilt == tuple(stored["tip"]) and z_top == 9.0 + move["distance"]


def test_mutants():
    draws = [(transform, seed) for transform in MUTANTS for seed in (4, 7)]
    for (transform, seed), stored in zip(draws, STORED["mutants"], strict=True):
        drawn, graph = stored["drawn"], {key: stored[key] for key in stored if key != "drawn"}
        _agree(transform.draw(3, np.random.default_rng(seed)), drawn)
        mutant = RandomMutant.apply(water(), z_min=-0.9, **drawn)
        assert {key: mutant[key].tolist() for key in graph} == graph
