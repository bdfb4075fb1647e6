"""PyG writes the code of each message passing layer to a temporary file and leaves it there: those of our
layers go when the process ends."""

from __future__ import annotations

import importlib.util
import sys
from multiprocessing.util import Finalize
from pathlib import Path

_ENDINGS = ("_propagate", "_edge_updater")


def remove_templates() -> None:
    """Remove the files of PyG's modules of our layers, and what Python compiled of them."""
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name.startswith("torch_afm.nn.") and name.endswith(_ENDINGS) and path is not None:
            for file in (path, importlib.util.cache_from_source(path)):
                Path(file).unlink(missing_ok=True)


# Not atexit, which worker processes do not run.
Finalize(None, remove_templates, exitpriority=0)
