import dataclasses

import numpy as np
import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.data import from_smiles
from torch_afm.datasets.measured import finish_measured, place_in_scan, render_measured
from torch_afm.datasets.nuisances import Measurement
from torch_afm.functional import pearson
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.symmetry import Symmetry
from torch_afm.transforms import Orient
from torch_afm.utils import InputError

SCAN = Scan(pixels=(24, 24), window=((-6.0, 6.0), (-6.0, 6.0)))


@pytest.fixture(scope="module")
def molecule():
    return Orient()(from_smiles("Oc1ccncc1"))


def nominal(**changes):
    return dataclasses.replace(Measurement.nominal(SCAN), **changes)


def images(molecule, scan, tip=None, z_top=None):
    ppm = ProbeParticleModel(scan, tip, backend="opencl", on_unconverged="ignore")
    return ppm(molecule, z_top=z_top)[0, 0]


def assert_same(found, expected, tolerance=2e-4):
    assert found.shape == expected.shape
    assert float((found - expected).abs().max() / expected.std()) < tolerance


def test_nominal_measurement_is_the_nominal_stack(molecule):
    assert_same(render_measured(molecule, nominal(), SCAN, backend="opencl"), images(molecule, SCAN))


def test_scale_is_that_of_a_smaller_window(molecule):
    found = render_measured(molecule, nominal(matrix=((0.9, 0.0), (0.0, 1.1))), SCAN, backend="opencl")
    window = dataclasses.replace(SCAN, window=((-5.4, 5.4), (-6.6, 6.6)))
    assert_same(found, images(molecule, window))


def test_a_turned_scanner_sees_the_molecule_turned(molecule):
    """A quarter turn needs both off-diagonal elements, as shear does one."""
    found = render_measured(molecule, nominal(matrix=((0.0, -1.0), (1.0, 0.0))), SCAN, backend="opencl")
    assert_same(found, Symmetry(3).image(images(molecule, SCAN)))


def test_amplitude_slices_and_height(molecule):
    measurement = nominal(amplitude=1.6, heights=(0.6, 0.3, 0.0), height=0.2)
    found = render_measured(molecule, measurement, SCAN, backend="opencl")
    scan = dataclasses.replace(SCAN, n_slices=7, n_oscillation=16)
    usual = float(anchor_height(molecule, SCAN, Tip()))
    lower = SCAN.slice_heights(usual)[-1] - 0.5 + 0.2
    z_top = lower - (scan.slice_heights(0.0)[-1] - 0.8)
    assert_same(found, images(molecule, scan, z_top=z_top)[[0, 3, 6]])


def test_uneven_slices_lie_between_even_ones(molecule):
    even = render_measured(molecule, nominal(heights=(0.3, 0.2, 0.1, 0.0)), SCAN, backend="opencl")
    found = render_measured(molecule, nominal(heights=(0.25, 0.1, 0.0)), SCAN, backend="opencl")
    assert_same(found, torch.stack([(even[0] + even[1]) / 2, even[2], even[3]]))


def test_tip_and_charges(molecule):
    measurement = nominal(probe="Cl", stiffness=0.4, quadrupole=0.5, tilt=(0.2, 0.1), charge=0.0)
    found = render_measured(molecule, measurement, SCAN, backend="opencl")
    neutral = molecule.clone()
    neutral.charge = torch.zeros_like(molecule.charge)
    # Places are those of the free probe: its base stands aside.
    neutral.pos = molecule.pos + torch.tensor([0.2, 0.1, 0.0])
    assert_same(found, images(neutral, SCAN, measurement.tip(Tip())))


def test_a_stiff_tilted_probe_sees_the_molecule_in_place(molecule):
    straight, tilted = (
        render_measured(molecule, nominal(stiffness=30.0, tilt=tilt), SCAN, backend="opencl").double()
        for tilt in ((0.0, 0.0), (0.4, -0.3))
    )
    shifted = torch.roll(straight, 1, dims=2)  # by half an Å
    assert float(pearson(tilted, straight).min()) > 0.98
    assert float(pearson(tilted, straight).mean()) > 0.995 > float(pearson(shifted, straight).mean())


def test_place_in_scan_is_where_the_scanner_says_atoms_are(molecule):
    m = nominal(matrix=((0.9, 0.02), (0.0, 1.1)))
    placed = place_in_scan(molecule, m, SCAN)
    torch.testing.assert_close(m.to_sample(placed.pos, SCAN)[:, :2].float(), molecule.pos[:, :2])
    assert torch.equal(placed.pos[:, 2], molecule.pos[:, 2])
    assert molecule.pos is not placed.pos


def test_place_in_scan_levels_to_what_was_measured():
    molecule = from_smiles("CC")
    molecule.pos = molecule.pos[:2].clone()
    molecule.z = molecule.z[:2]
    molecule.pos[:] = torch.tensor([[-5.0, 0.0, 0.0], [5.0, 0.0, -1.5]])
    placed = place_in_scan(molecule, nominal(window=((3.0, 6.0), (-6.0, 6.0))), SCAN)
    assert placed.pos[:, 2].tolist() == [1.5, 0.0]


def finish(stack, measurement, steps=()):
    return finish_measured(stack, measurement, list(steps), SCAN)


def test_finish_normalizes_what_was_measured_alone():
    stack = torch.rand(4, 24, 24, generator=torch.Generator().manual_seed(0))
    measurement = nominal(heights=(0.3, 0.2, 0.1, 0.0), window=((-4.0, 2.0), (-1.0, 5.0)))
    finished, valid = finish(stack, measurement)
    x, y = (torch.from_numpy(axis) for axis in (SCAN.x, SCAN.y))
    inside = ((y >= -1) & (y <= 5))[:, None] & ((x >= -4) & (x <= 2))
    assert not valid[:6].any() and torch.equal(valid[6:], inside.expand(4, 24, 24))
    assert not finished[~valid].any()
    for k in range(4):
        part = stack[k][inside]
        expected = (part - part.mean()) / part.std(correction=0)
        torch.testing.assert_close(finished[6 + k][inside], expected, rtol=1e-4, atol=1e-5)


def test_finish_interpolates_and_ends_where_nothing_was_measured():
    a, b = torch.rand(2, 24, 24, generator=torch.Generator().manual_seed(0))
    finished, valid = finish(torch.stack([a, b]), nominal(heights=(0.4, 0.0)))
    assert valid.flatten(1).all(1).tolist() == [False] * 5 + [True] * 5
    part = 0.75 * a + 0.25 * b
    torch.testing.assert_close(finished[6], (part - part.mean()) / part.std(correction=0))


def test_a_single_image_is_the_nearest_slice():
    finished, valid = finish(torch.rand(1, 24, 24), nominal(heights=(0.0,)))
    assert valid.flatten(1).all(1).tolist() == [False] * 9 + [True]
    assert not finished[:9].any()


def test_inverted_images_have_the_other_sign():
    stack = torch.rand(10, 24, 24)
    torch.testing.assert_close(finish(stack, nominal(inverted=True))[0], -finish(stack, nominal())[0])


def test_steps_are_applied_to_raw_slices():
    stack = torch.rand(10, 24, 24) * torch.linspace(0.01, 1, 10)[:, None, None]
    steps = [("DetectorNoise", {"noise": 0.5, "rows": 0.0, "seed": 1})]
    finished, _ = finish(stack, nominal(), steps)
    clean, _ = finish(stack, nominal())
    agreement = [np.corrcoef(f.ravel(), c.ravel())[0, 1] for f, c in zip(finished, clean, strict=True)]
    assert agreement[0] < 0.1 and agreement[-1] > 0.85


def test_refuses_what_it_cannot_image(molecule):
    lattice = molecule.clone()
    lattice.cell, lattice.pbc = 20 * torch.eye(3)[None], torch.tensor([[True, True, False]])
    with pytest.raises(InputError, match="molecule: "):
        render_measured(lattice, nominal(), SCAN, backend="opencl")
