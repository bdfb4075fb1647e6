from dataclasses import replace

import pytest
import torch
from scipy.spatial.transform import Rotation
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import DensityGrid, PotentialGrid
from torch_afm.ppm import FDBM, ProbeParticleModel, TipParameters, fdbm_field
from torch_afm.transforms import Orient
from torch_afm.utils import InputError

SCAN = Scan(window=((-1.2, 1.2), (-0.8, 1.6)), pixels=(3, 4), n_slices=2, n_oscillation=5)
Z_TOP = 7.6


def renderer(model=None, backend="torch", **arguments):
    dtype = torch.float64 if backend == "torch" else torch.float32
    return ProbeParticleModel(SCAN, backend=backend, forcefield=model or FDBM(), dtype=dtype, **arguments)


def posed(data, pose):
    data = data.clone()
    data.pose = pose
    return data


def test_kernels_against_float64(formaldehyde):
    """A batch of two poses, under two tips."""
    first = posed(formaldehyde, torch.zeros(1, 6))
    batch = Batch.from_data_list(
        [first, posed(formaldehyde, torch.tensor([[0.2, -0.1, 0.5, 0.3, 0.0, 0.1]]))]
    )
    tips = [[Tip(), Tip(tilt=(0.3, -0.2), stiffness=(0.4, 0.4, 0.0))]]
    exact = renderer()(batch, tips, Z_TOP)
    found = renderer(backend="opencl")(batch, tips, Z_TOP)
    assert exact.shape == (2, 2, 2, 4, 3)
    assert (exact[0] - exact[1]).abs().max() > 0.1 * exact.std()
    assert (found - exact).abs().max() < 1e-3 * exact.std()


def test_gradients_against_finite_differences(formaldehyde):
    """In A, B, the pose and springs, and in tilt and height; by the kernels as in float64."""
    start = {
        "a": torch.tensor(41.0),
        "b": torch.tensor(1.1),
        "pose": torch.tensor([[0.1, -0.05, 0.2, 0.1, 0.05, 0.0]]),
        "stiffness": torch.tensor([[0.3, 0.3, 0.1]]),
        "tilt": torch.tensor([[0.1, 0.2]]),
        "z_top": torch.tensor([Z_TOP]),
    }
    start = {name: value.double() for name, value in start.items()}
    weights = torch.linspace(-1, 1, 24, dtype=torch.float64).reshape(1, 1, 2, 4, 3)

    def loss(values, backend="torch"):
        tip = replace(TipParameters.from_tips(Tip()), stiffness=values["stiffness"], tilt=values["tilt"])
        model = renderer(FDBM(values["a"], values["b"]), backend)
        stack = model(posed(formaldehyde, values["pose"]), tip, values["z_top"])
        return (weights * stack.double()).sum()

    def gradients(backend):
        given = {name: value.clone().requires_grad_() for name, value in start.items()}
        return dict(zip(given, torch.autograd.grad(loss(given, backend), list(given.values())), strict=True))

    found, by_kernels = gradients("torch"), gradients("opencl")
    for name, value in found.items():
        assert (by_kernels[name] - value).norm() < 2e-3 * value.norm(), name
    # Along random directions. The knots of the field stay where they are, so that differences see the
    # derivatives of the spline.
    rng = torch.Generator().manual_seed(0)
    smooth = {"a": 0.2, "b": 1e-3, "pose": 1e-3, "stiffness": 1e-3}
    for steps, error in ((smooth, 2e-3), ({"tilt": 1e-3}, 1e-3), ({"z_top": 1e-3}, 1e-3)):
        toward = {
            name: step * torch.randn(start[name].shape, generator=rng, dtype=torch.float64)
            for name, step in steps.items()
        }
        with torch.no_grad():
            ends = [loss(start | {n: start[n] + sign * toward[n] for n in toward}) for sign in (1, -1)]
        expected = float(ends[0] - ends[1]) / 2
        along = float(sum((found[n] * toward[n]).sum() for n in toward))
        assert along == pytest.approx(expected, rel=error)


def test_field_serves_other_springs_tilts_amplitudes_and_heights(formaldehyde, monkeypatch):
    """It is computed once for each, or twice where the box grows, and gives the stacks of a new one."""
    computed = []
    overlap = fdbm_field._overlap
    monkeypatch.setattr(fdbm_field, "_overlap", lambda *given: computed.append(1) or overlap(*given))
    model = FDBM()
    stacks = [renderer(model)(formaldehyde, z_top=Z_TOP)]
    stacks.append(renderer(model)(formaldehyde, Tip(stiffness=(0.5, 0.5, 0.0)), Z_TOP))
    assert len(computed) == 1
    stacks += [renderer(model)(formaldehyde, Tip(tilt=(t, 0.0)), Z_TOP + t) for t in (0.1, 0.15)]
    assert len(computed) == 2
    other = formaldehyde.clone()
    other.pose = torch.tensor([[0.0, 0.0, 0.0, 0.1, 0.0, 0.0]])
    moved = renderer(model)(other, z_top=Z_TOP)
    assert len(computed) == 3
    last = renderer()(formaldehyde, Tip(tilt=(0.15, 0.0)), Z_TOP + 0.15)
    assert (stacks[-1] - last).abs().max() < 1e-3 * last.std()
    assert (moved - stacks[0]).abs().max() > 1e-2 * last.std()
    # Another A is another field, and one that is differentiated in A is not kept.
    a = torch.tensor(41.0, requires_grad=True)
    assert renderer(FDBM(a))(formaldehyde, z_top=Z_TOP).requires_grad


def test_orient_turns_the_grids(formaldehyde):
    data = formaldehyde.clone()
    turn = Rotation.from_rotvec([0.0, 0.0, 0.7])
    turned = Orient(turn)(data.clone())
    middle = formaldehyde.pos.mean(0)
    shift = turned.pos.mean(0) - middle
    pose = torch.tensor([[0.0, 0.0, 0.7, *shift.tolist()]])
    expected = renderer()(posed(formaldehyde, pose), z_top=Z_TOP)
    assert (renderer()(turned, z_top=Z_TOP) - expected).abs().max() < 1e-4 * expected.std()


def test_charges_of_the_tip_and_the_sample_are_not_used(formaldehyde):
    data = formaldehyde.clone()
    expected = renderer()(data, z_top=Z_TOP)
    data.charge = torch.tensor([0.3, -0.3, 0.1, -0.1])
    found = renderer()(data, Tip(charges=(1.0,), charge_heights=(0.2,)), Z_TOP)
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pos.requires_grad_(), "give pose one"),
        (lambda d: d.__delitem__("density"), "density: expected a DensityGrid"),
        (lambda d: d.__delitem__("potential"), "potential: expected a PotentialGrid"),
        (lambda d: setattr(d, "potential", d.density), "potential: expected a PotentialGrid"),
        (
            lambda d: setattr(
                d, "potential", PotentialGrid(d.potential.values, d.potential.origin + 0.1, d.potential.cell)
            ),
            "the same grid",
        ),
        (
            lambda d: setattr(
                d, "potential", PotentialGrid(-d.potential.values, d.potential.origin, d.potential.cell)
            ),
            "multiply it by -1",
        ),
        (
            lambda d: setattr(
                d, "density", DensityGrid(0.9 * d.density.values, d.density.origin, d.density.cell)
            ),
            r"valence \(12\) electrons",
        ),
        (lambda d: setattr(d, "pos", d.pos + torch.tensor([9.0, 0.0, 0.0])), "holds every atom"),
        (lambda d: setattr(d, "z", torch.tensor([6, 8, 1, 96])), "electrons"),
        (lambda d: setattr(d, "pose", torch.zeros(6)), "pose"),
    ],
)
def test_bad_samples_are_refused(formaldehyde, change, message):
    data = formaldehyde.clone()
    data.pos = data.pos.clone()
    change(data)
    with pytest.raises(InputError, match=message):
        renderer()(data, z_top=Z_TOP)


def test_bad_settings_are_refused(formaldehyde):
    for arguments in ({"a": -1.0}, {"b": float("nan")}, {"a": torch.ones(2)}, {"d3": "LDA"}):
        with pytest.raises(InputError, match=next(iter(arguments))):
            FDBM(**arguments)
    tip = TipParameters.from_tips(Tip())
    tip.charges.requires_grad_()
    with pytest.raises(InputError, match="constant charges"):
        renderer()(formaldehyde, tip, Z_TOP)
    with pytest.raises(InputError, match="potential on a grid"):
        renderer().jacobian(formaldehyde, z_top=Z_TOP)


def test_a_sample_that_repeats_is_not_turned(formaldehyde):
    data = posed(formaldehyde, torch.tensor([[0.0, 0.0, 0.1, 0.0, 0.0, 0.0]]))
    data.cell, data.pbc = torch.from_numpy(data.density.cell)[None], torch.tensor([[True, True, False]])
    with pytest.raises(InputError, match="no rotation"):
        renderer()(data, z_top=Z_TOP)
    data.pose = torch.zeros(1, 6)
    assert renderer()(data, z_top=Z_TOP).isfinite().all()
    data.cell = data.cell + 0.1
    with pytest.raises(InputError, match="edges of the density's grid"):
        renderer()(data, z_top=Z_TOP)
