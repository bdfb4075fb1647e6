"""Identification from end to end, of simulated scans with noise."""

import numpy as np
import pytest
import torch

from torch_afm import identify
from torch_afm.config import IdentifyOptions, Scan
from torch_afm.data import AFMData
from torch_afm.identification import Candidate
from torch_afm.identification.fits import Fitter
from torch_afm.io import AFMStack
from torch_afm.io.scans import ScanStack, read_scan
from torch_afm.ppm import ProbeParticleModel
from torch_afm.utils import InputError

SCAN = Scan(window=((-7, 7), (-7, 7)), pixels=(57, 57), n_slices=6)
NAMES = ("c1ccncc1", "c1ccc2ncccc2c1", "Clc1ccccc1")
QUICK = IdentifyOptions(starts=3, compared=2, fits=2)


@pytest.fixture(scope="module")
def candidates() -> list[Candidate]:
    return [Candidate.from_smiles(name) for name in NAMES]


@pytest.fixture(scope="module")
def scan(candidates) -> ScanStack:
    """Quinoline, turned by 50° and shifted, with noise of a tenth of the contrast, in arbitrary units."""
    molecule = candidates[1].conformers[0]
    pos = molecule.pos - molecule.pos.mean(0)
    flat = torch.linalg.svd(pos.double(), full_matrices=False)[2].float()
    pos = pos @ flat.T
    a = np.radians(50)
    turn = torch.tensor([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]).float()
    pos = torch.cat([pos[:, :2] @ turn.T + torch.tensor([0.8, -0.5]), pos[:, 2:]], 1)
    data = AFMData(z=molecule.z, pos=pos, charge=molecule.charge)
    stack = ProbeParticleModel(SCAN)(data)[0].numpy()
    stack = 7 * stack / stack.std() + np.random.default_rng(0).normal(0, 0.7, stack.shape)
    return read_scan(AFMStack(stack.astype(np.float32), SCAN.x, SCAN.y, SCAN.slice_heights(8.0), {}))


def test_the_right_molecule_is_first_and_lies_where_it_lay(scan, candidates) -> None:
    found = identify(scan, candidates, QUICK)
    assert found.answers[0].candidate.name == NAMES[1]
    assert found.margin > 5
    heavy = found.answers[0].atoms
    middle = heavy.pos[heavy.z > 1, :2].mean(0)
    truth = torch.tensor([0.8, -0.5])
    assert float((middle - truth).norm()) < 0.4
    assert {answer.candidate.name for answer in found.answers} | set(found.others) == set(NAMES)


def test_an_interrupted_comparison_goes_on(scan, candidates, tmp_path, monkeypatch) -> None:
    whole = identify(scan, candidates, QUICK)
    searched = []
    find = Fitter.find

    def interrupted(self, candidate):
        if len(searched) == 2:
            raise KeyboardInterrupt
        searched.append(candidate.name)
        return find(self, candidate)

    monkeypatch.setattr(Fitter, "find", interrupted)
    with pytest.raises(KeyboardInterrupt):
        identify(scan, candidates, QUICK, folder=tmp_path)
    monkeypatch.setattr(Fitter, "find", lambda self, c: (searched.append(c.name), find(self, c))[1])
    again = identify(scan, candidates, QUICK, folder=tmp_path)
    assert searched == list(NAMES)
    assert [a.candidate.name for a in again.answers] == [a.candidate.name for a in whole.answers]
    assert [a.evidence for a in again.answers] == pytest.approx([a.evidence for a in whole.answers])


def test_refuses_scans_that_are_too_wide_and_no_candidates(candidates, scan) -> None:
    wide = scan.replace(window=((-25.0, 25.0), (-25.0, 25.0)))
    with pytest.raises(InputError, match="window: expected a scan of at most 40 x 40 Å"):
        identify(wide, candidates, QUICK)
    with pytest.raises(InputError, match="candidates: expected one or more"):
        identify(scan, [], QUICK)
