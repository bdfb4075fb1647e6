import numpy as np
import pytest
import torch

from torch_afm.transforms import FrameAugmentation, Noise, StackAugmentation, Turn
from torch_afm.transforms.base import add_scaled, as_lists, draw_vector
from torch_afm.utils import InputError


def test_records_know_classes_by_their_names_and_those_of_before():
    assert StackAugmentation.named("Noise") is StackAugmentation.named("AddNoise") is Noise
    assert FrameAugmentation.named("Turn") is Turn
    for base, name in (
        (StackAugmentation, "Turn"),
        (FrameAugmentation, "Noise"),
        (StackAugmentation, "None"),
    ):
        with pytest.raises(InputError, match=f"^drawn: expected names of .*got '{name}'"):
            base.named(name)


def _define(name, apply):
    draw = lambda self, shape, rng: {}  # noqa: E731
    return type(name, (StackAugmentation,), {"draw": draw, "apply": apply})


def test_a_class_is_checked_where_it_is_defined():
    with pytest.raises(TypeError, match=r"Mine\.apply: expected a static method"):
        _define("Mine", lambda self, stack: stack)
    with pytest.raises(TypeError, match="AddNoise: expected a new name"):
        _define("AddNoise", staticmethod(lambda stack: stack))
    # A cell of a notebook that is run again.
    _define("Again", staticmethod(lambda stack: stack))
    again = _define("Again", staticmethod(lambda stack: stack + 1))
    assert StackAugmentation.named("Again") is again


def test_added_in_units_of_each_slice_s_range():
    stack = torch.tensor([[0.0, 4.0], [1.0, 1.0]], dtype=torch.float64).reshape(2, 1, 1, 1, 2)
    out = add_scaled(stack, torch.ones(1, dtype=torch.float64), [0.5, 2.0])
    assert out.flatten().tolist() == [2.0, 6.0, 1.0, 1.0]


def test_parameters_of_a_batch():
    assert as_lists([{"a": 1, "b": [2]}, {"a": 3, "b": [4]}]) == {"a": [1, 3], "b": [[2], [4]]}


def test_vectors_in_any_direction():
    rng = np.random.default_rng(0)
    vectors = np.array([draw_vector(rng, 0.5, 1.5) for _ in range(4000)])
    length = np.hypot(*vectors.T)
    assert length.min() >= 0.5 and length.max() <= 1.5 and length.mean() == pytest.approx(1.0, rel=0.03)
    assert np.abs((vectors / length[:, None]).mean(0)).max() < 0.05
