"""Atomic dipoles against pairs of point charges."""

from dataclasses import replace

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import ForceField, Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel
from torch_afm.ppm.dipoles import DipoleTerms
from torch_afm.symmetry import Symmetry
from torch_afm.testing import benzene, water
from torch_afm.utils import InputError

SCAN = Scan(window=((-4.0, 4.0), (-3.5, 3.5)), pixels=(13, 11), n_slices=4, n_oscillation=5)
#: Helium without Lennard-Jones energy carries charges alone.
BARE = ForceField((("He", 0.5, 0.0),))
TIPS = {
    "co": Tip(),
    "monopole": Tip(charges=(-0.1,), charge_heights=(0.0,)),
    "dipole": Tip(charges=(1.0, -1.0), charge_heights=(0.05, -0.05)),
    "all multipoles": Tip(charges=(0.2, 1.0, -0.4, -0.3), charge_heights=(0.06, 0.02, -0.03, -0.1)),
    "charges off the probe": Tip(charges=(-0.2, 0.3), charge_heights=(0.7, -0.3), tilt=(0.3, -0.1)),
    "both": Tip(charges=(-0.1, 0.3, -0.1, 0.2), charge_heights=(0.05, 0.0, -0.05, 0.5)),
}
BACKENDS = {
    "opencl": ({"backend": "opencl"}, 5e-5, 5e-4),
    "torch float32": ({"backend": "torch"}, 3e-3, 1e-2),  # the ±10 e of CO
    "torch float64": ({"backend": "torch", "dtype": torch.float64}, 1e-6, 1e-5),
}


def dipolar(data: AFMData, size: float = 0.2, seed: int = 0) -> AFMData:
    """Off the pixels of symmetry, with random dipoles of about ``size`` e Å a component."""
    rng = torch.Generator().manual_seed(seed)
    data.pos = data.pos.double() + torch.tensor([0.13, 0.07, 0.0])
    data.dipole = size * torch.randn(len(data.z), 3, generator=rng, dtype=torch.float64)
    return data


def pairs(data: AFMData, distance: float = 0.002) -> AFMData:
    """The dipoles as charges ±q at ±d/2, q d = p."""
    lengths = data.dipole.norm(dim=1, keepdim=True)
    half, q = distance / 2 * data.dipole / lengths, lengths[:, 0] / distance
    return AFMData(
        z=torch.cat([data.z, torch.full((2 * len(data.z),), 2)]),
        pos=torch.cat([data.pos, data.pos + half, data.pos - half]),
        charge=torch.cat([data.charge, q, -q]),
        **{key: data[key] for key in ("cell", "pbc") if key in data},
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("tip", TIPS)
def test_stack_is_that_of_pairs_of_charges(tip, backend):
    """In units of std(Δf), of which dipoles make a large part: rms and largest error."""
    options, rms, largest = BACKENDS[backend]
    for data in (dipolar(water()), dipolar(benzene(), 0.1, 1)):
        double = ProbeParticleModel(SCAN, TIPS[tip], dtype=torch.float64, backend="torch", forcefield=BARE)
        exact = double(pairs(data), z_top=8.0)
        error = (ProbeParticleModel(SCAN, TIPS[tip], **options)(data, z_top=8.0) - exact) / exact.std()
        assert error.square().mean().sqrt() < rms and error.abs().max() < largest
        bare = data.clone()
        del bare.dipole
        assert (double(bare, z_top=8.0) - exact).std() > 0.05 * exact.std()


@pytest.mark.parametrize("backend", BACKENDS)
def test_forces_and_probes_are_those_of_pairs(backend):
    options, rms, _ = BACKENDS[backend]
    data = dipolar(water())
    exact = ProbeParticleModel(SCAN, dtype=torch.float64, backend="torch", forcefield=BARE).relax(
        pairs(data), z_top=7.4
    )
    found = ProbeParticleModel(SCAN, **options).relax(data, z_top=7.4)
    assert (found.force - exact.force).square().mean().sqrt() < rms * exact.force.std()
    assert (found.probe - exact.probe).abs().max() < 2e-3
    assert found.converged.all()


@pytest.mark.parametrize("backend", ["opencl", "torch"])
def test_none_are_those_of_before_to_the_bit(backend):
    renderer = ProbeParticleModel(SCAN, backend=backend)
    data = dipolar(water())
    bare, zero = data.clone(), data.clone()
    del bare.dipole
    zero.dipole = torch.zeros(3, 3)
    expected = renderer(bare)
    assert torch.equal(ProbeParticleModel(SCAN, backend=backend, dipoles=False)(data), expected)
    assert torch.equal(renderer(zero), expected)
    assert (renderer(data) - expected).std() > 0.05 * expected.std()
    neutral = Tip(charges=(), charge_heights=())
    assert torch.equal(renderer(data, neutral), renderer(bare, neutral))


def test_bits_do_not_depend_on_the_batch():
    zero = dipolar(benzene(), 0.0)
    bare = zero.clone()
    del bare.dipole
    uncharged = dipolar(water())
    uncharged.charge = torch.zeros(3)
    graphs = [dipolar(water()), zero, uncharged]
    renderer = ProbeParticleModel(SCAN, backend="opencl")
    together = renderer(Batch.from_data_list(graphs), z_top=8.0)
    for graph, stack in zip([graphs[0], bare, uncharged], together, strict=True):
        assert torch.equal(renderer(graph, z_top=8.0)[0], stack)


@pytest.mark.parametrize("backend", ["opencl", "torch float64"])
@pytest.mark.parametrize("symmetry", [Symmetry(1), Symmetry(2, True)])
def test_turned_molecule_with_its_dipoles_has_the_turned_stack(symmetry, backend):
    options, _, tolerance = BACKENDS[backend]
    tip, square = Tip(tilt=(0.4, -0.2)), replace(SCAN, window=((-3.0, 3.0), (-3.0, 3.0)), pixels=(11, 11))
    data = dipolar(water())
    stack = ProbeParticleModel(square, tip, **options)(data)
    turned = ProbeParticleModel(square, symmetry.tip(tip), **options)(symmetry.graph(data))
    assert (turned - symmetry.image(stack)).abs().max() < tolerance * stack.std()
    still = symmetry.graph(data)
    still.dipole = data.dipole
    other = ProbeParticleModel(square, symmetry.tip(tip), **options)(still)
    assert (other - turned).abs().max() > 0.1 * stack.std()


def test_gradients_are_those_of_pairs():
    """In float64, where ``pairs`` hands gradients on to positions and dipoles."""
    data = dipolar(water())
    scan = replace(SCAN, pixels=(5, 4), n_slices=2)
    options = {"dtype": torch.float64, "backend": "torch"}
    leaves = [v.clone().requires_grad_() for v in (data.pos, data.dipole)]
    data.pos, data.dipole = leaves
    seed = torch.linspace(-1, 2, 40, dtype=torch.float64).reshape(1, 1, 2, 4, 5)
    ours = ProbeParticleModel(scan, **options)(data, z_top=7.4)
    theirs = ProbeParticleModel(scan, forcefield=BARE, **options)(pairs(data), z_top=7.4)
    for found, exact in zip(
        *(torch.autograd.grad((s * seed).sum(), leaves) for s in (ours, theirs)), strict=True
    ):
        torch.testing.assert_close(found, exact, rtol=1e-4, atol=1e-5)


def test_bad_dipoles_are_one_clear_line():
    for bad in (torch.zeros(2, 3), torch.zeros(3), torch.full((3, 3), float("nan"))):
        data = water()
        data.dipole = bad
        with pytest.raises(InputError, match=r"^dipole: "):
            ProbeParticleModel(SCAN, backend="opencl")(data)
        if bad.shape[0] == 3 and bad.dim() == 2:
            ProbeParticleModel(SCAN, backend="opencl", dipoles=False)(data)


def test_terms_are_derivatives_of_the_energy():
    rng = torch.Generator().manual_seed(0)
    d, dipole = torch.randn(2, 4, 3, generator=rng, dtype=torch.float64).unbind(0)
    d, charge, w = d + 2, torch.tensor(3.0).double(), torch.tensor([[0.3, -1.0, 0.7]]).double()

    def energy(shift: torch.Tensor) -> torch.Tensor:
        at = d + shift
        return (charge * (at * dipole).sum(1) / at.norm(dim=1) ** 3).sum()

    x, y, z = (v[None] for v in d.unbind(1))
    inverse = 1 / d.square().sum(1)[None]
    terms, along = DipoleTerms.zeros(x, y, dipole).with_charge(charge, z, inverse)
    gradient = torch.func.jacrev(energy)(torch.zeros(3).double())
    hessian = torch.func.hessian(energy)(torch.zeros(3).double())
    a, b = -3 * along * inverse, 15 * along * inverse**2
    radial = torch.stack([x, y, z], 2)
    torch.testing.assert_close(terms.gradient()[0] + (a[..., None] * radial).sum((0, 1)), gradient)
    whole = terms.hessian()[0] + torch.einsum("pn,pni,pnj->ij", b, radial, radial) + a.sum() * torch.eye(3)
    torch.testing.assert_close(whole, hessian)
    torch.testing.assert_close(terms.slopes(w).sum(1), w @ terms.hessian()[0])
