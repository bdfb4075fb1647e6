import numpy as np
import pytest

from torch_afm.metrics.structure import FEATURES, structure_features
from torch_afm.metrics.structure.features import _COMPUTE
from torch_afm.utils import InputError


def test_every_feature_is_computed_and_described():
    assert set(FEATURES) == set(_COMPUTE)
    for name, feature in FEATURES.items():
        assert len(feature.labels) == len(feature.units) == len(feature.ranges), name
        assert name in structure_features.__doc__


def test_fixed_ranges():
    np.testing.assert_allclose(FEATURES["d_OO"].normalize(np.array([0.0, 3.5, 7.0])), [0, 1, 2])
    np.testing.assert_allclose(FEATURES["d_OH"].normalize(np.array([1.25])), [1])
    np.testing.assert_allclose(FEATURES["HOH"].normalize(np.array([90.0])), [0.5])
    np.testing.assert_allclose(
        FEATURES["hbond"].normalize(np.array([[3.5, 120.0], [1.75, 150.0]])), [[1, 0], [0.5, 0.5]]
    )
    np.testing.assert_allclose(FEATURES["order"].normalize(np.array([[0.2, 3.0]])), [[0.2, 3.0]])


def test_names_with_elements():
    assert FEATURES["bond:C-H"].title == "bond length C-H"
    assert FEATURES["angle:H-C-H"].units == ("°",)
    assert "bond:C-H" not in FEATURES  # made when asked for, not kept
    with pytest.raises(InputError, match="names"):
        FEATURES["bond:C"]
