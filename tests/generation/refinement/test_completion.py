"""Hidden atoms of molecules whose lower half nobody predicted."""

import dataclasses

import pytest
import torch
from ase.build import molecule

from torch_afm.config import Scan
from torch_afm.data import AFMData, from_ase
from torch_afm.generation import RefinementSettings, refine
from torch_afm.generation.refinement import completion
from torch_afm.generation.refinement.completion import further_atoms
from torch_afm.generation.refinement.images import SliceImages
from torch_afm.generation.refinement.job import RefinementJob
from torch_afm.generation.refinement.levenberg import minimize
from torch_afm.generation.refinement.objective import RefinementObjective
from torch_afm.ppm import ProbeParticleModel, anchor_height

SCAN = Scan(window=((-4.0, 4.0), (-4.0, 4.0)), pixels=(20, 20), n_slices=4)
SETTINGS = dataclasses.replace(RefinementSettings.known(), stride=1, looks=300.0, floor=0.01)


@pytest.fixture(scope="module")
def renderer():
    return ProbeParticleModel(SCAN)


@pytest.fixture(scope="module")
def silyl():
    """Methylsilane, its silicon hidden below the methyl group: the molecule, its stack, and its height."""
    truth = from_ase(molecule("CH3SiH3"))
    truth.charge = torch.zeros(len(truth.z))
    carbon, silicon = int((truth.z == 6).nonzero()), int((truth.z == 14).nonzero())
    up = torch.nn.functional.normalize(truth.pos[carbon] - truth.pos[silicon], dim=0)
    aside = torch.nn.functional.normalize(torch.linalg.cross(up, torch.tensor([0.3, 0.7, 0.2])), dim=0)
    frame = torch.stack([aside, torch.linalg.cross(up, aside), up])
    truth.pos = (truth.pos - truth.pos[carbon]) @ frame.T
    truth.pos[:, 2] -= truth.pos[:, 2].max()
    return truth


def seen(truth: AFMData) -> AFMData:
    """The methyl group alone."""
    keep = truth.pos[:, 2] > -1.0
    return AFMData(z=truth.z[keep], pos=truth.pos[keep], charge=truth.charge[keep])


def objective(data: AFMData, stack: torch.Tensor, renderer: ProbeParticleModel, z_top: float):
    job = RefinementJob.from_inputs(data, None, stack, renderer, z_top, None, SETTINGS)
    images = SliceImages(renderer.scan, 1)
    reference = images.normalize(images.pick(job.reference))
    numbers = SETTINGS.looks, SETTINGS.floor
    return RefinementObjective(job.unknowns(SETTINGS), renderer, images, reference, None, None, *numbers)


def test_the_model_is_exact_where_nothing_changes_at_the_minimum(silyl, renderer):
    z_top = float(anchor_height(silyl, SCAN, renderer.tip))
    problem = objective(seen(silyl), renderer(silyl, z_top=z_top), renderer, z_top)
    start = torch.zeros(len(problem.unknowns.scale), dtype=torch.float64)
    x = minimize(problem, start, 30, 1e-6, lambda *_: None)
    model = problem.quadratic(x)
    assert model.minimum(model.stack) == pytest.approx(problem.value(x), abs=0.05)


def test_the_atom_below_is_found_and_explains_the_stack(silyl, renderer):
    z_top = float(anchor_height(silyl, SCAN, renderer.tip))
    stack = renderer(silyl, z_top=z_top)
    settings = dataclasses.replace(SETTINGS, completions=1)
    alone, completed = (
        refine(seen(silyl), stack, renderer, z_top, settings=one) for one in (SETTINGS, settings)
    )
    assert not len(alone.added.z)
    # The bond points straight down; how long it is, a sphere below others hardly shows.
    assert (completed.added.pos[:, :2].norm(dim=1) < 0.2).all() and (completed.added.pos[:, 2] < -1).all()
    assert completed.loss_after < 0.5 * alone.loss_after
    assert completed.data.z.equal(seen(silyl).z) and len(completed.sigma) == 4


def test_a_complete_molecule_gets_no_atom(silyl, renderer):
    z_top = float(anchor_height(silyl, SCAN, renderer.tip))
    stack = renderer(silyl, z_top=z_top)
    problem = objective(silyl, stack, renderer, z_top)
    x = torch.zeros(len(problem.unknowns.scale), dtype=torch.float64)
    assert len(further_atoms(problem, x).z) == 0


def test_a_gain_out_of_reach_adds_nothing(silyl, renderer, monkeypatch):
    z_top = float(anchor_height(silyl, SCAN, renderer.tip))
    problem = objective(seen(silyl), renderer(silyl, z_top=z_top), renderer, z_top)
    x = torch.zeros(len(problem.unknowns.scale), dtype=torch.float64)
    found = further_atoms(problem, x)
    assert len(found.z) and (found.gain >= 4.0).all()
    monkeypatch.setattr(completion, "_MIN_GAIN", 1e9)
    assert len(further_atoms(problem, x).z) == 0
