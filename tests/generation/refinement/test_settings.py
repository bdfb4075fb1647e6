"""Settings refuse what makes no sense."""

import pytest

from torch_afm.generation import RefinementSettings, Stage
from torch_afm.utils import InputError


@pytest.mark.parametrize(
    "wrong", [{"looks": 0.0}, {"stages": ()}, {"stride": 0}, {"tilt_sigma": -1.0}, {"width": float("nan")}]
)
def test_bad_settings(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        RefinementSettings(**wrong)


@pytest.mark.parametrize("wrong", [{"blur": -1.0}, {"slices": 0}, {"iterations": 0}])
def test_bad_stage(wrong):
    with pytest.raises(InputError, match="stage"):
        Stage(**wrong)


def test_known_leaves_positions_alone_to_be_fitted():
    known = RefinementSettings.known()
    sigmas = (known.charge_sigma, known.tilt_sigma, known.distance_sigma, known.element_sigma)
    assert sigmas == (0, 0, 0, 0) and known.hidden_sigma == 0
    assert known.stages[0].slices == 4 and known.stages[-1].slices is None
