"""Which slices to look at, by a network that knows the truth at all heights."""

import dataclasses

import pytest
import torch

from tests.prediction.networks import SCAN, Oracle
from torch_afm.config import Tip
from torch_afm.data import AFMData
from torch_afm.elements import LJ_TABLE
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.prediction import choose_slices, locate_slices
from torch_afm.prediction.slices import trained_height
from torch_afm.testing import benzene
from torch_afm.utils import InputError

TRAINED = float(anchor_height(AFMData(z=torch.tensor([8]), pos=torch.zeros(1, 3)), SCAN, Tip()))


def stack(z_top, n_slices):
    scan = dataclasses.replace(SCAN, n_slices=n_slices)
    return ProbeParticleModel(scan)(benzene(), z_top=z_top), scan


@pytest.mark.parametrize(
    ("n_slices", "farther"), [(2, -0.3), (2, 0.0), (9, 0.5), (9, 0.0), (14, 1.0), (40, 1.4)]
)
def test_the_image_tells_where_the_heights_of_training_are(n_slices, farther):
    reference, scan = stack(TRAINED + farther, n_slices)
    told = []
    guesses = choose_slices(Oracle(benzene()), reference, scan, progress=told.append)
    assert len(guesses) == len(told) <= 6 and len({(one.first, one.z_top) for one in guesses}) == len(guesses)
    best = max(guesses, key=lambda one: one.pearson)
    assert best.z_top + best.first * scan.dz == pytest.approx(TRAINED + farther, abs=0.35)
    assert all(0 <= one.first <= n_slices - 2 for one in guesses)
    errors = [abs(one.z_top + one.first * scan.dz - TRAINED - farther) for one in guesses]
    assert errors[guesses.index(best)] == min(errors)


def test_known_heights_need_no_guess():
    reference, scan = stack(TRAINED + 0.52, 14)
    (guess,) = choose_slices(Oracle(benzene()), reference, scan, TRAINED + 0.52)
    assert (guess.first, guess.z_top) == locate_slices(scan, SCAN, TRAINED + 0.52)
    assert guess.first == 5 and guess.z_top == pytest.approx(TRAINED + 0.02) and guess.pearson > 0.9
    assert locate_slices(scan, SCAN, TRAINED - 1)[0] == 0 and locate_slices(scan, SCAN, TRAINED + 9)[0] == 12


def test_larger_oscillations_start_as_much_higher():
    """The lower turning points are those of training."""
    scan = dataclasses.replace(SCAN, n_slices=14, n_oscillation=SCAN.n_oscillation + 6)
    reference = ProbeParticleModel(scan)(benzene(), z_top=TRAINED + 1.0)
    first, z_top = locate_slices(scan, SCAN, TRAINED + 1.0)
    assert (first, z_top) == (4, pytest.approx(TRAINED + 0.6))
    guesses = choose_slices(Oracle(benzene()), reference, scan)
    best = max(guesses, key=lambda one: one.pearson)
    assert best.z_top + best.first * scan.dz == pytest.approx(TRAINED + 1.0, abs=0.35)


def test_fewer_slices_than_the_models_are_refused():
    reference, scan = stack(TRAINED, 1)
    with pytest.raises(InputError, match="reference"):
        choose_slices(Oracle(benzene()), reference, scan)


def test_a_larger_probe_and_oscillation_stay_farther_away():
    usual = trained_height(SCAN, SCAN)
    oxygen = AFMData(z=torch.tensor([8]), pos=torch.zeros(1, 3))
    assert usual == pytest.approx(float(anchor_height(oxygen, SCAN, Tip())))
    xenon = trained_height(SCAN, SCAN, Tip.preset("Xe"))
    radius = {name: LJ_TABLE[name][0] for name in ("O", "Xe")}
    assert xenon - usual == pytest.approx(radius["Xe"] - radius["O"])
    wider = dataclasses.replace(SCAN, n_oscillation=SCAN.n_oscillation + 4)
    assert trained_height(wider, SCAN) - usual == pytest.approx(wider.amplitude - SCAN.amplitude)
