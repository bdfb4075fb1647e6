"""Fits of candidates to a simulated scan whose pose and instrument are known."""

import json
import math

import pytest
import torch

from torch_afm import from_smiles
from torch_afm.config import IdentifyOptions, Scan
from torch_afm.identification import Candidate, Fitter, Start, orientations
from torch_afm.identification.fits import Fit
from torch_afm.identification.pose import HEIGHT, PLACE, STIFFNESS, TURN, PoseModel
from torch_afm.ppm import ProbeParticleModel, anchor_height

SCAN = Scan(window=((-6, 6), (-6, 6)), pixels=(49, 49), n_slices=5)
OPTIONS = IdentifyOptions(starts=6)


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
def found(fitter, candidate) -> list[Fit]:
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
    evidence = [fit.evidence for fit in found]
    assert evidence == sorted(evidence, reverse=True)
    assert bool((found[0].x[[TURN, HEIGHT]] != 0).all()) and bool((found[0].x[PLACE] != 0).any())
    before = max(-fitter._objective(place, instrument=False).value(x) for _, place, x in found)
    on = fitter.compare(found)
    assert on[0].evidence >= before
    assert float(on[0].x[STIFFNESS]) == 0


def test_short_fits_are_unlike_each_other(fitter, found, candidate) -> None:
    poses = [fitter._model(fit.place, False).pose(fit.x).atoms for fit in found]
    for i, a in enumerate(poses):
        for b in poses[:i]:
            heavy = a.z > 1
            distance = torch.cdist(a.pos[heavy], b.pos[heavy])
            distance[a.z[heavy][:, None] != b.z[heavy]] = torch.inf
            assert float(distance.amin(1).mean()) >= 0.4


def test_what_was_found_is_kept_in_json(found, candidate) -> None:
    records = json.loads(json.dumps([fit.record() for fit in found]))
    kept = [Fit.from_record(candidate, record, OPTIONS.seed) for record in records]
    for a, b in zip(kept, found, strict=True):
        assert a.evidence == b.evidence and torch.equal(a.x, b.x)
        assert a.place.start == b.place.start
        assert torch.equal(a.place.molecule.pos, b.place.molecule.pos)
