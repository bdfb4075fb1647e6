import json
import pickle

import numpy as np
import pytest
import torch

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.functional import normalize_slices
from torch_afm.transforms import (
    Augment,
    CropSlices,
    CropWindow,
    Cutout,
    FrameAugmentation,
    Noise,
    Plane,
    SliceShift,
    StackAugmentation,
    Turn,
    change_graphs,
    change_stacks,
    handcrafted,
)
from torch_afm.utils import InputError

SCAN = Scan(pixels=(40, 40), n_slices=6)
POS = np.array([[1.0, 0.5, 0.0], [-2.0, 3.0, -0.4]])
ALL = Augment(
    (Turn(), CropSlices(5, 3), CropWindow((33, 30))),
    (Plane(), Noise(), SliceShift(), Cutout()),
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


def test_frame_then_normalized_then_the_rest():
    augment = Augment((Turn(),), ())
    stack = torch.randn(4, 1, 6, 40, 40, generator=torch.manual_seed(0)) * 3 + 1
    frame, stacks = _drawn(4, augment)
    turns, mirrors = zip(*((d["turns"], d["mirror"]) for [(_, d)] in frame), strict=True)
    expected = normalize_slices(Turn.apply(stack, turns, mirrors))
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
    assert [type(t) for t in Augment().stack] == [Noise, SliceShift, Cutout]
    assert str(Augment((), ())) == "Augment(frame=[], stack=[], share=1.0)"
    stack = torch.randn(2, 1, 6, 40, 40, generator=torch.manual_seed(0))
    assert torch.equal(change_stacks(stack, [[], []], [[], []]), normalize_slices(stack))


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
    changed = [not torch.equal(a, b) for a, b in zip(done, normalize_slices(stack), strict=True)]
    assert changed == [bool(steps) for steps in drawn[:40]]
    alone = [change_stacks(one[None], [[]], [steps])[0] for one, steps in zip(stack, drawn, strict=False)]
    assert torch.equal(done, torch.stack(alone))
    with pytest.raises(InputError, match="share: expected a share"):
        Augment(share=1.2)


def test_unknown_or_mixed_steps():
    stack = torch.zeros(2, 1, 2, 4, 4)
    for stacks, message in (([[["Blur", {}]]] * 2, "names of .*Noise"), (_MIXED, "the same augmentations")):
        with pytest.raises(InputError, match=f"drawn: expected {message}"):
            change_stacks(stack, [[], []], stacks)


@pytest.mark.parametrize(("preset", "count"), [("published", 4), ("complete", 9)])
def test_handcrafted_batches_replay_from_json_sample_by_sample(preset, count):
    augment = Augment(stack=handcrafted(preset))
    stack = torch.randn(3, 1, 4, 24, 20, generator=torch.manual_seed(0))
    drawn = [augment.draw_stack((4, 24, 20), np.random.default_rng(seed)) for seed in range(3)]
    assert len(drawn[0]) == count
    together = change_stacks(stack, [[]] * 3, drawn)
    again = json.loads(json.dumps(drawn))
    alone = [change_stacks(stack[i : i + 1], [[]], again[i : i + 1]) for i in range(3)]
    assert torch.equal(together, torch.cat(alone)) and torch.isfinite(together).all()
    plain = change_stacks(stack, [[]] * 3, [[]] * 3)
    assert all(not torch.equal(plain[i], together[i]) for i in range(3))


class Gain(StackAugmentation):
    """An augmentation from outside the package."""

    def __init__(self, largest=2.0):
        self.largest = largest

    def draw(self, shape, rng):
        return {"gain": rng.uniform(1.0, self.largest)}

    @staticmethod
    def apply(stack, gain):
        return stack * torch.tensor(gain).to(stack).reshape(-1, 1, 1, 1, 1)


class Invert(FrameAugmentation):
    """Slices near to far, from outside the package."""

    def draw(self, scan, pos, rng):
        return {"flip": bool(rng.integers(2))}

    @staticmethod
    def apply(stack, flip):
        return torch.stack([s.flip(1) if f else s for s, f in zip(stack, flip, strict=True)])

    @staticmethod
    def apply_to_graphs(samples, scan, flip):
        for sample, f in zip(samples, flip, strict=True):
            if f and "z_top" in sample:
                sample.z_top = -sample.z_top

    @staticmethod
    def apply_to_scan(scan, flip):
        return scan


def test_augmentations_of_a_user_are_drawn_applied_stored_and_replayed():
    augment = pickle.loads(pickle.dumps(Augment((Turn(), Invert()), (Gain(3.0), Noise(0.0)))))
    assert str(augment.stack[0]) == "Gain(largest=3.0)" and augment.scan(SCAN) == SCAN
    stack = torch.randn(6, 1, 6, 40, 40, generator=torch.manual_seed(0))
    frame, stacks = json.loads(json.dumps(_drawn(6, augment)))
    assert [[name for name, _ in steps] for steps in stacks] == [["Gain", "Noise"]] * 6
    flips = [steps[1][1]["flip"] for steps in frame]
    gains = torch.tensor([steps[0][1]["gain"] for steps in stacks]).reshape(-1, 1, 1, 1, 1)
    assert len(set(flips)) == 2 and gains.unique().numel() == 6 and 1 <= gains.min() <= gains.max() <= 3
    turned = change_stacks(stack, [steps[:1] for steps in frame], [[]] * 6)
    expected = torch.stack([s.flip(1) if f else s for s, f in zip(turned, flips, strict=True)]) * gains
    torch.testing.assert_close(change_stacks(stack, frame, stacks), expected)
    samples = [AFMData(pos=torch.from_numpy(POS), z_top=torch.tensor([9.0])) for _ in range(6)]
    change_graphs(samples, SCAN, frame)
    assert [float(sample.z_top) for sample in samples] == [-9.0 if f else 9.0 for f in flips]


def test_what_is_no_augmentation():
    for name, kwargs in (("frame", {"frame": (Noise(),)}), ("stack", {"stack": (Turn(),)})):
        with pytest.raises(InputError, match=f"{name}: expected instances"):
            Augment(**kwargs)


@pytest.mark.gpu
def test_on_a_gpu():
    stack = torch.randn(5, 1, 6, 40, 40, generator=torch.manual_seed(0))
    frame, stacks = _drawn(5)
    out = change_stacks(stack.cuda(), frame, stacks)
    assert out.is_cuda and torch.allclose(out.cpu(), change_stacks(stack, frame, stacks), atol=1e-5)
