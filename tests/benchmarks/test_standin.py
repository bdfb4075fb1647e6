import numpy as np
import torch

from benchmarks.style.standin import GAMMA, stand_in
from torch_afm.functional import normalize_slices


def stacks(count):
    noise = torch.randn(count, 1, 3, 72, 72, generator=torch.manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(noise.flatten(0, 2)[:, None], 9, 1)
    return normalize_slices(smooth.view(count, 1, 3, 64, 64))


def test_one_tip_and_noise_of_every_stack_s_own():
    clean = stacks(2)
    clean[1] = clean[0]
    styled = stand_in(clean, 1)
    assert torch.equal(styled, stand_in(clean, 1)) and not torch.equal(styled, stand_in(clean, 2))
    # The two differ by planes, rows and pixels alone: without planes and rows, by white noise.
    difference = (styled[0] - styled[1])[0, 0].double().numpy()
    x = np.mgrid[:64, :64][1] / 63
    rows = [np.eye(64)[i].repeat(64) for i in range(64)]
    known = np.stack([*rows, x.ravel()], axis=1)
    rest = difference.ravel() - known @ np.linalg.lstsq(known, difference.ravel(), rcond=None)[0]
    rest = rest.reshape(64, 64)
    assert abs(np.corrcoef(rest[:, 1:].ravel(), rest[:, :-1].ravel())[0, 1]) < 0.08
    assert 0 < rest.std() < 0.12 * 8 / 3  # of ranges of about 8, uniform


def test_content_stays():
    clean = stacks(3)
    styled = stand_in(clean, 1)
    pairs = torch.stack([clean.flatten(), styled.flatten()])
    assert 0.7 < float(torch.corrcoef(pairs)[0, 1]) < 0.99
    assert GAMMA > 1
