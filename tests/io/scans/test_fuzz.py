"""Whatever a file holds: a stack or one clear error, in bounded memory and time."""

import json
import subprocess
import sys

import pytest

from tests.io.scans.fuzz import corpus

#: Kinds of files.
NAMES = [original.name for original in corpus()]


def _fuzz(seed, number, *names):
    command = [sys.executable, "-m", "tests.io.scans.fuzz", str(seed), str(number), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["read"] + found["refused"] == number
    # Damage in pixels goes unseen; in a header it must not.
    assert number / 2 < found["refused"] < number
    assert found["mebibytes"] < 256


def test_damaged_files():
    _fuzz(50, 50 * len(NAMES))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.timeout(1800)
def test_one_parser(name):
    _fuzz(1, 10_000, name)
