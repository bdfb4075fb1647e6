"""The CUDA source, compiled for the host where there is no GPU: a thread after the other, with the words of
CUDA that the kernels use defined here. What remains untested is the launch through CuPy."""

import ctypes
import hashlib
import shutil
import subprocess

import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.ppm import ProbeParticleModel
from torch_afm.ppm.cuda import CUDAUnavailable, check_cuda
from torch_afm.ppm.kernel_device import kernel_source
from torch_afm.ppm.solver import KernelSolver
from torch_afm.testing import benzene, water

HOST = """
#include <cmath>
#include <cstddef>
#define __global__
#define __device__
#define __forceinline__
struct float2 { float x, y; };
struct float4 { float x, y, z, w; };
static struct { int x, y; } blockIdx, blockDim, threadIdx;
static float rsqrtf(float s) { return 1.0f / std::sqrt(s); }
"""
LOOP = """
extern "C" void run_{kernel}({parameters}, int size_x, int size_y)
{{
    blockDim.x = 1;
    for (blockIdx.x = 0; blockIdx.x < size_y; blockIdx.x++)
        for (blockIdx.y = 0; blockIdx.y < size_x; blockIdx.y++) {kernel}({names});
}}
"""
SCAN = Scan(window=((-4.0, 4.0), (-3.0, 3.0)), pixels=(9, 7), n_slices=2, n_oscillation=5, substeps=2)


class HostDevice:
    width = 1
    block = 16

    def __init__(self, folder):
        self.folder = folder

    def array(self, values):
        t = torch.as_tensor(values).detach()
        return t.to(torch.float32 if t.is_floating_point() else torch.int32).contiguous()

    def launch(self, file, kernel, options, size, arguments, shape):
        source = kernel_source("prelude.cu", "common.cl", file)
        start = source.index("(", source.index(f"__kernel void {kernel}("))
        declared = " ".join(source[start + 1 : source.index(")", start)].split()).split(", ")
        names = [d.split()[-1].lstrip("*") for d in declared]
        names = [n.removeprefix("restrict").strip() for n in names]
        loop = LOOP.format(kernel=kernel, parameters=", ".join(declared), names=", ".join(names))
        text = HOST + source + loop
        path = self.folder / hashlib.sha256((text + str(options)).encode()).hexdigest()
        if not path.with_suffix(".so").exists():
            path.with_suffix(".cpp").write_text(text, encoding="utf-8")
            command = ["g++", "-O1", "-w", "-shared", "-fPIC", *options]
            subprocess.run([*command, path.with_suffix(".cpp"), "-o", path.with_suffix(".so")], check=True)
        out = torch.full(shape, float("nan"))
        pointers = [
            ctypes.c_int(a) if isinstance(a, int) else ctypes.c_void_p(a.data_ptr()) for a in arguments
        ]
        library = ctypes.CDLL(str(path.with_suffix(".so")))
        run = getattr(library, f"run_{kernel}")
        run(*pointers, ctypes.c_void_p(out.data_ptr()), *map(ctypes.c_int, size))
        return out


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    if shutil.which("g++") is None:
        pytest.skip("no g++")
    return HostDevice(tmp_path_factory.mktemp("host"))


def on_host(host, *arguments, **keywords):
    renderer = ProbeParticleModel(*arguments, backend="opencl", **keywords)
    renderer.solver = KernelSolver(host)
    return renderer


def test_golden(host, golden_case):
    stack = on_host(host, golden_case.scan, golden_case.tip)(golden_case.data)
    rms, largest = golden_case.errors(stack)
    assert rms <= (5e-4 if golden_case.data.charge.any() else 1e-5)
    assert largest <= (3e-3 if golden_case.data.charge.any() else 1e-3)


@pytest.mark.parametrize("dipoles", [False, True])
@pytest.mark.parametrize("tip", [Tip(), Tip(charges=(0.3, -0.4), charge_heights=(0.0, 0.5))])
def test_gradients_and_relaxed_probes_are_those_of_opencl(host, tip, dipoles):
    found = []
    for renderer in (on_host(host, SCAN, tip), ProbeParticleModel(SCAN, tip, backend="opencl")):
        data = benzene()
        data.pos = data.pos.double() + 0.3 * torch.sin(torch.arange(36.0)).reshape(12, 3)
        leaves = [data.pos.requires_grad_(), data.charge.requires_grad_()]
        if dipoles:
            data.dipole = 0.1 * torch.cos(1.7 * torch.arange(36.0)).reshape(12, 3)
            leaves.append(data.dipole.requires_grad_())
        relaxed = renderer.relax(data)
        gradient = torch.autograd.grad(renderer(data).square().sum(), leaves)
        found.append((relaxed.force, relaxed.probe, *gradient))
    for ours, theirs in zip(*found, strict=True):
        assert (ours - theirs).norm() <= 2e-4 * theirs.norm()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_no_device_is_a_clear_error():
    with pytest.raises(CUDAUnavailable, match="torch sees no CUDA device"):
        ProbeParticleModel(SCAN, backend="cuda")


@pytest.mark.gpu
def test_golden_on_the_device(golden_case):
    check_cuda()
    stack = ProbeParticleModel(golden_case.scan, golden_case.tip, backend="cuda")(golden_case.data.to("cuda"))
    assert stack.is_cuda
    rms, _ = golden_case.errors(stack.cpu())
    assert rms <= (5e-4 if golden_case.data.charge.any() else 1e-5)


@pytest.mark.gpu
def test_gradients_on_the_device_are_those_of_float64():
    check_cuda()
    found = []
    for renderer in (
        ProbeParticleModel(SCAN, backend="cuda"),
        ProbeParticleModel(SCAN, dtype=torch.float64, backend="torch"),
    ):
        data = water()
        data.pos = data.pos.double().requires_grad_()
        found.append(*torch.autograd.grad(renderer(data).square().sum(), data.pos))
    assert (found[0] - found[1]).norm() <= 5e-4 * found[1].norm()


@pytest.mark.gpu
def test_dipoles_on_the_device_are_those_of_float64():
    check_cuda()
    found = []
    for renderer in (
        ProbeParticleModel(SCAN, backend="cuda"),
        ProbeParticleModel(SCAN, dtype=torch.float64, backend="torch"),
    ):
        data = water()
        data.pos = data.pos + torch.tensor([0.13, 0.07, 0.0])
        data.dipole = torch.tensor([[0.1, 0.2, 0.1], [0.0, 0.1, -0.1], [0.1, 0.0, 0.0]], requires_grad=True)
        stack = renderer(data)
        found.append((stack.detach(), *torch.autograd.grad(stack.square().sum(), data.dipole)))
    for ours, theirs in zip(*found, strict=True):
        assert (ours - theirs).norm() <= 5e-4 * theirs.norm()
