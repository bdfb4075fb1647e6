import os
from pathlib import Path

import numpy as np
import pytest

from torch_afm.io import read_atoms
from torch_afm.metrics.distributions import sinkhorn_divergence, wasserstein
from torch_afm.metrics.structure import FEATURES, StructureSettings, structure_features

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("TORCH_AFM_DATA" not in os.environ, reason="TORCH_AFM_DATA is not set"),
]


@pytest.fixture(scope="module")
def values():
    """Normalized values of theory and of the model trained on pure simulation."""
    root = Path(os.environ["TORCH_AFM_DATA"]) / "water_au111"
    names = ["d_OO", "d_OH", "HOH", "theta_ZOH", "hbond", "order"]
    sides = [
        structure_features(read_atoms(root / folder), StructureSettings.huang2025(), names)
        for folder in ("theory_label_xyz", "predictions/pure")
    ]
    return {
        name: [FEATURES[name].normalize(np.concatenate([one[name] for one in side])) for side in sides]
        for name in names
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("d_OO", 0.037),
        ("d_OH", 0.040),
        ("HOH", 0.055),
        ("theta_ZOH", 0.112),
        ("hbond", 0.167),
        ("order", 0.333),
    ],
)
def test_exact_distances(values, name, expected):
    if name in ("hbond", "order"):
        pytest.importorskip("ot")
    assert wasserstein(*values[name]) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(("name", "expected"), [("hbond", 0.115), ("order", 0.286)])
def test_published_distances_of_pairs(values, name, expected):
    assert sinkhorn_divergence(*values[name]) == pytest.approx(expected, abs=5e-4)
