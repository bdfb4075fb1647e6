import re
from importlib.resources import files

import pytest

from torch_afm.ppm.cuda import CUDAUnavailable
from torch_afm.ppm.kernel_device import kernel_source
from torch_afm.ppm.opencl import OpenCLUnavailable
from torch_afm.utils import BackendUnavailable


def test_sources_follow_each_other_in_order():
    folder = files("torch_afm.ppm") / "kernels"
    whole = kernel_source("common.cl", "adjoint.cl")
    first, second = ((folder / name).read_text("utf-8") for name in ("common.cl", "adjoint.cl"))
    assert whole.startswith(first) and whole.endswith(second)


@pytest.mark.parametrize("name", ["probe_particle.cl", "adjoint.cl"])
def test_kernels_end_in_the_array_they_write(name):
    # What KernelDevice.launch relies on: the last argument is the result, all other arrays are constant.
    kernels = re.findall(r"__kernel void \w+\((.*?)\)", kernel_source(name), re.DOTALL)
    assert kernels
    for arguments in kernels:
        *inputs, out = (" ".join(a.split()) for a in arguments.split(","))
        assert out == "__global float *restrict out"
        assert all("const" in a for a in inputs)


@pytest.mark.parametrize("error", [OpenCLUnavailable, CUDAUnavailable])
def test_commands_know_every_missing_backend(error):
    assert issubclass(error, BackendUnavailable)
