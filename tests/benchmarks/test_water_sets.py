"""The benchmark of training sets of water, on counts made by hand."""

import numpy as np
import pytest

from benchmarks.prediction_scans.water import coverage, named, normalized
from benchmarks.style.water_sets import summary


def window(predicted, true, found, oxygen, hydrogen, water):
    return {
        "atoms": [predicted, true, found],
        "errors": [0.1] * found,
        "O": oxygen,
        "H": hydrogen,
        "water": water,
    }


def test_scores_count_the_atoms_of_all_windows_and_seeds():
    first = [window(10, 8, 6, [4, 3, 3], [5, 5, 2], 9), window(2, 4, 1, [1, 1, 0], [1, 3, 1], 2)]
    second = [window(6, 8, 6, [3, 3, 3], [3, 5, 3], 6), window(6, 4, 3, [1, 1, 1], [5, 3, 2], 6)]
    row = summary("pure", [first, second])
    assert row["f1"] == pytest.approx(2 * 16 / (24 + 24))
    assert row["f1_O"] == pytest.approx(2 * 7 / (9 + 8)) and row["f1_H"] == pytest.approx(2 * 8 / (14 + 16))
    assert row["f1_of_seeds"] == pytest.approx([2 * 7 / 24, 2 * 9 / 24])
    assert row["share_of_water"] == pytest.approx(23 / 24) and row["error"] == pytest.approx(0.1)
    assert row["f1_interval"][0] <= row["f1"] <= row["f1_interval"][1]


def test_models_by_name():
    assert named("scan") == ("scan", ["scan"]) and named("runs/x/model") == ("model", ["runs/x/model"])
    assert named("pure=a/b,c") == ("pure", ["a/b", "c"])


def test_oxygens_of_published_models():
    from ase import Atoms

    some = [
        Atoms("O8H", np.zeros((9, 3)), info={"name": f"Ying_Jiang_1_d{turn}_mol"}) for turn in (0, 90)
    ] + [Atoms("O2", np.zeros((2, 3)), info={"name": "Ying_Jiang_3_d0_mol"})]
    assert coverage({"pure": some}, ["Ying_Jiang_1"]) == {"pure": pytest.approx(800 / 32**2)}


def test_slices_without_contrast_stay_finite():
    stack = np.stack([np.arange(12.0).reshape(3, 4), np.full((3, 4), 7.0)])
    shown = normalized(stack)
    assert shown[0].std() == pytest.approx(1) and (shown[1] == 0).all()
