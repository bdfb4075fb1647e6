"""torch_afm: atomic structure from atomic force microscopy images.

Sub-packages, and the names below, are imported when they are first used: ``torch_afm.nn``,
``torch_afm.from_smiles``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

#: Public sub-packages and modules.
_MODULES = (
    "config",
    "data",
    "datasets",
    "elements",
    "evaluation",
    "identification",
    "prediction",
    "io",
    "metrics",
    "models",
    "nn",
    "ppm",
    "style",
    "train",
    "transforms",
    "units",
    "utils",
    "viz",
)

#: Name at the top -> where it is from.
_NAMES = {
    "AFMData": "data",
    "AFMDataset": "datasets",
    "IdentifyOptions": "config",
    "MoleculeDataset": "datasets",
    "Orient": "transforms",
    "PredictOptions": "config",
    "ProbeParticleModel": "ppm",
    "Scan": "config",
    "Tip": "config",
    "best_rotations": "transforms",
    "from_smiles": "data",
    "generate": "prediction",
    "identify": "identification",
    "load_generator": "models",
    "anchor_height": "ppm",
    "predict": "prediction",
}

__all__ = [*_MODULES, *_NAMES]

if TYPE_CHECKING:
    from torch_afm import config as config
    from torch_afm import data as data
    from torch_afm import datasets as datasets
    from torch_afm import elements as elements
    from torch_afm import evaluation as evaluation
    from torch_afm import identification as identification
    from torch_afm import io as io
    from torch_afm import metrics as metrics
    from torch_afm import models as models
    from torch_afm import nn as nn
    from torch_afm import ppm as ppm
    from torch_afm import prediction as prediction
    from torch_afm import style as style
    from torch_afm import train as train
    from torch_afm import transforms as transforms
    from torch_afm import units as units
    from torch_afm import utils as utils
    from torch_afm import viz as viz
    from torch_afm.config import IdentifyOptions as IdentifyOptions
    from torch_afm.config import PredictOptions as PredictOptions
    from torch_afm.config import Scan as Scan
    from torch_afm.config import Tip as Tip
    from torch_afm.data import AFMData as AFMData
    from torch_afm.data import from_smiles as from_smiles
    from torch_afm.datasets import AFMDataset as AFMDataset
    from torch_afm.datasets import MoleculeDataset as MoleculeDataset
    from torch_afm.identification.identify import identify as identify
    from torch_afm.models import load_generator as load_generator
    from torch_afm.ppm import ProbeParticleModel as ProbeParticleModel
    from torch_afm.ppm import anchor_height as anchor_height
    from torch_afm.prediction.generate import generate as generate
    from torch_afm.prediction.session import predict as predict
    from torch_afm.transforms import Orient as Orient
    from torch_afm.transforms import best_rotations as best_rotations


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
