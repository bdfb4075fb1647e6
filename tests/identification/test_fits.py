"""Fits of candidates to a simulated scan whose pose and instrument are known."""

import json
import math

import pytest
import torch

from torch_afm import from_smiles
from torch_afm.config import IdentifyOptions, Scan
from torch_afm.identification import Candidate, Fitter, Start, orientations
from torch_afm.identification.fits import Found
from torch_afm.identification.pose import HEIGHT, PLACE, STIFFNESS, TURN, PoseModel
from torch_afm.ppm import ProbeParticleModel, anchor_height

SCAN = Scan(window=((-6, 6), (-6, 6)), pixels=(49, 49), n_slices=5)
OPTIONS = IdentifyOptions(starts=2)


@pytest.fixture(scope="module")
def candidate() -> Candidate:
    return Candidate.from_molecule(from_smiles("Clc1ccncc1"), "chloropyridine")


@pytest.fixture(scope="module")
def truth(candidate) -> tuple[PoseModel, torch.Tensor]:
    """A pose, imaged with a softer tip."""
    renderer = ProbeParticleModel(SCAN, on_unconverged="ignore")
    molecule = orientations(candidate.conformers[0])[0]
    usual = float(anchor_height(molecule, SCAN, renderer.tip))
    model = PoseModel(molecule, Start(1.0, 40.0, (0.6, -0.4), 0.0), usual, renderer, upright=False)
    x = torch.zeros_like(model.widths)
    x[STIFFNESS] = math.log(0.7) / model.widths[STIFFNESS]
    return model, x


@pytest.fixture(scope="module")
def fitter(truth) -> Fitter:
    model, x = truth
    places = torch.cartesian_prod(torch.from_numpy(SCAN.y), torch.from_numpy(SCAN.x)).flip(1)
    stack = model.stacks(x[None], places)[0].reshape(SCAN.shape)
    return Fitter(stack, SCAN, model.z_top, OPTIONS)


@pytest.fixture(scope="module")
def found(fitter, candidate) -> Found:
    return fitter.find(candidate)


def test_the_pose_is_that_of_the_scan(fitter, found, candidate, truth) -> None:
    answer = fitter.answer(candidate, fitter.compare(found))
    model, x = truth
    want = model.pose(x)
    heavy = want.atoms.z > 1
    distance = torch.cdist(want.in_scan(SCAN.center).pos[heavy, :2], answer.atoms.pos[:, :2])
    distance[want.atoms.z[heavy, None] != answer.atoms.z] = torch.inf
    assert float(distance.amin(1).max()) < 0.2  # the molecule is symmetric: atoms may change places
    assert answer.pearson.min() > 0.98
    assert answer.simulated.shape == SCAN.shape


def test_fits_improve_and_are_sorted(fitter, found) -> None:
    evidence = [fit.evidence for fit in found.fits]
    assert evidence == sorted(evidence, reverse=True)
    on = fitter.compare(found)
    assert on[0].evidence >= evidence[0]
    fitted = on[0].x[[TURN, HEIGHT]]
    assert bool((fitted != 0).any()) and bool((on[0].x[PLACE] != 0).any())
    assert float(on[0].x[STIFFNESS]) == 0


def test_what_was_found_is_kept_in_json(found, candidate) -> None:
    kept = Found.from_record(candidate, json.loads(json.dumps(found.record())), OPTIONS.seed)
    assert [place.start for place in kept.places] == [place.start for place in found.places]
    assert all(torch.equal(a.x, b.x) for a, b in zip(kept.fits, found.fits, strict=True))
    for a, b in zip(kept.fits, found.fits, strict=True):
        assert torch.equal(a.place.molecule.pos, b.place.molecule.pos)
