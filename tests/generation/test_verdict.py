"""What speaks against a structure, of structures that are known to be right or wrong."""

import dataclasses

import numpy as np
import pytest
import torch

from torch_afm.config import Scan
from torch_afm.data import AFMData, from_smiles
from torch_afm.generation import judge
from torch_afm.io import AFMStack
from torch_afm.metrics import Calibration
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.transforms import Orient, best_rotations
from torch_afm.utils import InputError

SCAN = Scan(pixels=(48, 48), window=((-6.0, 6.0), (-6.0, 6.0)))
NONE = AFMData.empty()


@pytest.fixture(scope="module")
def renderer():
    return ProbeParticleModel(SCAN)


@pytest.fixture(scope="module")
def molecule():
    """Naphthalene, flat."""
    found = from_smiles("c1ccc2ccccc2c1")
    return Orient(best_rotations(found.pos, n=1)[0])(found)


@pytest.fixture(scope="module")
def z_top(molecule, renderer):
    return float(anchor_height(molecule, SCAN, renderer.tip))


@pytest.fixture(scope="module")
def image(molecule, renderer, z_top):
    return renderer(molecule, z_top=z_top)


def scan_of(stack, noise=0.0, seed=0, **meta):
    rough = noise * np.random.default_rng(seed).normal(size=stack.shape)
    return AFMStack((stack.numpy() + rough)[0], SCAN.x, SCAN.y, SCAN.slice_heights(8.0), meta)


def part(data: AFMData, keep) -> AFMData:
    return AFMData(z=data.z[keep], pos=data.pos[keep], charge=data.charge[keep])


def verdict(graph, simulated, scan):
    return judge(graph, NONE, simulated, scan, Calibration.min_pearson)


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.5])
def test_the_truth_agrees_however_noisy_the_scan_and_in_any_unit(molecule, image, noise):
    scan = scan_of(image, noise)
    found = verdict(molecule, image, scan)
    assert found.agrees and found.reasons == ()
    spread = image[0, 0].std(dim=(1, 2)).double()
    share = float((noise**2 / (noise**2 + spread**2)).mean())
    assert found.noise == pytest.approx(share, abs=0.03)
    assert found.without_noise == pytest.approx(1, abs=0.02) and found.curvature > 0.97
    turned = dataclasses.replace(scan, stack=3 * scan.stack - 7)
    assert verdict(molecule, image, turned).without_noise == pytest.approx(found.without_noise, abs=1e-4)


def test_a_part_of_a_molecule_does_not_agree_and_the_place_is_told(molecule, image, renderer, z_top):
    half = part(molecule, molecule.pos[:, 0] > -1)
    found = verdict(half, renderer(half, z_top=z_top), scan_of(image))
    assert not found.agrees
    (where,) = [r for r in found.reasons if "Å²" in r]
    assert float(where.split("x ")[1].split(",")[0]) < 0
    # r alone might be taken for an agreement.
    assert found.pearson > 0.7


def test_no_atom_never_agrees(image):
    found = verdict(NONE, image, scan_of(image))
    assert not found.agrees and "no atom was found" in found.reasons


def test_a_scan_of_noise_or_of_few_slices_tells_nothing(molecule, image):
    assert any("noise" in r for r in verdict(molecule, image, scan_of(image, 50.0)).reasons)
    assert any("2 slices" in r for r in verdict(molecule, image, scan_of(image, measured=2)).reasons)
    assert verdict(molecule, image, scan_of(image, measured=4)).agrees


def test_a_shapeless_cloud_is_not_the_molecule_under_it(molecule, image, renderer, z_top):
    """Far away, a molecule is all but a blot: r is high, the details are not there."""
    far = renderer(molecule, z_top=z_top + 1.2)
    graph = AFMData(z=torch.full((3,), 6), pos=torch.tensor([[-2.0, 0, 0], [0, 0, 0], [2.0, 0, 0]]))
    y, x = np.meshgrid(SCAN.y, SCAN.x, indexing="ij")
    blot = torch.from_numpy(-np.exp(-((x / 4.2) ** 2 + (y / 3.2) ** 2))).float().expand_as(far)
    found = verdict(graph, blot, scan_of(far))
    assert found.pearson > 0.9 > found.curvature and not found.agrees


@pytest.mark.parametrize(
    ("moved", "word"),
    [
        ([[6.8, 0.0, 0.0]], "outside the scan"),
        ([[0.0, 4.0, 0.0], [0.0, -4.0, 0.0], [4.5, 4.0, 0.0]] * 3, "no neighbour"),
        ([[0.0, 4.0, 0.0], [0.9, 4.0, 0.0]], "than atoms can be"),
    ],
)
def test_atoms_where_none_can_be(molecule, image, moved, word):
    pos = torch.tensor(moved) + 0.001 * torch.arange(len(moved))[:, None]
    if word == "no neighbour":
        pos = pos + 1.4 * torch.arange(len(moved))[:, None] * torch.tensor([0.0, 0.0, -1.0])
    more = AFMData(z=torch.ones(len(moved), dtype=torch.long), pos=pos, charge=torch.zeros(len(moved)))
    whole = AFMData(**{k: torch.cat([molecule[k], more[k]]) for k in ("z", "pos", "charge")})
    if word == "no neighbour":  # nine of them, alone
        whole = more
    assert any(word in r for r in verdict(whole, image, scan_of(image)).reasons)


def test_an_empty_margin_changes_nothing(molecule, image, renderer, z_top):
    """A patch is measured by the contrast of the molecule, not by the size of the scan."""
    wide = Scan(pixels=(96, 96), window=((-12.0, 12.0), (-12.0, 12.0)))
    half = part(molecule, molecule.pos[:, 0] > -1)
    sizes = []
    for scan in (SCAN, wide):
        simulator = ProbeParticleModel(scan)
        stack = AFMStack(simulator(molecule, z_top=z_top)[0].numpy(), scan.x, scan.y, scan.slice_heights(8.0))
        found = verdict(half, simulator(half, z_top=z_top), stack)
        (where,) = [r for r in found.reasons if "Å²" in r]
        sizes.append(float(where.split(": ")[1].split(" ")[0]))
    assert sizes[0] == pytest.approx(sizes[1], rel=0.25)


def test_in_words_and_for_json(molecule, image):
    good, bad = verdict(molecule, image, scan_of(image)), verdict(NONE, image, scan_of(image))
    assert "agrees" in good.headline and "Do not trust" in bad.headline and good.meaning != bad.meaning
    told = bad.to_dict()
    assert told["agrees"] is False and told["reasons"] == list(bad.reasons)
    assert told["min_pearson"] == Calibration.min_pearson


BAD = [
    (lambda g, i, s: judge(g, NONE, i[:, :, 1:], s, 0.9), "simulated"),
    (lambda g, i, s: judge(g, NONE, i, AFMStack(np.repeat(s.stack, 2, 0), s.x, s.y, s.z), 0.9), "stack"),
]


@pytest.mark.parametrize(("call", "argument"), BAD)
def test_bad_input(call, argument, molecule, image):
    with pytest.raises(InputError, match=f"^{argument}"):
        call(molecule, image, scan_of(image))
