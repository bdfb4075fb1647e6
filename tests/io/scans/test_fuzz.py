"""Whatever a file holds: a stack or one clear error, in bounded memory and time."""

import json
import subprocess
import sys

import pytest


def _fuzz(seed, number):
    command = [sys.executable, "-m", "tests.io.scans.fuzz", str(seed), str(number)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize(("seed", "number"), [(0, 550), pytest.param(1, 12_100, marks=pytest.mark.slow)])
@pytest.mark.timeout(1800)
def test_damaged_files(seed, number):
    found = _fuzz(seed, number)
    assert found["read"] + found["refused"] == number
    # Damage in pixels goes unseen; in a header it must not.
    assert number / 2 < found["refused"] < number
    assert found["mebibytes"] < 256
