import pytest

from torch_afm.config import Scan
from torch_afm.io.oscillation import choose_oscillation
from torch_afm.utils import InputError

MODEL = Scan(dz=0.1, n_oscillation=10)


def test_the_oscillation_that_is_given_goes_before_the_header_and_that_before_the_model():
    header = {"amplitude": 1.6, "f0": 2e4, "k": 900.0}
    for meta, given, expected in [({}, None, 1.0), (header, None, 1.6), (header, 0.6, 0.6)]:
        found, text, warnings = choose_oscillation(meta, MODEL, 0.1, given)
        assert found.amplitude == pytest.approx(expected) and not warnings
        assert found.f0 == meta.get("f0", MODEL.f0) and found.k == meta.get("k", MODEL.k)
        assert f"{expected:.2f} Å peak to peak" in text
    assert "simulated as 0.80 Å" in choose_oscillation({"amplitude": 1.0}, MODEL, 0.4)[2][0]
    assert "cannot be" in choose_oscillation({"f0": 0.0}, MODEL, 0.1)[2][0]


def test_an_amplitude_of_too_many_steps_is_refused():
    with pytest.raises(InputError, match=r"^amplitude: "):
        choose_oscillation({}, MODEL, 0.1, 30.0)
