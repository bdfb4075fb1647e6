"""Fixtures shared by all tests."""

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def golden():
    """The golden stacks; ``tests/golden/README.md`` says where they come from."""
    return np.load(Path(__file__).parent / "golden" / "golden_small.npz", allow_pickle=False)
