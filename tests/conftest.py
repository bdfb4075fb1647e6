"""Fixtures shared by all tests."""

from pathlib import Path

import numpy as np
import pytest
import torch


def pytest_collection_modifyitems(items):
    for item in items:
        if "gpu" in item.keywords and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session")
def golden():
    """The golden stacks; ``tests/golden/README.md`` says where they come from."""
    return np.load(Path(__file__).parent / "golden" / "golden_small.npz", allow_pickle=False)
