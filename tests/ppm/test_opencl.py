import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.config.tip import MAX_RADIAL_STIFFNESS
from torch_afm.ppm import ProbeParticleModel, opencl
from torch_afm.ppm.frequency_shift import frequency_shift_weights
from torch_afm.ppm.inputs import prepare
from torch_afm.ppm.opencl import OpenCLDevice, get_program
from torch_afm.ppm.solver import KernelSolver
from torch_afm.testing import benzene, water
from torch_afm.utils import InputError

SCAN = Scan(window=((-4.5, 4.5), (-4.0, 4.0)), pixels=(19, 17), n_slices=5)


def off_axis(data):
    """Off the pixels of symmetry, where the probe may stand on a saddle that only exact arithmetic keeps."""
    data.pos = data.pos + torch.tensor([0.13, 0.07, 0.0])
    return data


def test_golden(golden_case):
    rms, largest = golden_case.errors(
        ProbeParticleModel(golden_case.scan, golden_case.tip, backend="opencl")(golden_case.data)
    )
    assert rms <= (5e-4 if golden_case.data.charge.any() else 1e-5)
    assert largest <= (3e-3 if golden_case.data.charge.any() else 1e-3)


@pytest.mark.parametrize("index", range(10))
def test_random_molecules_against_float64(molecules, index):
    tip = Tip(tilt=(0.03 * index, -0.02 * index), stiffness=(0.25, 0.2, 0.0))
    scan = replace(SCAN, substeps=1 + index % 3)
    exact = ProbeParticleModel(scan, tip, dtype=torch.float64, backend="torch")(molecules[index])
    error = (ProbeParticleModel(scan, tip, backend="opencl")(molecules[index]) - exact) / exact.std()
    assert error.square().mean().sqrt() < 5e-5
    assert error.abs().max() < 1e-3


@pytest.mark.parametrize(
    "tip",
    [
        Tip(charges=(-0.1,), charge_heights=(0.0,)),
        Tip(charges=(1.0, -1.0), charge_heights=(0.05, -0.05)),
        Tip(charges=(0.2, 1.0, -0.4, -0.3), charge_heights=(0.06, 0.02, -0.03, -0.1)),
        Tip(charges=(-0.2, 0.3), charge_heights=(0.7, -0.3)),
        Tip(charges=(), charge_heights=()),
        Tip(probe="Xe", stiffness=(0.5, 0.5, 0.1), radial_stiffness=10.0, bond_length=3.0),
    ],
    ids=["monopole", "dipole", "all multipoles", "charges off the probe", "neutral", "xenon"],
)
def test_other_tips_against_float64(tip):
    data = off_axis(water())
    exact = ProbeParticleModel(SCAN, tip, dtype=torch.float64, backend="torch")(data)
    error = (ProbeParticleModel(SCAN, tip, backend="opencl")(data) - exact) / exact.std()
    assert error.square().mean().sqrt() < 5e-5
    assert error.abs().max() < 1e-3


@pytest.mark.parametrize("tilt", [(0.0, 0.0), (0.3, 0.1)])
def test_stiffest_springs_against_float64(tilt):
    """At the limit of the radial spring the bond is rigid for an image, and float32 still resolves it."""
    tip = Tip(radial_stiffness=MAX_RADIAL_STIFFNESS, tilt=tilt)
    half = replace(tip, radial_stiffness=MAX_RADIAL_STIFFNESS / 2)
    for data in (off_axis(water()), off_axis(benzene())):
        double = ProbeParticleModel(SCAN, tip, dtype=torch.float64, backend="torch")
        exact = double(data)
        # To first order in 1/k, from half of the limit to it is as far as from there to a rigid bond.
        assert (double(data, half) - exact).square().mean().sqrt() < 3e-4 * exact.std()
        error = (ProbeParticleModel(SCAN, tip, backend="opencl")(data) - exact) / exact.std()
        assert error.square().mean().sqrt() < 5e-4
        assert error.abs().max() < 1e-2


def test_deep_scan_follows_the_branches_of_float64():
    # 1 Å closer than usual, the probe bends far around the atoms.
    scan = Scan(window=SCAN.window, pixels=SCAN.pixels, n_slices=8, distance=4.3)
    data = off_axis(benzene())
    exact = ProbeParticleModel(scan, dtype=torch.float64, backend="torch")(data)
    error = (ProbeParticleModel(scan, backend="opencl")(data) - exact).abs() / exact.std()
    # But for a pixel at the fold where a basin ends and rounding decides.
    assert (error > 1e-3).any(dim=2).double().mean() < 0.01


@pytest.mark.parametrize(
    "tip", [Tip(tilt=(0.4, -0.2)), [[Tip(), Tip(probe="Xe", stiffness=(0.5, 0.4, 0.1))]]]
)
def test_relaxed_probe_against_float64(tip):
    scan = Scan(window=((1.0, 7.0), (-5.0, 0.0)), pixels=(9, 7), n_slices=2, n_oscillation=9)
    close = water()
    close.pos = close.pos + torch.tensor([3.8, -2.6, 1.0])
    far = close.clone()
    far.pos = far.pos - torch.tensor([0.0, 0.0, 0.3])
    batch = Batch.from_data_list([close, far])
    ours = ProbeParticleModel(scan, backend="opencl").relax(batch, tip, z_top=7.4)
    exact = ProbeParticleModel(scan, dtype=torch.float64, backend="torch").relax(batch, tip, z_top=7.4)
    assert ours.force.shape == exact.force.shape and ours.probe.shape == exact.probe.shape
    torch.testing.assert_close(ours.force.double(), exact.force, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.probe.double(), exact.probe, rtol=0, atol=2e-3)
    assert ours.converged.all() and exact.converged.all()


def test_stack_is_the_weighted_sum_of_the_forces():
    for scan in (SCAN, replace(SCAN, substeps=3)):
        renderer = ProbeParticleModel(scan, backend="opencl")
        force = renderer.relax(water()).force.double()
        weights = torch.from_numpy(frequency_shift_weights(scan))
        expected = force.unfold(2, scan.n_samples, scan.substeps) @ weights
        torch.testing.assert_close(renderer(water()).double(), expected, rtol=0, atol=1e-4)


def test_probe_inside_an_atom_stays_finite_and_is_reported():
    data = water()
    silent = ProbeParticleModel(SCAN, on_unconverged="ignore", backend="opencl")
    for z_top in (3.9, 4.4, 4.9):
        assert silent(data, z_top=z_top).isfinite().all()
    # The free probe of the middle pixel begins at the oxygen's nucleus.
    assert not silent.relax(data, z_top=4.0).converged[0, 0, 0, 8, 9]
    # A probe that cannot give way is led from above the atom into it.
    rigid = Tip(stiffness=(1e4, 1e4, 0.0), radial_stiffness=MAX_RADIAL_STIFFNESS)
    inside = silent.relax(data, rigid, z_top=5.8)
    assert inside.converged[0, 0, 0].all() and not inside.converged[0, 0, -1, 8, 9]
    assert inside.converged[0, 0, :, 0].all()
    count = int((~inside.converged).sum())
    with pytest.warns(UserWarning, match=f"got {count} of {SCAN.n_heights * 17 * 19} pixels"):
        ProbeParticleModel(SCAN, backend="opencl")(data, rigid, z_top=5.8)
    with pytest.raises(InputError, match=f"got {count} of"):
        ProbeParticleModel(SCAN, on_unconverged="error", backend="opencl")(data, rigid, z_top=5.8)


def test_iterations_used_up_are_reported(monkeypatch):
    # One Newton step from the free probe does not bring it to rest above an atom.
    def hasty(name, options):
        return get_program(name, (*options, "-DMAX_ITERATIONS=1"))

    monkeypatch.setattr(opencl, "get_program", hasty)
    scan = Scan(window=SCAN.window, pixels=SCAN.pixels, n_slices=1, n_oscillation=2)
    converged = ProbeParticleModel(scan, on_unconverged="ignore", backend="opencl").relax(benzene()).converged
    assert 0 < converged.double().mean() < 1
    with pytest.warns(UserWarning, match=f"got {int((~converged).sum())} of"):
        ProbeParticleModel(scan, backend="opencl")(benzene())


def test_pickled_renderer_renders_the_same():
    renderer = ProbeParticleModel(SCAN, Tip(tilt=(0.1, 0.0)), backend="opencl")
    stack = renderer(water())
    assert torch.equal(pickle.loads(pickle.dumps(renderer))(water()), stack)


def test_threads_do_not_mix_their_arguments(molecules):
    renderer = ProbeParticleModel(SCAN, backend="opencl")
    alone = [renderer(molecule) for molecule in molecules]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(renderer, list(molecules) * 5))
    assert all(torch.equal(a, b) for a, b in zip(together, alone * 5, strict=True))


def test_evaluations_are_few():
    # A relaxation cannot take fewer than one; the start and the first-order update of F_z save the rest.
    assert 1 <= KernelSolver(OpenCLDevice()).evaluations(prepare(benzene(), Scan(), Tip())) < 1.5


def test_bits_do_not_depend_on_the_batch():
    charged, neutral, large = benzene(), benzene(), benzene()
    charged.charge = charged.charge + 0.1
    neutral.charge = torch.zeros(12)
    for key in ("z", "charge"):
        large[key] = large[key].repeat(5)
    large.pos = torch.cat([large.pos + torch.tensor([3.0 * (i % 3) - 3, 0.1, -3.4 * i]) for i in range(5)])
    graphs = [charged, large, neutral, water()]
    renderer = ProbeParticleModel(SCAN, on_unconverged="ignore", backend="opencl")
    tips = [[Tip(tilt=(0.1 * i, 0.0))] for i in range(4)]
    together = renderer(Batch.from_data_list(graphs), tips)
    for i, graph in enumerate(graphs):
        assert torch.equal(renderer(graph, [tips[i]])[0], together[i])


FORK = """
import os
from torch_afm.config import Scan
from torch_afm.ppm import ProbeParticleModel
from torch_afm.testing import water

def render():
    ProbeParticleModel(Scan(pixels=(4, 4)), backend="opencl")(water())

render()
child = os.fork()
if child == 0:
    try:
        render()
    except RuntimeError as error:
        os._exit(42 if "forkserver" in str(error) else 1)
    os._exit(2)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_fork_after_opencl_raises_and_does_not_hang():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "42", done.stderr


def test_fork_before_opencl_works():
    before = FORK.replace("render()\nchild", "child").replace("os._exit(2)", "os._exit(0)")
    done = subprocess.run([sys.executable, "-c", before], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "0", done.stderr


def test_no_device_is_a_clear_error():
    # An empty vendor folder leaves the loader without a platform.
    code = "from torch_afm.ppm.opencl import get_queue; get_queue()"
    env = os.environ | {"OCL_ICD_VENDORS": os.devnull, "OCL_ICD_FILENAMES": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=env)
    if done.returncode == 0:
        pytest.skip("this OpenCL loader finds its platforms elsewhere")
    assert "OpenCLUnavailable: no OpenCL" in done.stderr


def test_missing_linker_is_a_clear_error_and_no_abort():
    code = "from torch_afm.ppm import ProbeParticleModel; print(ProbeParticleModel())"
    env = os.environ | {"PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=env)
    if opencl.get_queue().device.platform.name != "Portable Computing Language":
        pytest.skip("only PoCL links with ld")
    assert "backend='torch'" in done.stdout
    assert "PoCL needs the linker `ld`" in done.stderr


def test_unknown_device_name_is_refused(monkeypatch):
    monkeypatch.setenv("TORCH_AFM_OPENCL_DEVICE", "no such device")
    monkeypatch.setattr(opencl, "_create", opencl._create.__wrapped__)
    with pytest.raises(InputError, match="TORCH_AFM_OPENCL_DEVICE"):
        opencl.get_queue()


def test_kernel_that_does_not_build_is_a_clear_error():
    with pytest.raises(opencl.OpenCLUnavailable, match="does not build"):
        opencl.get_program("probe_particle.cl", ("-DWIDTH=1", "-DHEIGHTS=none"))


def test_queue_and_programs_are_made_once():
    options = ("-DWIDTH=1", "-DHEIGHTS=2", "-DSLICES=1", "-DSAMPLES=2", "-DSUBSTEPS=1")
    assert opencl.get_queue() is opencl.get_queue()
    assert opencl.get_program("probe_particle.cl", options) is opencl.get_program(
        "probe_particle.cl", options
    )
