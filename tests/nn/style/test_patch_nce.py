import math

import pytest
import torch

from torch_afm.nn.style import PatchProjector, patch_nce
from torch_afm.utils import InputError


def features(seed, shape=(2, 5, 3)):
    return torch.randn(shape, generator=torch.manual_seed(seed), dtype=torch.double)


def test_it_is_the_cross_entropy_of_finding_the_place():
    queries, keys, temperature = features(0), features(1), 0.3
    losses = []
    for q, k in zip(queries, keys, strict=True):
        for s in range(5):
            cosines = [
                sum(x * y for x, y in zip(q[s].tolist(), one.tolist(), strict=True))
                / (math.hypot(*q[s].tolist()) * math.hypot(*one.tolist()))
                for one in k
            ]
            total = sum(math.exp(c / temperature) for c in cosines)
            losses.append(-math.log(math.exp(cosines[s] / temperature) / total))
    assert float(patch_nce(queries, keys, temperature)) == pytest.approx(sum(losses) / 10, rel=1e-12)


def test_gradient():
    queries, keys = features(0).requires_grad_(), features(1).requires_grad_()
    assert torch.autograd.gradcheck(patch_nce, (queries, keys))


def test_what_it_does_not_depend_on():
    queries, keys = features(0), features(1)
    loss, order = patch_nce(queries, keys), [3, 0, 4, 1, 2]
    # Order of the patches, of the images, and lengths of the features.
    torch.testing.assert_close(patch_nce(queries[:, order], keys[:, order]), loss)
    torch.testing.assert_close(patch_nce(queries.flip(0), keys.flip(0)), loss)
    torch.testing.assert_close(patch_nce(7 * queries, 0.1 * keys), loss)
    # A rotation of all features.
    turn = torch.linalg.qr(features(2, (3, 3)))[0]
    torch.testing.assert_close(patch_nce(queries @ turn, keys @ turn), loss)


def test_best_and_worst():
    apart = torch.eye(6)[None]
    assert float(patch_nce(apart, apart)) < 1e-4
    alike = torch.ones(1, 6, 4)
    assert float(patch_nce(alike, alike)) == pytest.approx(math.log(6))
    assert float(patch_nce(apart.roll(1, 1), apart)) > 10


def test_projector_of_given_places():
    torch.manual_seed(0)
    projector = PatchProjector([2, 3], width=4).double()
    layers = [features(0, (2, 2, 3, 5)), features(1, (2, 3, 2, 2))]
    places = [torch.tensor([14, 7]), torch.tensor([1])]
    found = projector(layers, places)
    assert [one.shape for one in found] == [(2, 2, 4), (2, 1, 4)]
    torch.testing.assert_close(found[0][1, 1], projector.heads[0](layers[0][1, :, 1, 2]))
    torch.testing.assert_close(found[1][0, 0], projector.heads[1](layers[1][0, :, 0, 1]))
    assert str(projector) == "PatchProjector([2, 3])"


def test_wrong_shapes():
    with pytest.raises(InputError, match="queries, keys: expected"):
        patch_nce(features(0), features(1)[:, :4])
