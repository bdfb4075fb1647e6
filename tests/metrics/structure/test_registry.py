"""The table of features, and a feature of one's own."""

import numpy as np
import pytest

from torch_afm.metrics.distributions import compare
from torch_afm.metrics.structure import FEATURES, feature, structure_features
from torch_afm.utils import InputError


@pytest.fixture
def height():
    @feature("height", "height above the gold", units=("Å",), ranges=((0.0, 10.0),))
    def heights(s):
        """Of every O."""
        return s.pos[s.centers, 2] - s.ground

    yield heights
    del FEATURES["height"]


def test_a_feature_from_outside_is_computed_and_compared(height, waters):
    one, other = structure_features([waters(seed=0), waters(seed=1)])
    atoms = waters(seed=0)
    expected = atoms.positions[atoms.numbers == 8, 2] - atoms.positions[atoms.numbers == 79, 2].max()
    np.testing.assert_allclose(np.sort(one["height"]), np.sort(expected))
    names = ("d_OO", "height")
    parts = [{name: part[name] for name in names} for part in (one, other)]
    found = compare(parts[:1], parts, ["wasserstein"], n=0).features["height"]["distances"]["wasserstein"]
    assert found["normalized"]["value"] == pytest.approx(found["raw"]["value"] / 10)


def test_a_family_of_features_from_outside(waters):
    @feature("above:A-B", "of A how many B are below", labels=("n({})",))
    def above(s, elements):
        """Number of the others that are lower."""
        first, second = (s.pos[s.z == z, 2] for z in elements)
        return (first[:, None] > second).sum(axis=1).astype(float)

    try:
        (found,) = structure_features(waters(n=3), names=["above:O-Au"])
        assert found["above:O-Au"].tolist() == [2, 2, 2]
        assert FEATURES["above:O-Au"].labels == ("n(O-Au)",) and "above:A-B" in FEATURES.names
    finally:
        del FEATURES.families["above"]


def test_every_feature_is_described_and_has_a_name_of_its_own(height):
    for name in [*FEATURES, "pair:C-H", "bond:C-H", "angle:H-C-H"]:
        made = FEATURES[name]
        assert len(made.labels) == len(made.units) == len(made.ranges), name
    assert all(made.compute.__doc__ for made in FEATURES.values())
    for taken in ("height", "pair:A-B"):
        with pytest.raises(InputError, match=r"^name: "):
            feature(taken, "again")(height)


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
