"""How good predictions are: what every evaluation needs, and a namespace a subject for the rest.

- :mod:`~torch_afm.metrics.atoms`: matching of atoms and bonds, distances of graphs
- :mod:`~torch_afm.metrics.molecules`: scores of whole predictions, :func:`~torch_afm.metrics.molecules.score`
- :mod:`~torch_afm.metrics.steps`: scores of single-atom steps
- :mod:`~torch_afm.metrics.calibration`: whether probabilities mean what they say
- :mod:`~torch_afm.metrics.images`: likeness of stacks, distances of sets of images
- :mod:`~torch_afm.metrics.structure`: structure features, :func:`~torch_afm.metrics.structure.feature`
- :mod:`~torch_afm.metrics.distributions`: distances of distributions,
  :func:`~torch_afm.metrics.distributions.distance`
- :mod:`~torch_afm.metrics.intervals`: bootstrap

Names are imported when they are first used: the command line lists the structure features without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

#: Name -> where it is from.
_NAMES = {
    "Calibration": "calibration",
    "MoleculeMetrics": "molecules",
    "StepMetrics": "steps",
    "StructureSettings": "structure",
    "agreement": "images",
    "compare": "distributions",
    "edit_distance": "atoms",
    "match_atoms": "atoms",
    "match_bonds": "atoms",
    "structure_features": "structure",
}

__all__ = [*_NAMES]

if TYPE_CHECKING:
    from torch_afm.metrics.atoms import edit_distance as edit_distance
    from torch_afm.metrics.atoms import match_atoms as match_atoms
    from torch_afm.metrics.atoms import match_bonds as match_bonds
    from torch_afm.metrics.calibration import Calibration as Calibration
    from torch_afm.metrics.distributions import compare as compare
    from torch_afm.metrics.images import agreement as agreement
    from torch_afm.metrics.molecules import MoleculeMetrics as MoleculeMetrics
    from torch_afm.metrics.steps import StepMetrics as StepMetrics
    from torch_afm.metrics.structure import StructureSettings as StructureSettings
    from torch_afm.metrics.structure import structure_features as structure_features


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
