import json
import pickle

import numpy as np
import pytest
import torch

from torch_afm.config import Scaling, TranslatorConfig
from torch_afm.functional import normalize_slices
from torch_afm.models import StyleTranslator
from torch_afm.transforms import Augment, StyleTranslation, change_stacks
from torch_afm.utils import InputError


@pytest.fixture
def folders(tmp_path):
    for seed in (0, 1):
        torch.manual_seed(seed)
        StyleTranslator(TranslatorConfig(width=2, blocks=1)).save_pretrained(tmp_path / str(seed))
    return [str(tmp_path / "0"), str(tmp_path / "1")]


def stack():
    return normalize_slices(torch.randn(3, 1, 2, 16, 20, generator=torch.manual_seed(0)))


def test_each_sample_by_its_own_translation(folders):
    out = StyleTranslation.apply(stack(), [folders[1], None, folders[0]])
    assert torch.equal(out[1], stack()[1])
    for i, folder in ((0, folders[1]), (2, folders[0])):
        expected = StyleTranslator.from_pretrained(folder)(stack()[i : i + 1])[0].double()
        expected -= expected.mean((-2, -1), keepdim=True)
        expected /= expected.std((-2, -1), keepdim=True, correction=0)
        torch.testing.assert_close(out[i].double(), expected, rtol=0, atol=1e-4)


def test_drawn_replayed_and_pickled(folders):
    augment = pickle.loads(pickle.dumps(Augment(stack=[StyleTranslation(folders, p=0.75)])))
    drawn = [augment.draw_stack((2, 16, 20), np.random.default_rng(seed)) for seed in range(3)]
    out = change_stacks(stack(), [[]] * 3, drawn)
    again = change_stacks(stack()[2:], [[]], json.loads(json.dumps(drawn))[2:])
    assert torch.equal(out[2:], again)
    rng = np.random.default_rng(0)
    weights = [augment.stack[0].draw((2, 16, 20), rng)["weights"] for _ in range(800)]
    share = [weights.count(w) / 800 for w in (None, *folders)]
    assert share == pytest.approx([0.25, 0.375, 0.375], abs=0.06)


def test_noise_of_each_samples_own(tmp_path):
    StyleTranslator(TranslatorConfig(width=2, blocks=1, noise=True)).save_pretrained(tmp_path / "noisy")
    noisy = str(tmp_path / "noisy")
    same = stack()[:1].expand(3, -1, -1, -1, -1)
    out = StyleTranslation.apply(same, [noisy] * 3, [1, 2, 1])
    assert torch.equal(out[0], out[2]) and not torch.equal(out[0], out[1])
    rng = np.random.default_rng(0)
    drawn = [StyleTranslation([noisy]).draw((2, 16, 20), rng)["seed"] for _ in range(3)]
    assert len(set(drawn)) == 3


def test_weights_written_anew_are_read_anew(folders):
    before = StyleTranslation.apply(stack()[:1], [folders[0]])
    other = StyleTranslator.from_pretrained(folders[1])
    other.save_pretrained(folders[0])
    after = StyleTranslation.apply(stack()[:1], [folders[0]])
    assert not torch.equal(before, after)
    assert torch.equal(after, StyleTranslation.apply(stack()[:1], [folders[1]]))


def test_refused(tmp_path, folders):
    StyleTranslator(TranslatorConfig(width=2, blocks=1, source=Scaling("fixed"))).save_pretrained(
        tmp_path / "hz"
    )
    with pytest.raises(InputError, match="scales by the slice"):
        StyleTranslation([tmp_path / "hz"])
    with pytest.raises(InputError, match="expected a folder"):
        StyleTranslation([tmp_path / "none"])
    with pytest.raises(InputError, match="at least one folder"):
        StyleTranslation(folders[0])
    with pytest.raises(InputError, match="probability"):
        StyleTranslation(folders, p=2)
    assert str(StyleTranslation(folders[:1])) == f"StyleTranslation(weights=[{folders[0]!r}], p=1.0)"
