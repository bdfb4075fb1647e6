import numpy as np
import pytest
import torch

from torch_afm.config import Scaling
from torch_afm.utils import InputError


def stacks():
    stack = torch.randn(2, 3, 5, 7, generator=torch.manual_seed(0)) * 4 - 11
    stack[0, 1] = 2.5
    return stack


@pytest.mark.parametrize(("kind", "axes"), [("slice", (2, 3)), ("stack", (1, 2, 3))])
def test_ends_of_the_range_and_back(kind, axes):
    scaling, stack = Scaling(kind, fill=0.7), stacks()
    span = scaling.measure(stack)
    scaled = scaling.apply(stack, span)
    values, array = scaled.double().numpy(), stack.double().numpy()
    low, high = array.min(axes, keepdims=True), array.max(axes, keepdims=True)
    width = np.where(high > low, high - low, 2)
    np.testing.assert_allclose(values, 0.7 * (2 * array - low - high) / width, atol=1e-6)
    torch.testing.assert_close(scaling.invert(scaled, span), stack, rtol=0, atol=4e-6)
    assert torch.isfinite(scaled).all()


def test_a_fixed_range_is_in_hz_and_nothing_is_clipped():
    scaling = Scaling("fixed", -20.0, 5.0, 0.5)
    stack = torch.tensor([-20.0, 5.0, -7.5, 30.0], dtype=torch.float64).reshape(1, 1, 2, 2)
    span = scaling.measure(stack)
    assert scaling.apply(stack, span).flatten().tolist() == pytest.approx([-0.5, 0.5, 0.0, 1.5])
    torch.testing.assert_close(scaling.invert(scaling.apply(stack, span), span), stack)


def test_a_slice_scaling_knows_no_unit():
    scaling, stack = Scaling(), stacks().double()
    other = stack * 3.7 + 12
    scaled = [scaling.apply(s, scaling.measure(s)) for s in (stack, other)]
    torch.testing.assert_close(scaled[0], scaled[1])


#: What is refused.
REFUSED = [
    ({"kind": "image"}, "kind"),
    ({"low": 1.0}, "low < high"),
    ({"fill": 0.0}, "fill"),
    ({"fill": 1.1}, "fill"),
]


def test_wrong_settings():
    for settings, match in REFUSED:
        with pytest.raises(InputError, match=match):
            Scaling(**settings)
