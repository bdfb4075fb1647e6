"""What the comparison with ppafm makes of the stacks and times it gets."""

import json

import numpy as np
import pytest

from benchmarks.common import spread
from benchmarks.rendering.against_ppafm import CASES, EVERY, INPUTS, errors, inputs, ratios
from benchmarks.rendering.run import load


def test_errors_are_of_the_valid_pixels_in_units_of_the_standard_deviation():
    rng = np.random.default_rng(0)
    exact = rng.normal(5, 2, (3, 4, 6))
    valid = np.ones((4, 6), dtype=bool)
    valid[1, 2] = False
    sample = exact.transpose(2, 1, 0).copy()
    assert errors(sample, exact, valid) == (0, 0)
    sample[2, 1, 0] += 1000
    assert errors(sample, exact, valid) == (0, 0)
    sample[5, 3, 2] -= 0.5
    rms, largest = errors(sample, exact, valid)
    assert largest == pytest.approx(0.5 / exact.std())
    assert rms == pytest.approx(largest / np.sqrt(3 * 23))


def test_ratios_are_per_stack_and_molecule():
    def row(molecule, renderer, seconds, stacks):
        return {"molecule": molecule, "renderer": renderer, "stacks": stacks, "cpu_s": {"median": seconds}}

    rows = [row(m, "peer", s, 1) for m, s in zip("abc", (6, 8, 30), strict=True)]
    rows += [row(m, "own", s, 4) for m, s in zip("abc", (2, 4, 8), strict=True)]
    rows += [row(m, "other", 1, 1) for m in "abc"]
    assert ratios(rows, "peer", "own") == {"a": 12, "b": 8, "c": 15, "median": 12}


def test_spread_of_known_numbers():
    assert spread([5, 1, 3, 2, 4]) == {"median": 3, "quartile_1": 2, "quartile_3": 4}


@pytest.mark.parametrize("case", CASES)
def test_the_peer_gets_the_scan_and_the_molecule_that_we_render(case):
    given = json.loads(json.dumps(inputs(case)))
    data, exact, _ = load(case)
    assert set(given) == set(INPUTS)
    assert given["Z"] == data.z.tolist()
    np.testing.assert_array_equal(given["xyz"], data.pos)
    np.testing.assert_array_equal(given["charges"], data.charge)
    assert given["scan_window"][1][2] == data.z_top
    nx, ny, heights = given["scan_dim"]
    assert exact.shape == (heights - given["df_steps"] + 1, ny // EVERY, nx // EVERY)
