import json

import numpy as np
import pytest
import torch

from torch_afm.transforms import Augment, change_stacks, handcrafted


@pytest.mark.parametrize(("which", "count"), [("published", 4), ("complete", 9)])
def test_a_batch_replays_from_json_sample_by_sample(which, count):
    augment = Augment(stack=handcrafted(which))
    stack = torch.randn(3, 1, 4, 24, 20, generator=torch.manual_seed(0))
    drawn = [augment.draw_stack((4, 24, 20), np.random.default_rng(seed)) for seed in range(3)]
    assert len(drawn[0]) == count
    together = change_stacks(stack, [[]] * 3, drawn)
    again = json.loads(json.dumps(drawn))
    alone = [change_stacks(stack[i : i + 1], [[]], again[i : i + 1]) for i in range(3)]
    assert torch.equal(together, torch.cat(alone)) and torch.isfinite(together).all()
    plain = change_stacks(stack, [[]] * 3, [[]] * 3)
    assert all(not torch.equal(plain[i], together[i]) for i in range(3))
