"""The search for places, on simulated scans of known ones."""

import numpy as np
import pytest
import torch

from torch_afm import from_smiles
from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.functional import remove_slope
from torch_afm.identification import PoseSearch, orientations
from torch_afm.identification.candidates import radius
from torch_afm.identification.search import PIXEL, USUAL_CHARGE
from torch_afm.ppm import ProbeParticleModel, anchor_height

SCAN = Scan(window=((2, 16), (-6, 8)), pixels=(57, 57), n_slices=6)


@pytest.fixture(scope="module")
def renderer() -> ProbeParticleModel:
    return ProbeParticleModel(SCAN, on_unconverged="ignore")


def laid(molecule: AFMData, angle: float, place: tuple[float, float]) -> AFMData:
    """The molecule turned counterclockwise by degrees, with its middle at a place, and charges as strong as a
    search expects them."""
    a = np.radians(angle)
    turn = torch.tensor([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]).float()
    pos = molecule.pos @ turn.T + torch.tensor([*place, 0.0])
    return AFMData(z=molecule.z, pos=pos, charge=USUAL_CHARGE * molecule.charge)


def search(renderer: ProbeParticleModel, data: AFMData, height: float) -> tuple[PoseSearch, float]:
    usual = float(anchor_height(data, SCAN, renderer.tip))
    stack = remove_slope(renderer(data, z_top=usual - height))[0, 0]
    return PoseSearch(stack, SCAN, usual, renderer), usual


@pytest.mark.parametrize(("angle", "place", "height"), [(0, (9, 1), 0.0), (130, (10.5, -0.5), 0.4)])
def test_finds_place_turn_and_height(renderer, angle, place, height) -> None:
    molecule = orientations(from_smiles("Clc1ccnc2ccccc12"))[0]
    searcher, _ = search(renderer, laid(molecule, angle, place), height)
    (_, best), *_ = searcher.find([molecule], 2)
    assert best.pearson > 0.9
    assert np.hypot(best.place[0] - place[0], best.place[1] - place[1]) <= PIXEL
    assert abs((best.angle - angle + 180) % 360 - 180) <= 15
    assert best.height == pytest.approx(height, abs=0.21)


def test_molecules_that_the_edge_cuts_are_found(renderer) -> None:
    molecule = orientations(from_smiles("Clc1ccnc2ccccc12"))[0]
    place = (3.0, 1.0)
    assert place[0] - radius(molecule) < SCAN.window[0][0]
    searcher, _ = search(renderer, laid(molecule, 60, place), 0.0)
    (_, best), *_ = searcher.find([molecule], 1)
    assert np.hypot(best.place[0] - place[0], best.place[1] - place[1]) <= 1.5 * PIXEL


def test_the_right_orientation_is_first(renderer) -> None:
    ways = orientations(from_smiles("Clc1ccnc2ccccc12"))
    searcher, _ = search(renderer, laid(ways[1], 200, (9, 1)), 0.0)
    assert searcher.find(ways, 1)[0][0] == 1


def test_places_differ_and_are_sorted(renderer) -> None:
    molecule = orientations(from_smiles("c1ccncc1"))[0]
    searcher, _ = search(renderer, laid(molecule, 0, (9, 1)), 0.0)
    starts = [start for _, start in searcher.find([molecule], 4)]
    assert len(starts) == 4
    scores = [start.pearson for start in starts]
    assert scores == sorted(scores, reverse=True)
    for i, a in enumerate(starts):
        for b in starts[:i]:
            turn = abs((a.angle - b.angle + 180) % 360 - 180)
            far = np.hypot(a.place[0] - b.place[0], a.place[1] - b.place[1])
            assert turn >= 20 or far >= 1.0
