"""Whatever a file holds: a stack or one clear error, in bounded memory and time."""

import json
import subprocess
import sys

import pytest

from tests.io.scans.fuzz import corpus

NAMES = [original.name for original in corpus()]
#: Parsers that are damaged more often than the others when tests may be slow.
OFTEN = ["gxsm 3", "gxsm 16 bits", "gxsm 4", "published", "vert 3", "vert 4", "matrix", "matrix parameters"]


def _fuzz(seed, number, *names):
    command = [sys.executable, "-m", "tests.io.scans.fuzz", str(seed), str(number), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["read"] + found["refused"] == number
    # Damage in pixels goes unseen; in a header it must not.
    assert number / 2 < found["refused"] < number
    assert found["mebibytes"] < 256


@pytest.mark.parametrize("each", [50, pytest.param(1100, marks=pytest.mark.slow)])
@pytest.mark.timeout(1800)
def test_damaged_files(each):
    _fuzz(each, each * len(NAMES))


@pytest.mark.slow
@pytest.mark.parametrize("name", OFTEN)
@pytest.mark.timeout(1800)
def test_one_parser(name):
    if name not in NAMES:
        pytest.skip("without access2theMatrix")
    _fuzz(1, 10_000, name)
