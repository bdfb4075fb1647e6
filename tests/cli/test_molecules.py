"""The molecule of a command and its stack."""

import json

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from torch_afm.cli import molecules
from torch_afm.config import Scan, Tip, from_dict
from torch_afm.data import from_smiles
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import visibility_entropy
from torch_afm.utils import InputError

SCAN = Scan(pixels=(64, 64))


def test_orientations():
    """As-is keeps all distances and heights; best shows more than any of a hundred random rotations."""
    molecule = from_smiles("Oc1ccccc1")
    turned = molecule.pos @ torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # seen from its edge
    molecule.pos = turned.clone()

    as_is = molecules.orient(molecule, "as-is", 0, SCAN).pos
    torch.testing.assert_close(as_is - as_is[0], turned - turned[0])
    assert float(as_is[:, 2].max()) == 0.0
    middle = (as_is.amin(0) + as_is.amax(0)) / 2
    torch.testing.assert_close(middle[:2], torch.zeros(2), atol=1e-6, rtol=0)

    best = molecules.orient(molecule, "best", 0, SCAN).pos
    torch.testing.assert_close(molecule.pos, turned)  # the molecule passed in is left alone
    torch.testing.assert_close(torch.cdist(best, best), torch.cdist(turned, turned), atol=1e-4, rtol=0)
    random = visibility_entropy(turned.numpy(), Rotation.random(100, random_state=9)).max()
    assert np.exp(best[:, 2].double().numpy()).sum() > 0.97 * random


def test_the_middle_of_the_molecule_is_that_of_the_window():
    """Its image is the one at the origin, in a window moved along."""
    near, far = Scan(pixels=(8, 8), n_slices=2), Scan(((92.0, 108.0), (-4.0, 12.0)), (8, 8), 2)
    molecule = from_smiles("Oc1ccccc1")
    molecule.pos += 40.0
    images = []
    for scan in (near, far):
        turned = molecules.orient(molecule, "flat", 0, scan)
        low, high = turned.pos.amin(0), turned.pos.amax(0)
        middle = [(a + b) / 2 for a, b in scan.window]
        assert ((low + high) / 2)[:2].tolist() == pytest.approx(middle, abs=1e-4) and float(high[2]) == 0
        images.append(molecules.simulate(turned, "", ProbeParticleModel(scan, backend="torch")).stack)
    assert np.sqrt(np.mean((images[0] - images[1]) ** 2)) < 1e-3 * images[0].std()


def test_a_simulated_stack_is_the_renderer_s_and_tells_everything():
    molecule = molecules.orient(from_smiles("CO"), "as-is", 0, SCAN)
    tip = Tip(tilt=(0.2, 0.1))
    renderer = ProbeParticleModel(SCAN, tip)
    stack = molecules.simulate(molecule, "methanol", renderer)
    np.testing.assert_allclose(stack.stack, renderer(molecule)[0].numpy(), atol=1e-4)
    meta = json.loads(json.dumps(stack.meta))
    assert from_dict(Scan, meta["scan"]) == SCAN
    assert from_dict(Tip, meta["tip"]) == tip
    # max(z + R) + distance + R_probe, with the radii of Hapala et al.
    radii = {1: 1.487, 6: 1.908, 8: 1.6612}
    top = max(z + radii[n] for n, z in zip(molecule.z.tolist(), molecule.pos[:, 2].tolist(), strict=True))
    assert meta["z_top"] == pytest.approx(top + SCAN.distance + radii[8])
    assert stack.z[0] == pytest.approx(meta["z_top"] - 0.45)
    assert [a["element"] for a in meta["atoms"]] == ["C", "O", "H", "H", "H", "H"]
    np.testing.assert_allclose([a["pos"] for a in meta["atoms"]], molecule.pos)
    np.testing.assert_allclose([a["charge"] for a in meta["atoms"]], molecule.charge)


BAD = [
    (lambda: molecules.load_molecule(None, None, 0), "molecule"),
    (lambda: molecules.load_molecule("a.xyz", "C", 0), "molecule"),
]


@pytest.mark.parametrize(("call", "argument"), BAD)
def test_bad_input(call, argument):
    with pytest.raises(InputError, match=f"^{argument}:"):
        call()
