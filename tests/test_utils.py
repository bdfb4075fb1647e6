import numpy as np
import pytest
import torch

from torch_afm.utils import InputError, check_finite, check_shape


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_counts_bad_values(make):
    check_finite("stack", make([1.0, 2.0]))
    check_finite("z", make([1, 2]))
    with pytest.raises(InputError, match=r"stack: expected finite numbers, got 2 NaN"):
        check_finite("stack", make([1.0, float("nan"), float("inf")]))


def test_shape():
    check_shape("pos", np.zeros((4, 3)), (None, 3))
    with pytest.raises(InputError, match=r"pos: expected shape \(any, 3\), got \(4, 2\)"):
        check_shape("pos", np.zeros((4, 2)), (None, 3))
    with pytest.raises(InputError, match="pos"):
        check_shape("pos", np.zeros(3), (None, 3))
