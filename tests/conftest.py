"""Fixtures shared by all tests."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch

# The workers of loaders are forked from a server that has imported torch, instead of importing it each.
multiprocessing.set_forkserver_preload(["torch_afm.datasets"])


def pytest_collection_modifyitems(items):
    for item in items:
        if "gpu" in item.keywords and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session")
def golden():
    """The golden stacks; ``tests/golden/README.md`` says where they come from."""
    return np.load(Path(__file__).parent / "golden" / "golden_small.npz", allow_pickle=False)
