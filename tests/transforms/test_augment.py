import json

import numpy as np
import pytest
import torch

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.transforms import (
    Augment,
    NormalizeSlices,
    RandomCropSlices,
    RandomCropWindow,
    RandomCutout,
    RandomNoise,
    RandomPlane,
    RandomSliceShift,
    RandomTurn,
    Turn,
    change_graphs,
    change_stacks,
)
from torch_afm.utils import InputError

SCAN = Scan(pixels=(40, 40), n_slices=6)
POS = np.array([[1.0, 0.5, 0.0], [-2.0, 3.0, -0.4]])
ALL = Augment(
    (RandomTurn(), RandomCropSlices(5, 3), RandomCropWindow((33, 30))),
    (RandomPlane(), RandomNoise(), RandomSliceShift(), RandomCutout()),
)


def _drawn(n, augment=ALL):
    rngs = [np.random.default_rng(i) for i in range(n)]
    frame = [augment.draw_frame(SCAN, POS, rng) for rng in rngs]
    return frame, [augment.draw_stack(augment.scan(SCAN).shape, rng) for rng in rngs]


@pytest.mark.parametrize(("threads", "at_a_time"), [(1, 2**19), (2, 2**19), (1, 30_000)])
def test_a_sample_has_the_same_bits_alone_and_in_any_batch_and_through_json(threads, at_a_time, monkeypatch):
    monkeypatch.setattr("torch_afm.transforms.augment._CACHED", at_a_time)
    before = torch.get_num_threads()
    stack = torch.randn(33, 1, 6, 40, 40, generator=torch.manual_seed(0))
    frame, stacks = _drawn(33)
    try:
        torch.set_num_threads(threads)
        together = change_stacks(stack, frame, stacks)
        assert together.shape == (33, 1, 5, 30, 33)
        for part in (slice(0, 1), slice(5, 6), slice(30, 33), slice(1, 18)):
            texts = json.dumps([frame[part], stacks[part]])
            assert torch.equal(change_stacks(stack[part], *json.loads(texts)), together[part])
    finally:
        torch.set_num_threads(before)


def test_frame_then_normalised_then_the_rest():
    augment = Augment((RandomTurn(),), ())
    stack = torch.randn(4, 1, 6, 40, 40, generator=torch.manual_seed(0)) * 3 + 1
    frame, stacks = _drawn(4, augment)
    turns, mirrors = zip(*((d["turns"], d["mirror"]) for [(_, d)] in frame), strict=True)
    expected = NormalizeSlices()(Turn(turns, mirrors).stack(stack))
    assert torch.equal(change_stacks(stack, frame, stacks), expected)


def test_graph_goes_along():
    frame, _ = _drawn(6)
    samples = [AFMData(pos=torch.from_numpy(POS), z_top=torch.tensor([9.0])) for _ in range(6)]
    change_graphs(samples, SCAN, frame)
    (x0, x1), (y0, y1) = ALL.scan(SCAN).window
    for sample, steps in zip(samples, frame, strict=True):
        assert float(sample.z_top) == pytest.approx(9.0 - 0.1 * dict(steps)["CropSlices"]["start"])
        # The crop is drawn after the turn, so that it still shows all atoms.
        assert x0 <= sample.pos[:, 0].min() and sample.pos[:, 0].max() <= x1
        assert y0 <= sample.pos[:, 1].min() and sample.pos[:, 1].max() <= y1
        assert float((sample.pos[0] - sample.pos[1]).norm()) == pytest.approx(
            float(np.hypot(np.hypot(3, 2.5), 0.4))
        )


def test_defaults_are_the_thesis_and_nothing_may_be_asked_for():
    assert [type(t) for t in Augment().stack] == [RandomNoise, RandomSliceShift, RandomCutout]
    assert str(Augment((), ())) == "Augment(frame=[], stack=[], share=1.0)"
    stack = torch.randn(2, 1, 6, 40, 40, generator=torch.manual_seed(0))
    assert torch.equal(change_stacks(stack, [[], []], [[], []]), NormalizeSlices()(stack))


_MIXED = [
    [["AddNoise", {"amplitude": 0.1, "seed": 1}]],
    [["AddPlane", {"amplitude": 0.1, "angle": 0.0}]],
]


def test_a_share_of_the_stacks_is_changed():
    rng, shape = np.random.default_rng(0), (6, 40, 40)
    augment = Augment(share=0.3)
    drawn = [augment.draw_stack(shape, rng) for _ in range(1000)]
    assert np.mean([bool(steps) for steps in drawn]) == pytest.approx(0.3, abs=0.05)
    stack = torch.randn(40, 1, *shape, generator=torch.manual_seed(0))
    done = change_stacks(stack, [[]] * 40, drawn[:40])
    changed = [not torch.equal(a, b) for a, b in zip(done, NormalizeSlices()(stack), strict=True)]
    assert changed == [bool(steps) for steps in drawn[:40]]
    alone = [change_stacks(one[None], [[]], [steps])[0] for one, steps in zip(stack, drawn, strict=False)]
    assert torch.equal(done, torch.stack(alone))
    with pytest.raises(InputError, match="share: expected a share"):
        Augment(share=1.2)


def test_unknown_or_mixed_steps():
    stack = torch.zeros(2, 1, 2, 4, 4)
    for stacks in ([[["Blur", {}]]] * 2, _MIXED):
        with pytest.raises(InputError, match="drawn: expected the same of AddNoise"):
            change_stacks(stack, [[], []], stacks)


@pytest.mark.gpu
def test_on_a_gpu():
    stack = torch.randn(5, 1, 6, 40, 40, generator=torch.manual_seed(0))
    frame, stacks = _drawn(5)
    out = change_stacks(stack.cuda(), frame, stacks)
    assert out.is_cuda and torch.allclose(out.cpu(), change_stacks(stack, frame, stacks), atol=1e-5)
