from dataclasses import replace

import pytest
import torch

from torch_afm.style import Evaluation, choose_checkpoint, common_size, evaluate_translation
from torch_afm.utils import InputError


def evaluation(epoch, first, second, correlation=0.9, ssim=0.9, lost=0.0):
    content = {"correlation": correlation, "ssim": ssim, "lost": lost}
    return Evaluation(epoch, {"f": first, "g": second}, {"f": 1.0, "g": 0.1}, content)


def test_ranks_written_out():
    rows = [
        evaluation(1, 9.0, 0.9, 0.9, 0.9),
        evaluation(2, 3.0, 0.2, 0.8, 0.7),
        evaluation(3, 2.0, 0.3, 0.7, 0.8),
    ]
    choice = choose_checkpoint(rows)
    # Votes: f 3 2 1, g 3 1 2, correlation 1 2 3, similarity 1 3 2.
    assert choice.ranks == {1: 2.0, 2: 2.0, 3: 2.0} and choice.epoch == 1 and not choice.rejected
    assert choose_checkpoint([*rows[:2], evaluation(3, 2.0, 0.2, 0.7, 0.8)]).epoch == 3


def test_at_the_floor_distances_are_equal():
    rows = [evaluation(5, 0.2, 0.05, 0.8), evaluation(10, 0.9, 0.1, 0.9)]
    assert choose_checkpoint(rows).ranks == {5: 1.25, 10: 1.0}


def test_the_guard_rejects_what_destroys_content_however_good_its_style():
    rows = [
        evaluation(1, 9.0, 0.9),
        evaluation(2, 0.1, 0.1, correlation=0.3),
        evaluation(3, 0.1, 0.1, lost=0.16),
    ]
    choice = choose_checkpoint(rows)
    assert choice.epoch == 1
    assert choice.rejected == {
        2: "slices correlate 0.30 with their source, below 0.5",
        3: "16% of slices correlate below 0.5 with their source, more than 10%",
    }
    assert choose_checkpoint(rows[1:]).epoch is None
    assert choose_checkpoint(rows, max_lost=0.2).epoch == 3
    with pytest.raises(InputError, match="evaluations"):
        choose_checkpoint([])


def test_the_guard_looks_at_the_way_back_too():
    kept, gone = ({"correlation": c, "lost": lost} for c, lost in ((0.6, 0.0), (0.2, 0.9)))
    rows = [replace(evaluation(1, 9.0, 0.9), backward=kept), replace(evaluation(2, 0.1, 0.1), backward=gone)]
    choice = choose_checkpoint(rows)
    assert choice.epoch == 1
    assert choice.rejected == {2: "translated back, slices correlate 0.20 with their source, below 0.5"}


def test_metrics_and_content_tell_a_good_translation_from_bad_ones():
    generator = torch.manual_seed(0)
    smooth = torch.nn.functional.avg_pool2d(torch.randn(12, 2, 72, 72, generator=generator), 9, 1) * 5
    source, other = smooth[:, :, :32, :32], smooth[:, :, 32:, 32:]
    noise = torch.randn(12, 2, 32, 32, generator=generator) * 0.3
    target = other + noise
    good, shuffled = source + noise.roll(1, 0), target.flip(0)
    untouched, right, wrong = (
        evaluate_translation(i, x[:6], source[:6], target[6:]) for i, x in enumerate((source, good, shuffled))
    )
    assert set(right.distances) == {
        f"{f} {m}" for f in ("physical", "random") for m in ("frechet", "kid", "mmd")
    }
    assert all(right.distances[name] < untouched.distances[name] for name in right.distances)
    assert untouched.content["correlation"] == pytest.approx(1) and right.content["correlation"] > 0.8
    assert abs(wrong.content["correlation"]) < 0.3
    choice = choose_checkpoint([wrong, right])
    assert choice.epoch == 1 and set(choice.rejected) == {2}


def test_common_size():
    stacks = [torch.arange(n * 6 * 5.0).reshape(n, 6, 5) for n in (3, 2)]
    out = common_size(stacks, (4, 3))
    assert torch.equal(out, torch.stack([s[-2:, 1:5, 1:4] for s in stacks]))
