import numpy as np
import torch

from torch_afm.ppm.field_cache import FieldCache

ZERO, ONE = np.zeros(3), np.ones(3)


def test_boxes_that_are_covered_grown_and_forgotten():
    boxes = []

    def compute(low, high):
        boxes.append((low, high))
        return torch.zeros(1), low.astype(int)

    cache = FieldCache()
    first = cache.field("a", ZERO, ONE, compute)
    assert cache.field("a", ZERO + 0.1, ONE - 0.1, compute) is first
    # Twice what it lacks, toward where it lacks it.
    cache.field("a", ZERO - 0.1, ONE - [0, 0, 0.5], compute)
    np.testing.assert_allclose(boxes[1], (ZERO - 0.2, ONE))
    cache.field("a", ZERO - 0.2, ONE, compute)
    assert len(boxes) == 2
    for name in "bc":
        cache.field(name, ZERO, ONE, compute)
    cache.field("a", ZERO, ONE, compute)
    assert len(boxes) == 5
