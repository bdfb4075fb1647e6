import json

import numpy as np
import pytest
import torch

from torch_afm.config import Scaling, TranslatorConfig, from_dict, to_dict
from torch_afm.train import StyleConfig
from torch_afm.utils import InputError

#: What is refused.
REFUSED = [
    ("epochs", 0),
    ("decay_epochs", -1),
    ("batch_size", 0),
    ("lr", 0.0),
    ("pool", -1),
    ("validation", 3),
    ("crop", 30),
    ("crop", 8),
    ("slices", 0),
    ("every", 0),
    ("lambda_cycle", -1.0),
    ("lambda_identity", -1.0),
    ("lambda_nce", -1.0),
    ("lambda_spectral", -1.0),
]


def test_bad_settings_name_the_argument():
    for name, value in REFUSED:
        with pytest.raises(InputError, match=name):
            StyleConfig(**{name: value})


def test_a_context_needs_its_slices():
    with pytest.raises(InputError, match="slices: expected at least 3"):
        StyleConfig(context=1, slices=2)
    assert StyleConfig(context=1, slices=3).translator.context == 1


def test_the_defaults_are_the_published_settings():
    config = StyleConfig()
    assert config.translator == TranslatorConfig(width=16, blocks=6, tile=192, overlap=48)
    assert (config.lambda_cycle, config.lambda_identity, config.pool) == (20, 1, 50)
    assert (config.lr, config.batch_size, config.total_epochs) == (2e-4, 1, 200)


def test_round_trip_through_json():
    config = StyleConfig(target=Scaling("fixed", -20.0, 3.0))
    assert from_dict(StyleConfig, json.loads(json.dumps(to_dict(config)))) == config


def test_stored_scalings_have_the_former_name_of_their_mode():
    values = {"target": {"kind": "fixed", "low": -20.0, "high": 3.0}}
    assert from_dict(StyleConfig, values).target == Scaling("fixed", -20.0, 3.0)


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


#: Scalings that are refused.
REFUSED_SCALINGS = [
    ({"mode": "image"}, "mode"),
    ({"low": 1.0}, "low < high"),
    ({"fill": 0.0}, "fill"),
    ({"fill": 1.1}, "fill"),
]


def test_wrong_settings():
    for settings, match in REFUSED_SCALINGS:
        with pytest.raises(InputError, match=match):
            Scaling(**settings)
