"""What simulate, predict and demo share."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from torch_afm.cli import jobs
from torch_afm.config import Scan, Tip, from_dict, to_dict
from torch_afm.data import AFMData, from_smiles
from torch_afm.generation import generate_greedy
from torch_afm.io import AFMStack, write_stack
from torch_afm.metrics import Calibration, Platt
from torch_afm.models import GraphGenerator, SpatialGenerator, SpatialGeneratorConfig
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import visibility_entropy
from torch_afm.utils import InputError

SCAN = Scan(pixels=(64, 64))


def stack_like(grid: Scan, **meta) -> AFMStack:
    values = np.random.default_rng(0).normal(size=(1, *grid.shape))
    return AFMStack(values, grid.x, grid.y, grid.slice_heights(8.0), meta)


def test_orientations():
    """As-is keeps all distances and heights; best shows more than any of a hundred random rotations."""
    molecule = from_smiles("Oc1ccccc1")
    turned = molecule.pos @ torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # seen from its edge
    molecule.pos = turned.clone()

    as_is = jobs.orient(molecule, "as-is", 0, SCAN).pos
    torch.testing.assert_close(as_is - as_is[0], turned - turned[0])
    assert float(as_is[:, 2].max()) == 0.0
    middle = (as_is.amin(0) + as_is.amax(0)) / 2
    torch.testing.assert_close(middle[:2], torch.zeros(2), atol=1e-6, rtol=0)

    best = jobs.orient(molecule, "best", 0, SCAN).pos
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
        turned = jobs.orient(molecule, "flat", 0, scan)
        low, high = turned.pos.amin(0), turned.pos.amax(0)
        middle = [(a + b) / 2 for a, b in scan.window]
        assert ((low + high) / 2)[:2].tolist() == pytest.approx(middle, abs=1e-4) and float(high[2]) == 0
        images.append(jobs.simulate(turned, "", ProbeParticleModel(scan, backend="torch")).stack)
    assert np.sqrt(np.mean((images[0] - images[1]) ** 2)) < 1e-3 * images[0].std()


def test_a_simulated_stack_is_the_renderer_s_and_tells_everything():
    molecule = jobs.orient(from_smiles("CO"), "as-is", 0, SCAN)
    tip = Tip(tilt=(0.2, 0.1))
    renderer = ProbeParticleModel(SCAN, tip)
    stack = jobs.simulate(molecule, "methanol", renderer)
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


@pytest.mark.parametrize(
    "scan",
    [
        Scan(),
        Scan(pixels=(64, 64), n_slices=9),
        Scan(pixels=(64, 64), window=((-6.0, 6.0), (-8.0, 8.0))),
        Scan(pixels=(64, 64), window=((0.0, 16.0), (-8.0, 8.0))),
    ],
)
def test_a_stack_on_another_grid_is_refused_and_the_remedy_told(scan):
    with pytest.raises(InputError) as caught:
        jobs.check_fits(stack_like(scan), SCAN)
    assert "--scan.n_slices 10 --scan.pixels '[64,64]' --scan.window '[[-8.0,8.0],[-8.0,8.0]]'" in str(
        caught.value
    )


def test_a_window_off_by_a_part_of_a_pixel_does_not_fit():
    """Its atoms would be off by as much."""
    assert jobs.fits(stack_like(dataclasses.replace(SCAN, window=((-7.999, 8.001), (-8.0, 8.0)))), SCAN)
    assert not jobs.fits(stack_like(dataclasses.replace(SCAN, window=((-7.9, 8.1), (-8.0, 8.0)))), SCAN)


def test_positions_of_a_stack_are_used():
    """Window, pixels and steps are those of its axes; the amplitude stays what it was."""
    grid = Scan(pixels=(20, 30), window=((1.0, 5.0), (0.0, 9.0)), n_slices=4, dz=0.2, n_oscillation=5)
    stack = stack_like(grid)
    found = jobs.scan_of(stack, SCAN)
    assert found.dz == pytest.approx(0.2) and dataclasses.replace(found, dz=0.2) == grid
    stack.meta["scan"] = to_dict(dataclasses.replace(grid, f0=2e4))
    assert jobs.scan_of(stack, SCAN).f0 == 2e4
    assert not jobs.fits(stack, SCAN) and jobs.fits(stack, grid)
    stack.x = stack.x**2
    assert not jobs.fits(stack, grid)


def test_the_oscillation_that_a_stack_tells_is_used():
    """Without a whole scan in its meta, too; and what whole steps cannot make is told."""
    found = jobs.scan_of(stack_like(SCAN, amplitude=1.6, f0=2e4, k=900.0), SCAN)
    assert (found.n_oscillation, found.f0, found.k) == (16, 2e4, 900.0)
    with pytest.warns(UserWarning, match=r"1\.00 Å is simulated as 0\.80 Å"):
        assert jobs.scan_of(stack_like(Scan(pixels=(8, 8), dz=0.4)), SCAN).amplitude == pytest.approx(0.8)


def uneven_heights() -> AFMStack:
    stack = stack_like(SCAN)
    stack.z = stack.z.copy()
    stack.z[1] += 0.3 * (stack.z[2] - stack.z[1])
    return stack


def two_channels() -> AFMStack:
    stack = stack_like(SCAN)
    stack.stack = np.concatenate([stack.stack, stack.stack])
    return stack


BAD = [
    (lambda model: jobs.load_molecule(None, None, 0), "molecule"),
    (lambda model: jobs.load_molecule("a.xyz", "C", 0), "molecule"),
    (lambda model: jobs.check_fits(two_channels(), SCAN), "stack"),
    (lambda model: jobs.scan_of(uneven_heights(), SCAN), "z"),
    (lambda model: jobs.scan_of(stack_like(SCAN, scan=to_dict(Scan(dz=0.2))), SCAN), "z"),
    (lambda model: jobs.scan_of(stack_like(SCAN, amplitude="wide"), SCAN), "stack"),
    (lambda model: jobs.predict(stack_like(SCAN), model, "auto", 2), "z_top"),
    (lambda model: jobs.predict(stack_like(SCAN, z_top="high"), model, "auto", 2), "z_top"),
    *(
        (
            lambda model, meta=meta: jobs.predict(stack_like(SCAN, z_top=8.0, **meta), model, "auto", 2),
            "stack",
        )
        for meta in ({"scan": 3}, {"tip": {"colour": 1}}, {"scan": {"dz": -1}})
    ),
]


@pytest.mark.parametrize(("call", "argument"), BAD)
def test_bad_input(call, argument, model):
    with pytest.raises(InputError, match=f"^{argument}:"):
        call(model)


@pytest.fixture(scope="module")
def model(weights) -> GraphGenerator:
    return GraphGenerator.from_pretrained(weights)


def test_predict_takes_heights_oscillation_and_tip_of_the_stack(model):
    """The same as calling the generator with the scan that the stack was made with."""
    scan, tip = dataclasses.replace(SCAN, dz=0.08, n_oscillation=12), Tip(probe="Xe")
    water = AFMData(z=torch.tensor([8]), pos=torch.tensor([[1.0, 0.0, 0.0]]), charge=torch.zeros(1))
    renderer = ProbeParticleModel(scan, tip)
    stack = jobs.simulate(water, "O", renderer)
    expected = generate_greedy(
        model, torch.from_numpy(stack.stack)[None], renderer, stack.meta["z_top"], max_atoms=2
    )
    found = jobs.predict(stack, model, "auto", 2, physics=False).generation
    assert found.to_dict() == expected.to_dict()
    torch.testing.assert_close(found.simulated, expected.simulated)


def test_a_height_that_is_given_wins(model):
    found = jobs.predict(stack_like(SCAN), model, "auto", 0, z_top=8.0)
    assert found.generation.graph.z.numel() == 0 and found.z_top == 8.0


@pytest.mark.parametrize("bias", [0.0, 20.0])
def test_predictions_carry_calibrated_probabilities_and_doubts(tmp_path, bias):
    torch.manual_seed(0)
    config = SpatialGeneratorConfig(channels=(4, 4), query_channels=4)
    model = SpatialGenerator(config)
    molecule = jobs.orient(from_smiles("O"), "as-is", 0, SCAN)
    stack = jobs.simulate(molecule, "O", ProbeParticleModel(config.scan))
    predicted = jobs.predict(stack, model, "auto", 5)
    graph = AFMData(**molecule.to_dict())
    graph.confidence, graph.sigma = torch.tensor([0.5, 0.6, 0.7]), torch.full((3, 3), 0.1)
    rest = torch.zeros(3, len(model.classes) - 3)
    graph.class_probabilities = torch.cat([torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.8, 0.2]]), rest], 1)
    found = dataclasses.replace(
        predicted,
        generation=dataclasses.replace(predicted.generation, graph=graph),
        tip=Tip(tilt=(0.1, 0.2)),
        z_top=7.5,
    )
    calibration = Calibration(bond=Platt(1.0, bias), sigma=(1.0, 1.0, 2.0), min_pearson=0.99)
    (tmp_path / "preparation.png").touch()  # of an earlier prediction
    (tmp_path / "notes.txt").touch()
    result, verdict = jobs.write_prediction(tmp_path, found, stack, config.scan, {}, calibration)
    assert not (tmp_path / "preparation.png").exists() and (tmp_path / "notes.txt").exists()
    assert json.loads(json.dumps(result)) == json.loads((tmp_path / "prediction.json").read_text())
    assert [a["confidence"] for a in result["atoms"]] == pytest.approx([0.5, 0.6, 0.7])
    assert result["atoms"][0]["sigma"] == pytest.approx([0.1, 0.1, 0.2])
    expected = [0.3, 0.35] if bias == 0 else [1, 1]  # by distance: both ends must be there
    assert result["bonds"] == [[0, 1], [0, 2]]
    assert result["bond_probabilities"] == pytest.approx(expected, abs=1e-4)
    # The classes are named, *stop* is none of them.
    assert list(result["atoms"][0]["class_probabilities"]) == result["classes"][1:]
    told = {k: p for k, p in result["atoms"][0]["class_probabilities"].items() if p}
    assert told == pytest.approx({"H": 0.1, "C": 0.9})
    assert from_dict(Tip, result["imaging"]["tip"]).tilt == (0.1, 0.2)
    assert from_dict(Scan, result["imaging"]["scan"]) == config.scan
    assert (result["imaging"]["z_top"], result["imaging"]["unit"]) == (7.5, "Hz")
    # The network found nothing, so its image has no contrast.
    assert result["agreement"]["agrees"] is False is verdict.agrees
    assert list(verdict.reasons) == result["agreement"]["reasons"]
    assert all(reason in jobs.describe(result) for reason in verdict.reasons)
    result["agreement"] |= {"agrees": True, "reasons": []}
    assert "nothing speaks against" in jobs.describe(result)


def test_the_stack_that_was_predicted_is_not_removed(tmp_path, model):
    stack = stack_like(SCAN)
    path = tmp_path / "scan.npz"
    write_stack(path, stack)
    found = jobs.predict(stack, model, "auto", 0, z_top=8.0)
    jobs.write_prediction(tmp_path, found, stack, SCAN, {"stack": str(path)}, Calibration())
    assert path.exists()
