"""What speaks against a structure, of structures that are known to be right or wrong."""

import dataclasses

import numpy as np
import pytest
import torch

from torch_afm.config import Scan
from torch_afm.data import AFMData, covalent_bonds, from_smiles
from torch_afm.io import AFMStack
from torch_afm.metrics import Calibration
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.prediction import RefinementSettings, judge, refine
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


def scan_of(stack, noise=0.0, seed=0, scan=SCAN, **meta):
    rough = noise * np.random.default_rng(seed).normal(size=stack.shape)
    return AFMStack((stack.numpy() + rough)[0], scan.x, scan.y, scan.slice_heights(8.0), meta)


def part(data: AFMData, keep) -> AFMData:
    return AFMData(z=data.z[keep], pos=data.pos[keep], charge=data.charge[keep])


def verdict(graph, simulated, scan, margin=None):
    return judge(graph, NONE, simulated, scan, Calibration.min_pearson, margin)


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.5])
def test_the_truth_explains_the_scan_however_noisy_it_is_and_in_any_unit(molecule, image, noise):
    scan = scan_of(image, noise)
    found = verdict(molecule, image, scan)
    assert found.status == "explained" and found.explained and found.reasons == ()
    spread = image[0, 0].std(dim=(1, 2)).double()
    share = float((noise**2 / (noise**2 + spread**2)).mean())
    assert found.noise == pytest.approx(share, abs=0.03)
    assert found.without_noise == pytest.approx(1, abs=0.02) and found.curvature > 0.97
    turned = dataclasses.replace(scan, stack=3 * scan.stack - 7)
    assert verdict(molecule, image, turned).without_noise == pytest.approx(found.without_noise, abs=1e-4)


def test_a_part_of_a_molecule_does_not_explain_it_and_the_place_is_named(molecule, image, renderer, z_top):
    half = part(molecule, molecule.pos[:, 0] > -1)
    found = verdict(half, renderer(half, z_top=z_top), scan_of(image))
    assert found.status == "not explained"
    (where,) = [r for r in found.reasons if "Å²" in r]
    assert float(where.split("x ")[1].split(",")[0]) < 0
    # r alone might be taken for an agreement.
    assert found.pearson > 0.7


def test_no_atom_explains_nothing(image):
    found = verdict(NONE, image, scan_of(image))
    assert found.status == "not explained" and "no atom was found" in found.reasons


def test_too_few_slices_and_too_much_noise_are_not_enough(molecule, image):
    noisy = verdict(molecule, image, scan_of(image, 50.0))
    assert noisy.status == "not enough measured" and "is noise" in noisy.reasons[0]
    few = verdict(molecule, image, scan_of(image, measured=2))
    assert few.status == "not enough measured" and "2 slices" in few.reasons[0]
    assert verdict(molecule, image, scan_of(image, measured=4)).explained
    # What is wrong is wrong however few slices there are, and in noise as far as no image has to say it.
    assert verdict(NONE, image, scan_of(image, measured=1)).status == "not explained"
    doubled = AFMData(z=molecule.z.repeat(2), pos=torch.cat([molecule.pos, molecule.pos + 0.4]))
    assert verdict(doubled, image, scan_of(image, 50.0)).status == "not explained"


def test_the_slices_of_a_stack_are_those_measured_where_nothing_else_is_known(molecule, image):
    scan = scan_of(image)
    near = dataclasses.replace(scan, stack=scan.stack[:, -3:], z=scan.z[-3:])
    assert verdict(molecule, image[:, :, -3:], near).status == "not enough measured"


@pytest.mark.parametrize(
    ("margin", "status"),
    [
        (None, "explained"),
        (30.0, "explained"),
        (2.0, "not enough measured"),
        (-2.0, "not enough measured"),
        (-30.0, "not explained"),
    ],
)
def test_another_answer_that_explains_the_scan_as_well_or_better(molecule, image, margin, status):
    found = verdict(molecule, image, scan_of(image), margin)
    assert found.status == status and found.margin == margin
    assert ("another structure" in " ".join(found.reasons)) == (status != "explained")


def test_atoms_and_elements_of_low_probability_are_named(molecule, image):
    scan = scan_of(image)
    bare = verdict(molecule, image, scan)
    assert bare.doubtful == () and bare.doubtful_elements == tuple(range(18))  # nobody knows them
    graph = molecule.clone()
    graph.confidence = torch.ones(18)
    graph.confidence[3] = 0.4
    graph.class_probabilities = torch.tensor([[0.99, 0.01]]).repeat(18, 1)
    graph.class_probabilities[[0, 5]] = torch.tensor([0.55, 0.45])
    found = verdict(graph, image, scan)
    assert found.explained and found.doubtful == (3,) and found.doubtful_elements == (0, 5)
    assert "Atom 4 may not be there" in found.meaning
    graph.confidence[:10] = 0.3
    assert verdict(graph, image, scan).status == "not enough measured"
    assert "Atoms 1, 6 may be of another element" in found.describe()


def test_a_shapeless_cloud_is_not_the_molecule_under_it(molecule, image, renderer, z_top):
    """Far away, a molecule is all but a blot: r is high, the details are not there."""
    far = renderer(molecule, z_top=z_top + 1.2)
    graph = AFMData(z=torch.full((3,), 6), pos=torch.tensor([[-2.0, 0, 0], [0, 0, 0], [2.0, 0, 0]]))
    y, x = np.meshgrid(SCAN.y, SCAN.x, indexing="ij")
    blot = torch.from_numpy(-np.exp(-((x / 4.2) ** 2 + (y / 3.2) ** 2))).float().expand_as(far)
    found = verdict(graph, blot, scan_of(far))
    assert found.pearson > 0.9 > found.curvature and found.status == "not explained"


@pytest.mark.parametrize(
    ("moved", "word"),
    [
        ([[6.8, 0.0, 0.0]], "outside the scan"),
        ([[0.0, 4.0, 0.0], [0.9, 4.0, 0.0]], "than atoms can be"),
    ],
)
def test_atoms_where_none_can_be(molecule, image, moved, word):
    pos = torch.tensor(moved)
    more = AFMData(z=torch.ones(len(moved), dtype=torch.long), pos=pos, charge=torch.zeros(len(moved)))
    whole = AFMData(**{k: torch.cat([molecule[k], more[k]]) for k in ("z", "pos", "charge")})
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
    few = verdict(molecule, image, scan_of(image, measured=1))
    assert good.headline.startswith("Explained") and "do not trust" in bad.headline
    assert few.headline.startswith("Not enough measured")
    assert len({good.meaning, bad.meaning, few.meaning}) == 3
    record = bad.to_dict()
    assert record["status"] == "not explained" and record["reasons"] == list(bad.reasons)
    assert record["min_pearson"] == Calibration.min_pearson and record["margin"] is None
    assert "verdict    not explained:" in bad.describe()


BAD = [
    (lambda g, i, s: judge(g, NONE, i[:, :, 1:], s, 0.9), "simulated"),
    (lambda g, i, s: judge(g, NONE, i, AFMStack(np.repeat(s.stack, 2, 0), s.x, s.y, s.z), 0.9), "stack"),
]


@pytest.mark.parametrize(("call", "argument"), BAD)
def test_bad_input(call, argument, molecule, image):
    with pytest.raises(InputError, match=f"^{argument}"):
        call(molecule, image, scan_of(image))


# Wrong structures that agree with a scan at first sight, before and after the fit with a free tip.

WIDE = Scan(pixels=(72, 48), window=((-9.0, 9.0), (-6.0, 6.0)), n_slices=6)
MOLECULES = {
    "PTCDA": "O=C1OC(=O)c2ccc3c4ccc5c6c(ccc(c7ccc1c2c37)c46)C(=O)OC5=O",
    "pentacene": "c1ccc2cc3cc4cc5ccccc5cc4cc3cc2c1",
    "coronene": "c1cc2ccc3ccc4ccc5ccc6ccc1c7c2c3c4c5c67",
}


def lying(name):
    """A molecule flat on a surface, its long axis along x."""
    found = from_smiles(MOLECULES[name])
    pos = found.pos - found.pos.mean(0)
    found.pos = pos @ torch.linalg.svd(pos, full_matrices=False).Vh.T
    found.pos[:, 2] -= found.pos[:, 2].max()
    return found


def fitted(graph, stack, renderer, z_top):
    """The structure and its image after a refinement that may do whatever helps."""
    settings = RefinementSettings(distance_sigma=0.4, completions=0, min_gain=-np.inf, max_shift=1e3)
    start = AFMData(z=graph.z, pos=graph.pos, charge=graph.charge)
    start.sigma = torch.full_like(start.pos, 0.3)
    found = refine(start, stack, renderer, z_top, settings=settings)
    return found.data, renderer(found.data, tip=found.tip, z_top=found.z_top)


def both(graph, whole, scan=WIDE, **meta):
    """Verdicts of a wrong structure against the stack of the right one, as it is and fitted; and that of the
    right one."""
    renderer = ProbeParticleModel(scan, on_unconverged="ignore")
    z_top = float(anchor_height(whole, scan, renderer.tip)) - 0.2
    image = renderer(whole, z_top=z_top)
    stack = scan_of(image, 0.01, scan=scan, **meta)
    assert verdict(whole, image, stack).status == ("not enough measured" if meta else "explained")
    found, simulated = fitted(graph, stack.tensor(), renderer, z_top)
    return verdict(graph, renderer(graph, z_top=z_top), stack), verdict(found, simulated, stack)


def test_half_a_ptcda_does_not_explain_the_whole():
    whole = lying("PTCDA")
    for found in both(part(whole, whole.pos[:, 0] > 0), whole):
        assert found.status == "not explained" and any("Å²" in r for r in found.reasons)


def test_scattered_atoms_do_not_explain_a_blot_of_two_slices():
    whole = lying("coronene")
    far = Scan(pixels=(72, 48), window=WIDE.window, n_slices=2, distance=WIDE.distance + 1.5)
    rng = np.random.default_rng(0)
    pos = torch.from_numpy(rng.uniform(-4, 4, (12, 3)) * [1, 1, 0.05]).float()
    z = torch.tensor([1, 6, 8] * 4)
    scattered = AFMData(z=z, pos=pos, charge=torch.zeros(12), edge_index=covalent_bonds(z, pos))
    for found in both(scattered, whole, far, measured=2):
        assert not found.explained and any("2 slices" in r for r in found.reasons)


@pytest.mark.parametrize("name", ["pentacene", "coronene"])
@pytest.mark.parametrize("element", [1, 6])
def test_a_halogen_in_place_of_another_atom_does_not_explain_a_hydrocarbon(name, element):
    whole = lying(name)
    wrong = whole.clone()
    wrong.z[int((whole.z == element).nonzero()[0])] = 17
    for found in both(wrong, whole):
        assert found.status == "not explained"
