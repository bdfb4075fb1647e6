"""What is predicted from, and how."""

import pytest

from torch_afm.live import predicting
from torch_afm.live.files import read_dropped
from torch_afm.live.predicting import choose_target, predict_target
from torch_afm.live.render import render
from torch_afm.live.session import Session
from torch_afm.utils import InputError


def test_a_scan_goes_before_an_image(scan_bytes):
    session = Session()
    with pytest.raises(InputError, match="drop one first"):
        choose_target(session)
    session = Session.with_example()
    session.image = render(session.setup())
    assert choose_target(session) is session.image
    session.accept(read_dropped({"scan.npz": scan_bytes(True)}))
    assert choose_target(session) is session.scan.raw


@pytest.mark.parametrize("refine", [True, False])
def test_options_are_those_of_the_command_line(monkeypatch, refine):
    seen = []
    monkeypatch.setattr(predicting, "predict", lambda *arguments: seen.append(arguments))
    predict_target("target", "spatial", refine, print)
    ((target, weights, options, progress),) = seen
    assert (target, weights, progress) == ("target", "spatial", print)
    assert options.search.refine is refine and options.rotations == 1


def test_unknown_weights_are_one_line(scanned):
    with pytest.raises(InputError, match="weights: expected a folder or one of"):
        predict_target(scanned, "nobody's")
