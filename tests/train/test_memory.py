import subprocess
import sys
from pathlib import Path

import pytest

import torch_afm

#: Bytes that a process gives back when it frees 64 blocks of 1 MB, before and after it is told to keep them.
GIVEN_BACK = """
import ctypes, resource, runpy, sys
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
def given_back():
    blocks = [libc.malloc(1 << 20) for _ in range(64)]
    for block in blocks:
        ctypes.memset(block, 1, 1 << 20)
    full = resident()
    for block in blocks:
        libc.free(block)
    return full - resident()
usually = given_back()
print(runpy.run_path(sys.argv[1])["keep_memory"](), usually, given_back())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_freed_memory_is_kept():
    file = Path(torch_afm.__file__).parent / "train" / "memory.py"  # without torch, which takes seconds
    done = subprocess.run(
        [sys.executable, "-c", GIVEN_BACK, file], capture_output=True, text=True, check=True
    )
    told, usually, afterwards = done.stdout.split()
    if told == "False":
        pytest.skip("no glibc")
    assert int(usually) > 60 << 20 and int(afterwards) < 1 << 20
