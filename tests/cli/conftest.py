"""The command line as a user runs it, and weights to run it with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from torch_afm.config import generator_config
from torch_afm.models import SequentialGenerator

_RUN = "import sys; from torch_afm.cli.main import main; sys.exit(main())"


@pytest.fixture(scope="session")
def cli():
    """``cli(*arguments)`` runs ``torch-afm`` in a process of its own."""

    def run(*arguments) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-c", _RUN, *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        )

    return run


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """A folder with an untrained small model."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    SequentialGenerator(generator_config("small")).save_pretrained(folder)
    return folder
