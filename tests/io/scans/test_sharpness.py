import numpy as np
import pytest

from torch_afm.config import Scan, Tip
from torch_afm.data import from_smiles
from torch_afm.io.scans import ScanStack
from torch_afm.io.scans.sharpness import compare_sharpness
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.transforms import Orient, best_rotations
from torch_afm.utils import InputError

SCAN = Scan(window=((-8.0, 8.0), (-8.0, 8.0)), pixels=(64, 64), n_slices=14)


@pytest.fixture(scope="module")
def aspirin():
    molecule = from_smiles("CC(=O)Oc1ccccc1C(=O)O")
    molecule = Orient(best_rotations(molecule.pos, n=1)[0])(molecule)
    z_top = float(anchor_height(molecule, SCAN, Tip())) + 0.3
    images = ProbeParticleModel(SCAN, backend="torch")(molecule, z_top=z_top)[0, 0].double().numpy()
    return ScanStack(images, SCAN.slice_heights(z_top), SCAN.window)


def stretched(stack, noise):
    """Each slice as a picture of its own."""
    grain = noise * stack.values[-1].std() * np.random.default_rng(0).normal(size=stack.values.shape)
    values = stack.values + grain
    low, high = values.min(axis=(1, 2), keepdims=True), values.max(axis=(1, 2), keepdims=True)
    return stack.replace(values=np.rint(255 * (values - low) / (high - low)))


@pytest.mark.parametrize("noise", [0.02, 0.05, 0.2])
def test_the_near_end_is_sharper(aspirin, noise):
    stack = stretched(aspirin, noise)
    found = compare_sharpness(stack)
    assert found.margin > 2 and 0 < found.change <= 1
    turned = compare_sharpness(stack.reversed())
    assert turned.change == pytest.approx(-found.change) and turned.error == pytest.approx(found.error)


def test_units_tilt_and_size_of_the_pixels_do_not_matter(aspirin):
    stack = stretched(aspirin, 0.05)
    found = compare_sharpness(stack)
    other = stack.replace(values=3 - 0.1 * (stack.values + 20 * stack.x))
    assert compare_sharpness(other).change == pytest.approx(found.change)


def test_equal_slices_and_noise_alone_tell_nothing(aspirin):
    same = aspirin.replace(values=np.repeat(aspirin.values[-1:], 14, axis=0))
    assert compare_sharpness(same).change == pytest.approx(0, abs=1e-9)
    noise = np.random.default_rng(0).normal(size=aspirin.values.shape)
    assert abs(compare_sharpness(aspirin.replace(values=noise)).margin) < 2
    assert compare_sharpness(aspirin.replace(values=np.zeros((14, 64, 64)))).margin == 0


def test_stacks_without_two_slices_or_with_holes(aspirin):
    single = ScanStack(aspirin.values[:1], [0.0], aspirin.window)
    small = ScanStack(aspirin.values[:, :7], aspirin.heights, aspirin.window)
    for stack in (single, small, aspirin.replace(values=aspirin.values * np.nan)):
        with pytest.raises(InputError, match="values"):
            compare_sharpness(stack)
