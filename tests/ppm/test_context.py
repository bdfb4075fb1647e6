import os
import subprocess
import sys

import pytest

from torch_afm.ppm import context
from torch_afm.utils import InputError

FORK = """
import os
from torch_afm.config import Scan
from torch_afm.ppm import OpenCLRenderer
from torch_afm.testing import water

renderer = OpenCLRenderer(Scan(pixels=(4, 4)))
renderer.render(water())
child = os.fork()
if child == 0:
    try:
        renderer.render(water())
    except RuntimeError as error:
        os._exit(42 if "forkserver" in str(error) else 1)
    os._exit(2)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_fork_after_opencl_raises_and_does_not_hang():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "42", done.stderr


def test_fork_before_opencl_works():
    before = FORK.replace("renderer.render(water())\nchild", "child").replace("os._exit(2)", "os._exit(0)")
    done = subprocess.run([sys.executable, "-c", before], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "0", done.stderr


def test_no_device_is_a_clear_error():
    # An empty vendor folder leaves the loader without a platform.
    code = "from torch_afm.ppm.context import get_queue; get_queue()"
    env = os.environ | {"OCL_ICD_VENDORS": os.devnull, "OCL_ICD_FILENAMES": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=env)
    if done.returncode == 0:
        pytest.skip("this OpenCL loader finds its platforms elsewhere")
    assert "OpenCLUnavailable: no OpenCL" in done.stderr


def test_missing_linker_is_a_clear_error_and_no_abort():
    code = "from torch_afm.ppm import ProbeParticleModel; print(ProbeParticleModel())"
    env = os.environ | {"PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=env)
    if context.get_queue().device.platform.name != "Portable Computing Language":
        pytest.skip("only PoCL links with ld")
    assert "backend='torch'" in done.stdout
    assert "PoCL needs the linker `ld`" in done.stderr


def test_unknown_device_name_is_refused(monkeypatch):
    monkeypatch.setenv("TORCH_AFM_OPENCL_DEVICE", "no such device")
    monkeypatch.setattr(context, "_create", context._create.__wrapped__)
    with pytest.raises(InputError, match="TORCH_AFM_OPENCL_DEVICE"):
        context.get_queue()


def test_kernel_that_does_not_build_is_a_clear_error():
    with pytest.raises(context.OpenCLUnavailable, match="does not build"):
        context.get_program("probe_particle.cl", ("-DWIDTH=1", "-DHEIGHTS=none"))


def test_queue_and_programs_are_made_once():
    options = ("-DWIDTH=1", "-DHEIGHTS=2", "-DSLICES=1", "-DSAMPLES=2", "-DSUBSTEPS=1")
    assert context.get_queue() is context.get_queue()
    assert context.get_program("probe_particle.cl", options) is context.get_program(
        "probe_particle.cl", options
    )
