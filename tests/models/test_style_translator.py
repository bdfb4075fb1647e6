import json

import pytest
import torch

from torch_afm.config import Scaling, TranslatorConfig
from torch_afm.models import StyleTranslator
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt


class Same(torch.nn.Module):
    """The middle channel."""

    def forward(self, x):
        return x[:, x.size(1) // 2 :][:, :1]


def translator(**settings):
    torch.manual_seed(0)
    return StyleTranslator(TranslatorConfig(width=4, blocks=1, tile=32, overlap=8, **settings)).eval()


def stack(*shape):
    return torch.randn(shape, generator=torch.manual_seed(1)) * 3 - 8


@pytest.mark.parametrize("kind", ["slice", "stack", "fixed"])
@pytest.mark.parametrize("context", [0, 1])
def test_an_identity_gives_odd_stacks_back(kind, context):
    scaling = Scaling(kind, -30.0, 15.0)
    one = translator(source=scaling, target=scaling, context=context)
    one.generator = Same()
    for shape in ((2, 1, 3, 33, 47), (1, 2, 1, 9, 65)):
        values = stack(*shape)
        torch.testing.assert_close(one(values), values, rtol=0, atol=8e-6)


def test_a_fixed_target_has_its_own_unit():
    one = translator(source=Scaling("fixed", -20.0, 0.0), target=Scaling("fixed", -3.0, 1.0))
    one.generator = Same()
    values = stack(1, 1, 2, 12, 12)
    torch.testing.assert_close(one(values), -1 + (values + 10) / 10 * 2, rtol=0, atol=1e-5)


def test_slice_by_slice_or_with_neighbors():
    values = stack(1, 1, 5, 16, 16)
    changed = values.clone()
    changed[:, :, 0] += torch.randn(16, 16)
    for context, reach in ((0, 1), (1, 2), (2, 3)):
        one = translator(context=context)
        other = (one(values) != one(changed)).flatten(3).any(-1)[0, 0]
        assert other.tolist() == [z < reach for z in range(5)]


def test_values_are_kept():
    one, values = translator(), stack(2, 1, 3, 20, 24)
    before = values.clone()
    out = one(values)
    assert torch.equal(values, before) and out.dtype == values.dtype
    # Slice by slice, in the unit of the source.
    torch.testing.assert_close(one(values * 100 + 7), out * 100 + 7, rtol=1e-4, atol=1e-3)
    assert one(values.double()).dtype == torch.float64


def test_noise_follows_from_the_seed():
    one, values = translator(noise=True, context=1), stack(1, 1, 4, 40, 24)
    assert one.generator.in_channels == 5
    assert torch.equal(one(values, 3), one(values, 3)) and not torch.equal(one(values, 3), one(values, 4))
    images = one.images(values[0], torch.Generator().manual_seed(3))
    pixels, lines = images[:, 3], images[:, 4]
    assert torch.equal(images[:, 1], values[0, 0]) and torch.equal(lines, lines[..., :1].expand(4, 40, 24))
    # Standard normal, to five standard errors.
    for drawn in (pixels.flatten(), lines[..., 0].flatten()):
        assert abs(float(drawn.mean())) < 5 / len(drawn) ** 0.5
        assert abs(float(drawn.var()) - 1) < 5 * (2 / len(drawn)) ** 0.5
    with_none = translator(context=1)
    assert torch.equal(with_none(values, 3), with_none(values, 4))


def test_residual_begins_with_no_change():
    one, values = translator(residual=True, noise=True, context=1), stack(1, 1, 3, 33, 40)
    torch.testing.assert_close(one(values), values, rtol=0, atol=8e-6)
    torch.nn.init.normal_(one.generator.layers[-2].weight)
    images = one.images(values[0], torch.Generator().manual_seed(0))[..., :32, :]
    torch.testing.assert_close(one.network(images), images[:, 1:2] + one.generator(images))


def test_saved_and_loaded(tmp_path):
    one = translator(context=1, source=Scaling("fixed", -9.0, 2.0))
    one.save_pretrained(tmp_path / "forward")
    again = StyleTranslator.from_pretrained(tmp_path / "forward")
    values = stack(1, 1, 2, 16, 16)
    assert again.config == one.config and torch.equal(again(values), one(values))
    settings = json.loads((tmp_path / "forward" / "config.json").read_text())
    assert settings["model"] == "StyleTranslator"
    (tmp_path / "forward" / "config.json").write_text(json.dumps(settings | {"width": 8}))
    with pytest.raises(InputError, match="expected a saved StyleTranslator"):
        StyleTranslator.from_pretrained(tmp_path / "forward")
    with pytest.raises(InputError, match="expected a saved StyleTranslator"):
        StyleTranslator.from_pretrained(tmp_path)


def test_wrong_stacks():
    for values, match in (
        (torch.zeros(1, 3, 16, 16), "expected floats"),
        (torch.zeros(1, 1, 3, 16, 16, dtype=torch.long), "expected floats"),
        (torch.full((1, 1, 3, 16, 16), torch.nan), "finite"),
    ):
        with pytest.raises(InputError, match=match):
            translator()(values)
    with pytest.raises(InputError, match="context"):
        TranslatorConfig(context=-1)
