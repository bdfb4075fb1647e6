"""The blurred surface cut, by hand."""

import pytest
import torch

from torch_afm.metrics import match_atoms
from torch_afm.metrics.atoms import SurfaceMatch, match_surface
from torch_afm.utils import InputError


def column(*atoms):
    """Atoms ``(x, z)``."""
    return torch.tensor([[x, 0.0, z] for x, z in atoms]).reshape(-1, 3)


def test_atoms_on_either_side_of_the_cut_are_found():
    # The first is predicted below the cut, the second above, where it does not belong.
    found = match_surface(column((0, -0.75), (2, -0.65), (4, 0)), column((0, -0.65), (2, -0.75), (4, 0)))
    assert found == SurfaceMatch(3, 3, 3) and found.f1 == 1


def test_lone_atoms_in_the_band_count_for_nothing_and_those_above_it_do():
    lone = column((0, 0), (3, -0.6), (6, -0.8), (9, -0.5))
    assert match_surface(lone, column((0, 0))) == SurfaceMatch(1, 2, 1)
    assert match_surface(column((0, 0)), lone) == SurfaceMatch(1, 1, 2)
    assert match_surface(lone, column((0, 0)), band=0) == SurfaceMatch(1, 3, 1)
    assert match_surface(lone, column((0, 0)), z_min=-1.0) == SurfaceMatch(1, 4, 1)


def test_pairs_below_the_cut_count_for_nothing():
    deep = column((0, -0.8), (2, -1.3), (4, -2.0))
    assert match_surface(deep, deep) == SurfaceMatch(0, 0, 0) and match_surface(deep, deep).f1 == 1


def test_shares():
    found = match_surface(column((0, 0), (2, 0)), column((0, 0), (4, 0), (6, 0), (8, 0)))
    assert (found.precision, found.recall, found.f1) == (0.5, 0.25, pytest.approx(1 / 3))
    nothing = column()
    silent = match_surface(nothing, column((0, 0)))
    assert (silent.precision, silent.recall, silent.f1) == (0, 0, 0)


def test_lateral_distances():
    lifted = column((0, 0.0)), column((0.1, -0.6))
    assert match_surface(*lifted).matched == 0 and match_surface(*lifted, xy_only=True).matched == 1
    # Laterally, too, atoms far below the cut stand for none above it.
    assert match_surface(column((0, 0)), column((0, -1.3)), xy_only=True) == SurfaceMatch(0, 1, 0)


def test_without_a_band_and_far_from_the_cut_it_is_the_plain_matching():
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([4.0, 4.0, 0.15])
    pred, true = (torch.rand(n, 3, generator=generator) * scale for n in (12, 9))
    plain, found = match_atoms(pred, true), match_surface(pred, true)
    assert (found.precision, found.recall) == (plain.precision, plain.recall)
    assert found.f1 == pytest.approx(plain.f1)


@pytest.mark.parametrize("band", [-0.1, float("nan"), float("inf")])
def test_bad_bands(band):
    with pytest.raises(InputError, match=r"^band: "):
        match_surface(column((0, 0)), column((0, 0)), band=band)
