"""Settings refuse what makes no sense."""

import pytest

from torch_afm.generation import RefinementSettings, Stage
from torch_afm.utils import InputError

BAD = [
    (lambda: RefinementSettings(looks=0.0), "looks"),
    (lambda: RefinementSettings(stages=()), "stride, stages"),
    (lambda: RefinementSettings(stride=0), "stride"),
    (lambda: RefinementSettings(tilt_sigma=-1.0), "tilt_sigma"),
    (lambda: RefinementSettings(max_shift=float("nan")), "max_shift"),
    (lambda: Stage(blur=-1.0), "stage"),
    (lambda: Stage(slices=0), "stage"),
    (lambda: Stage(iterations=0), "stage"),
]


@pytest.mark.parametrize(("call", "argument"), BAD)
def test_bad_settings(call, argument):
    with pytest.raises(InputError, match=f"^{argument}"):
        call()


def test_known_leaves_positions_alone_to_be_fitted():
    known = RefinementSettings.known()
    sigmas = (known.charge_sigma, known.tilt_sigma, known.distance_sigma, known.element_sigma)
    assert sigmas == (0, 0, 0, 0) and known.hidden_sigma == 0
    assert known.stages[0].slices == 4 and known.stages[-1].slices is None
