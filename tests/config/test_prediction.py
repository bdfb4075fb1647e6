"""Options of a prediction: their defaults, and what is refused."""

import dataclasses
import inspect

import pytest

from torch_afm.config import PredictOptions, ReadOptions, ScanPreparation, SearchOptions
from torch_afm.io.scans import read_scan
from torch_afm.prediction import predict_scan
from torch_afm.utils import InputError


def test_how_a_scan_is_read_is_what_the_reader_takes():
    arguments = inspect.signature(read_scan).parameters
    defaults = {name: p.default for name, p in arguments.items() if p.default is not p.empty}
    assert vars(ReadOptions()) == defaults


def test_defaults_are_those_of_the_functions_below():
    arguments = inspect.signature(predict_scan).parameters
    for field in dataclasses.fields(SearchOptions):
        if field.name != "refine":
            assert field.default == arguments[field.name].default, field.name
    for name in ("cover", "backend"):
        assert getattr(PredictOptions(), name) == arguments[name].default


def test_lists_become_tuples():
    found = ScanPreparation(window=[[0, 1], [2, 3]])
    assert found == ScanPreparation(window=((0, 1), (2, 3)))
    assert ScanPreparation(center=[1, 2]) == ScanPreparation(center=(1, 2))


BAD = [
    (ReadOptions, {"direction": "up"}, "direction"),
    (ReadOptions, {"step": 0.0}, "step"),
    (ReadOptions, {"pixel_size": (0.1, -1.0)}, "pixel_size"),
    (ScanPreparation, {"window": ((0, 1), (0, 1)), "center": (0, 0)}, "window, center"),
    (ScanPreparation, {"flatten": "paraboloid"}, "flatten"),
    (ScanPreparation, {"align": "maybe"}, "align"),
    (ScanPreparation, {"amplitude": 0.0}, "amplitude"),
    (ScanPreparation, {"top": float("nan")}, "top"),
    (SearchOptions, {"max_atoms": -1}, "max_atoms"),
    (SearchOptions, {"search": "wide"}, "search"),
    (SearchOptions, {"seed": -1}, "seed"),
    (PredictOptions, {"z_top": float("inf")}, "z_top"),
    (PredictOptions, {"reverse": True}, "reverse"),
    (PredictOptions, {"cover": "carpet"}, "cover"),
    (PredictOptions, {"rotations": 3}, "rotations"),
    (PredictOptions, {"answers": 0}, "answers"),
    (PredictOptions, {"answers": 2, "rotations": 2}, "answers, rotations"),
    (PredictOptions, {"backend": "fortran"}, "backend"),
]


@pytest.mark.parametrize(("cls", "settings", "name"), BAD)
def test_bad_settings(cls, settings, name):
    with pytest.raises(InputError, match=f"^{name}:"):
        cls(**settings)
