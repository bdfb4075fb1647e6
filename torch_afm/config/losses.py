"""Settings of the training losses; those of a network are its ``LossConfig``."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from torch_afm.utils import InputError


@dataclass(frozen=True)
class SequentialLossConfig:
    """Weights of :class:`torch_afm.nn.SequentialLoss`; the defaults are those of the graph-AFM thesis, Aalto
    University (see CITATION.cff), section 4.3.

    Args:
        node_weight: weight of the cross-entropy of the class.
        edge_weight: weight of the binary cross-entropy of the bonds.
    """

    node_weight: float = 3.0
    edge_weight: float = 2.0

    def __post_init__(self) -> None:
        _check_weights(self)


@dataclass(frozen=True)
class SpatialLossConfig:
    """Weights of :class:`torch_afm.nn.SpatialLoss`, where each is explained.

    Args:
        context_weight: weight of an atom below the surface cut; one above it has 1.
        position_weight: weight of the likelihoods of positions, of missing atoms and of those there are.
        stop_weight: weight of the cross-entropy of *no visible atom is missing*.
        class_weight: weight of the cross-entropy of the class.
        bond_weight: weight of the binary cross-entropy of the bonds.
        real_weight: weight of the cross-entropy of whether an atom of the graph is real.
    """

    context_weight: float = 0.3
    position_weight: float = 0.1
    stop_weight: float = 0.5
    class_weight: float = 0.3
    bond_weight: float = 0.3
    real_weight: float = 0.3

    def __post_init__(self) -> None:
        _check_weights(self)


def _check_weights(config: Any) -> None:
    for field in fields(config):
        weight = getattr(config, field.name)
        if not (math.isfinite(weight) and weight >= 0):
            raise InputError(f"{field.name}: expected a finite weight, 0 or more, got {weight}")
