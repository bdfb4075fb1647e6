import copy
import pickle

import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.ppm import ProbeParticleModel, model
from torch_afm.ppm.cuda import CUDAUnavailable
from torch_afm.ppm.opencl import OpenCLUnavailable
from torch_afm.ppm.solver import KernelSolver
from torch_afm.testing import water
from torch_afm.utils import InputError

SCAN = Scan(pixels=(6, 5), n_slices=2)


@pytest.mark.parametrize("backend", ["opencl", "torch"])
def test_backends(backend):
    stack = ProbeParticleModel(SCAN, backend=backend)(water())
    exact = ProbeParticleModel(SCAN, backend="torch", dtype=torch.float64)(water())
    assert stack.dtype == torch.float32 and exact.dtype == torch.float64
    assert (stack - exact).abs().max() < 2e-2 * exact.std()  # the ±10 e of the tip, in float32


@pytest.mark.parametrize("backend", ["opencl", "torch"])
def test_relaxation_is_that_of_float64(backend):
    pixels = torch.tensor([[2, 3], [5, 0]])
    ppm = ProbeParticleModel(SCAN, backend=backend, on_unconverged="error")
    exact = ProbeParticleModel(SCAN, backend="torch", dtype=torch.float64)
    ours, theirs = ppm.relax(water(), pixels=pixels), exact.relax(water(), pixels=pixels)
    assert (ours.force - theirs.force).abs().max() < 2e-3 * theirs.force.std()
    assert (ours.probe - theirs.probe).abs().max() < 1e-3
    assert ours.converged.all() and theirs.converged.all()
    with pytest.raises(InputError, match="on_unconverged"):
        ProbeParticleModel(SCAN, backend=backend, on_unconverged="raise")


def test_probes_inside_atoms_are_an_error_on_request():
    # A probe that cannot give way is led into the oxygen, at the middle of a window of odd pixels.
    scan, tip = Scan(pixels=(5, 5), n_slices=5), Tip(stiffness=(1e4, 1e4, 0.0), radial_stiffness=3000.0)
    ppm = ProbeParticleModel(scan, tip, backend="opencl", on_unconverged="error")
    with pytest.raises(InputError, match="relaxation: expected the probe at rest"):
        ppm(water(), z_top=5.8)
    assert ppm.quiet()(water(), z_top=5.8).isfinite().all()


def test_auto_falls_back_to_torch_and_says_why(monkeypatch):
    def broken():
        raise OpenCLUnavailable("no OpenCL device")

    monkeypatch.setattr(model, "get_queue", broken)
    with pytest.warns(UserWarning, match="no OpenCL device"):
        fallback = ProbeParticleModel(SCAN)
    assert fallback.backend == "torch"
    with pytest.raises(OpenCLUnavailable):
        ProbeParticleModel(SCAN, backend="opencl")


def test_auto_tries_a_pixel_before_it_takes_opencl(monkeypatch):
    """A driver that lists a device and cannot render, whatever it raises."""

    def broken(*args, **kwargs):
        raise OSError(28, "No space left on device")

    model._opencl_error.cache_clear()
    monkeypatch.setattr(KernelSolver, "frequency_shift", broken)
    with pytest.warns(UserWarning, match="No space left on device"):
        fallback = ProbeParticleModel(SCAN)
    model._opencl_error.cache_clear()
    assert fallback.backend == "torch"
    assert fallback(water()).isfinite().all()


def test_bad_backends():
    with pytest.raises(InputError, match="backend"):
        ProbeParticleModel(backend="vulkan")
    with pytest.raises(InputError, match="dtype"):
        ProbeParticleModel(backend="opencl", dtype=torch.float64)
    with pytest.raises(InputError, match="device"):
        ProbeParticleModel(backend="opencl", device="cuda")


def test_a_module_without_state():
    """It goes into other modules, moves with them, and adds nothing to their weights."""
    ppm = ProbeParticleModel(SCAN, backend="torch")
    whole = torch.nn.Sequential(ppm, torch.nn.Flatten())
    assert not whole.state_dict() and not list(whole.parameters())
    stack = ppm(water())
    assert torch.equal(whole.double().to("cpu").eval()(water()), stack.flatten(1))
    assert torch.equal(copy.deepcopy(ppm)(water()), stack)
    quiet = ppm.quiet()
    assert (quiet.on_unconverged, ppm.on_unconverged) == ("ignore", "warn")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_cuda_without_a_device():
    with pytest.raises(CUDAUnavailable, match="torch sees no CUDA device"):
        ProbeParticleModel(backend="cuda")


@pytest.mark.gpu
def test_auto_takes_cuda_where_it_works():
    assert ProbeParticleModel(SCAN).backend == "cuda"


def test_pickles_after_use():
    ppm = ProbeParticleModel(SCAN)
    stack = ppm(water())
    assert torch.equal(pickle.loads(pickle.dumps(ppm))(water()), stack)


def test_repr():
    assert (
        repr(ProbeParticleModel(SCAN, backend="torch"))
        == "ProbeParticleModel(backend='torch', pixels=(6, 5))"
    )


@pytest.mark.parametrize("backend", ["opencl", "torch"])
def test_places_are_pixels_where_they_coincide(backend):
    ppm = ProbeParticleModel(SCAN, backend=backend)
    pixels = torch.tensor([[2, 3], [5, 0], [1, 1]])
    places = torch.stack(
        [torch.from_numpy(axis)[i] for axis, i in zip((SCAN.x, SCAN.y), pixels.T, strict=True)], 1
    )
    torch.testing.assert_close(ppm(water(), pixels=places), ppm(water(), pixels=pixels), rtol=1e-4, atol=1e-4)
    force = ppm.force(water(), pixels=places)
    assert torch.equal(force, ppm.relax(water(), pixels=places).force)


def test_places_outside_of_the_window():
    ppm = ProbeParticleModel(SCAN, backend="torch")
    with pytest.raises(InputError, match=r"pixels: expected places within the window .* got \[9.0, 0.0\]"):
        ppm(water(), pixels=torch.tensor([[0.0, 0.0], [9.0, 0.0]]))
    with pytest.raises(InputError, match="pixels: expected finite"):
        ppm(water(), pixels=torch.tensor([[float("nan"), 0.0]]))
    with pytest.raises(InputError, match=r"pixels: expected indices .* or places .* got booleans"):
        ppm(water(), pixels=torch.tensor([[True, False]]))
