import pytest

from torch_afm.elements import AtomClasses
from torch_afm.nn import class_planes


@pytest.mark.parametrize(
    ("groups", "planes"),
    [
        ((("H",), ("C", "N"), ("O",)), [0, 1, 1]),
        ((("O",), ("H",), ("C",)), [1, 0, 1]),
        ((("H", "C"), ("O",)), [0, 0]),
        ((("C",), ("O",)), [0, 0]),
        ((("H",),), [0]),
    ],
)
def test_hydrogen_has_a_plane_where_it_has_a_class(groups, planes):
    assert class_planes(AtomClasses(groups)).tolist() == planes
