"""Workers, against a tiny one written here."""

import subprocess
import sys
import time

import pytest

from benchmarks.rendering.workers import ROOT, Worker, memory, timed

SOURCE = """
from benchmarks.rendering.workers import serve

class Adder:
    def __init__(self):
        print("noise that must not reach the answers")
        self.total = 0.0

    def add(self, terms):
        print("more noise")
        self.total += sum(terms)
        return self.total

    def leave(self):
        raise SystemExit(3)

serve(Adder)
"""


@pytest.fixture
def worker(tmp_path):
    (tmp_path / "adder.py").write_text(SOURCE)
    with Worker(sys.executable, "adder", {"PYTHONPATH": str(tmp_path)}) as worker:
        yield worker


def test_answers_in_order_and_keeps_its_state(worker):
    assert [worker.call("add", terms=t) for t in ([1, 2], [0.5], [])] == [3, 3.5, 3.5]


def test_an_error_is_named_and_survived(worker):
    with pytest.raises(RuntimeError, match="add: TypeError: "):
        worker.call("add", terms=1)
    assert worker.call("add", terms=[1]) == 1


def test_the_end_of_a_worker_is_told_with_its_code(worker):
    with pytest.raises(RuntimeError, match="leave: the worker ended with code 3"):
        worker.call("leave")


def test_cpu_seconds_do_not_count_waiting():
    times = timed(lambda: time.sleep(0.05), repeats=2)
    assert len(times["cpu_s"]) == len(times["wall_s"]) == 2
    assert min(times["wall_s"]) >= 0.05 > max(times["cpu_s"])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_peak_sees_memory_that_was_given_back_until_it_is_forgotten():
    # In a process of its own: the kernel may take memory from a large one meanwhile.
    code = """
from benchmarks.rendering.workers import forget_peak, memory
forget_peak()
before = memory("VmRSS")
block = bytearray(100_000_000)
del block
peak = memory("VmHWM") - before
forget_peak()
print(peak, memory("VmHWM") - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    peak, forgotten = map(float, done.stdout.split())
    assert 80 < peak < 150 and forgotten < 50
    with pytest.raises(ValueError, match="field"):
        memory("VmNothing")
