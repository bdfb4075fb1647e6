import subprocess
import sys

import pytest

#: Bytes that a process still holds after it freed 64 blocks of 1 MB.
HELD = """
import ctypes, resource
from torch_afm.train.memory import keep_memory
told = {told}
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
blocks = [libc.malloc(1 << 20) for _ in range(64)]
for block in blocks:
    ctypes.memset(block, 1, 1 << 20)
full = resident()
for block in blocks:
    libc.free(block)
print(told, full - resident())
"""


def run(told: str) -> tuple[str, int]:
    done = subprocess.run([sys.executable, "-c", HELD.format(told=told)], capture_output=True, text=True)
    told, given_back = done.stdout.split()
    return told, int(given_back)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_freed_memory_is_kept():
    _, usually = run("None")
    told, given_back = run("keep_memory()")
    if told == "False":
        pytest.skip("no glibc")
    assert usually > 60 << 20 and given_back < 1 << 20
