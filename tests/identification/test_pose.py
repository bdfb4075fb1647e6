"""Images of poses, against the simulator with molecules that SciPy turned."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from torch_afm import from_smiles
from torch_afm.config import ForceField, Scan
from torch_afm.data import AFMData
from torch_afm.datasets.measured import place_in_scan
from torch_afm.datasets.nuisances import Measurement
from torch_afm.identification import PoseModel, Start, orientations
from torch_afm.identification.pose import (
    BEND,
    CHARGE,
    HEIGHT,
    PLACE,
    SCALE,
    SHEAR,
    TILT,
    TIP_TILT,
    TURN,
    Pose,
)
from torch_afm.identification.search import USUAL_CHARGE
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.refinement.scanner import Scanner

SCAN = Scan(window=((-5, 5), (-5, 5)), pixels=(21, 21), n_slices=4)
START = Start(0.9, 30.0, (0.4, -0.3), 0.1)
TOP = 8.6


@pytest.fixture(scope="module")
def renderer() -> ProbeParticleModel:
    return ProbeParticleModel(SCAN, backend="torch", on_unconverged="ignore", dtype=torch.float64)


@pytest.fixture(scope="module")
def model(renderer: ProbeParticleModel) -> PoseModel:
    molecule = orientations(from_smiles("Clc1ccncc1"))[0]
    return PoseModel(molecule, START, TOP, renderer, upright=False)


@pytest.fixture(scope="module")
def places(model: PoseModel) -> torch.Tensor:
    x, y = np.meshgrid(SCAN.x, SCAN.y)
    return torch.from_numpy(np.stack([x.ravel(), y.ravel()], 1))


def vector(model: PoseModel, **values: float) -> torch.Tensor:
    """A vector from quantities in their units."""
    x = torch.zeros_like(model.widths)
    where = {"turn": TURN, "x": 1, "y": 2, "about_x": 3, "about_y": 4, "height": HEIGHT, "charge": CHARGE}
    where |= {"bend": 14, "radius_n": 17, "radius_cl": 18}
    for name, value in values.items():
        x[where[name]] = value / model.widths[where[name]]
    return x


def expected(
    renderer: ProbeParticleModel, model: PoseModel, turn: Rotation, shift, top: float, factor=USUAL_CHARGE
):
    molecule = model.molecule
    pos = turn.apply(molecule.pos.double().numpy()) + np.array([*shift, 0.0])
    data = AFMData(z=molecule.z, pos=torch.from_numpy(pos), charge=molecule.charge.double() * factor)
    return renderer(data, z_top=top)[0, 0].flatten(1)


def test_start_is_where_the_search_found_it(model, renderer, places) -> None:
    turn = Rotation.from_euler("z", 30, degrees=True)
    image = model.stacks(vector(model)[None], places)[0]
    torch.testing.assert_close(
        image, expected(renderer, model, turn, (0.4, -0.3), TOP - 0.1), atol=2e-4, rtol=1e-4
    )


def test_turn_tilt_place_height_and_charge(model, renderer, places) -> None:
    x = vector(model, turn=0.1, x=0.3, y=0.2, about_x=0.05, about_y=-0.04, height=0.15, charge=-0.1)
    turn = Rotation.from_euler("z", math.radians(30) + 0.1) * Rotation.from_euler("y", -0.04)
    turn = turn * Rotation.from_euler("x", 0.05)
    image = model.stacks(x[None], places)[0]
    want = expected(renderer, model, turn, (0.7, -0.1), TOP - 0.1 + 0.15, USUAL_CHARGE - 0.1)
    torch.testing.assert_close(image, want, atol=2e-4, rtol=1e-4)


def test_several_at_once_are_as_each_alone(model, places) -> None:
    x = torch.stack([vector(model), vector(model, turn=0.2), vector(model, radius_cl=0.1, height=-0.1)])
    together = model.stacks(x, places)
    for one, image in zip(x, together, strict=True):
        torch.testing.assert_close(model.stacks(one[None], places)[0], image, atol=1e-5, rtol=1e-5)


def test_radii_are_those_of_the_force_field(model, renderer, places) -> None:
    radius, depth = renderer.forcefield.table["Cl"]
    other = ProbeParticleModel(
        SCAN,
        backend="torch",
        on_unconverged="ignore",
        dtype=torch.float64,
        forcefield=ForceField((("Cl", radius + 0.1, depth),)),
    )
    turn = Rotation.from_euler("z", 30, degrees=True)
    image = model.stacks(vector(model, radius_cl=0.1)[None], places)[0]
    torch.testing.assert_close(
        image, expected(other, model, turn, (0.4, -0.3), TOP - 0.1), atol=2e-4, rtol=1e-4
    )


def test_slopes_of_the_scanner_are_those_of_the_image(model, places) -> None:
    x = vector(model)
    x[SCALE] = torch.tensor([0.3, -0.2], dtype=torch.float64)
    step = 0.01
    ahead = x.repeat(3, 1)
    ahead[1, 1] += step
    ahead[2, 2] += step
    stacks = model.stacks(ahead, places)
    slopes = ((stacks[1:] - stacks[0]) / step).permute(1, 2, 0)
    by_chain = model.scanner_slopes(x, slopes, places)
    for column, index in enumerate([6, 7, SHEAR]):
        other = x.clone()
        other[index] += step
        direct = (model.stacks(other[None], places)[0] - stacks[0]) / step
        error = (by_chain[..., column] - direct).abs().max() / direct.abs().max()
        assert error < 0.05


def test_bent_molecules_rise_as_a_parabola(model) -> None:
    flat, bent = model.pose(vector(model)).atoms.pos, model.pose(vector(model, bend=0.2)).atoms.pos
    x = model.molecule.pos[:, 0] / model.rim
    torch.testing.assert_close(bent[:, 2] - flat[:, 2], 0.2 * (x**2 - (x**2).mean()), atol=1e-5, rtol=0)
    assert bent[:, :2].allclose(flat[:, :2], atol=1e-6)


def test_pose_in_the_scan_is_where_the_scanner_shows_it(model) -> None:
    x = vector(model)
    x[SCALE] = math.log(1.1) / model.widths[SCALE]
    pose = model.pose(x)
    shown = pose.in_scan(SCAN.center)
    torch.testing.assert_close(shown.pos[:, :2] * 1.1, pose.atoms.pos[:, :2], atol=1e-5, rtol=0)
    assert torch.equal(shown.pos[:, 2], pose.atoms.pos[:, 2])


def test_upright_molecules_may_tilt_more(model, renderer) -> None:
    upright = PoseModel(model.molecule, START, TOP, renderer, upright=True)
    assert (upright.widths[TILT] > model.widths[TILT]).all()
    assert torch.equal(upright.widths[BEND], model.widths[BEND])
    assert torch.equal(upright.widths[PLACE], model.widths[PLACE])


def test_dipoles_turn_with_the_molecule(model, renderer) -> None:
    molecule = model.molecule.clone()
    molecule.dipole = torch.tensor([[0.1, 0.0, 0.0]]).repeat(len(molecule.z), 1)
    turned = PoseModel(molecule, START, TOP, renderer, upright=False).pose(vector(model)).atoms.dipole
    want = torch.tensor([math.cos(math.radians(30)), math.sin(math.radians(30)), 0.0]) * 0.1 * USUAL_CHARGE
    torch.testing.assert_close(turned, want.expand_as(turned), atol=1e-6, rtol=0)


def test_places_in_the_scan_are_those_of_the_free_probe(model):
    """As in :func:`torch_afm.datasets.measured.place_in_scan`, whose stacks a tilted tip in the same frame
    explains with the molecule moved by the tilt."""
    tilt, molecule = torch.tensor([0.3, -0.2]), model.molecule
    measurement = replace(
        Measurement.nominal(SCAN), matrix=((0.9, 0.02), (0.0, 1.1)), tilt=tuple(tilt.tolist())
    )
    moved = molecule.clone()
    moved.pos = molecule.pos + torch.cat([tilt, torch.zeros(1)])
    x = torch.zeros_like(model.widths)
    x[TIP_TILT] = tilt.double() / model.widths[TIP_TILT]
    scanner = Scanner((0.9, 1.1), 0.02)
    pose = Pose(moved, scanner, model.pose(x).tip, TOP, {})
    torch.testing.assert_close(
        pose.in_scan(SCAN.center).pos[:, :2], place_in_scan(molecule, measurement, SCAN).pos[:, :2]
    )
