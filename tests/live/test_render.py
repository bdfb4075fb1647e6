"""Stacks, curves, and the thread that makes them."""

import threading
import time

import numpy as np
import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.live.render import Setup, Worker, render, render_curve
from torch_afm.ppm import ProbeParticleModel
from torch_afm.testing import benzene
from torch_afm.utils import InputError

SCAN, TIP, Z_TOP = Scan(pixels=(12, 10), n_slices=4), Tip(tilt=(0.2, 0.0)), 8.4


@pytest.fixture(scope="module")
def setup() -> Setup:
    return Setup("benzene", benzene(), SCAN, TIP, Z_TOP)


def test_a_stack_is_the_renderers_with_its_settings(setup):
    stack = render(setup)
    expected = ProbeParticleModel(SCAN, TIP, backend="torch")(benzene(), z_top=Z_TOP)[0].numpy()
    assert np.sqrt(np.mean((stack.stack - expected) ** 2)) < 1e-3 * expected.std()
    assert (stack.recorded_scan, stack.tip, stack.z_top) == (SCAN, TIP, Z_TOP)
    np.testing.assert_allclose(stack.z, SCAN.slice_heights(Z_TOP))


def test_a_curve_goes_through_the_slices_and_farther(setup):
    curve, stack = render_curve(setup, (SCAN.x[5], SCAN.y[3])), render(setup)
    n = SCAN.n_slices
    np.testing.assert_allclose(curve.heights[-n:], stack.z)
    np.testing.assert_allclose(curve.shift[-n:], stack.stack[0, :, 3, 5], rtol=1e-4, atol=1e-5)
    assert curve.heights[0] - curve.heights[-n] == pytest.approx(3.0)
    assert abs(curve.shift[0]) < 0.1 * np.abs(curve.shift).max()


def test_a_tip_within_the_atoms_gives_finite_numbers_or_one_line():
    """Sliders go where no microscope does."""
    near = Setup("", benzene(), SCAN, TIP, 6.0)
    try:
        assert np.isfinite(render(near).stack).all()
    except InputError as error:
        assert "finite" in str(error)


def test_an_element_without_parameters_is_refused():
    data = AFMData(z=torch.tensor([118]), pos=torch.zeros(1, 3), charge=torch.zeros(1))
    with pytest.raises(InputError):
        render(Setup("", data, SCAN, TIP, Z_TOP))


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    worker.close()


def test_stale_requests_are_dropped_and_those_of_others_are_not(worker):
    begun, going = threading.Event(), threading.Event()
    done = []

    def first():
        begun.set()
        going.wait(10)
        done.append("first")

    running = worker.submit("a", first)
    begun.wait(10)
    stale = [worker.submit("a", lambda i=i: done.append(i)) for i in range(5)]
    other = worker.submit("b", lambda: done.append("other"))
    last = worker.submit("a", lambda: done.append("last"))
    going.set()
    last.result(10), other.result(10), running.result(10)
    assert all(future.cancelled() for future in stale)
    assert done == ["first", "other", "last"]


def test_what_a_visitor_who_left_waits_for_is_dropped(worker):
    going = threading.Event()
    running = worker.submit("a", lambda: going.wait(10))
    waiting = worker.submit("b", lambda: pytest.fail("nobody waits"))
    worker.forget("b")
    worker.forget("nobody")
    going.set()
    running.result(10)
    assert waiting.cancelled()


def test_errors_come_with_the_result(worker):
    with pytest.raises(InputError, match="bad"):
        worker.submit("a", _bad).result(10)


def _bad():
    raise InputError("bad")


def test_one_thread_renders_all(worker):
    names = {worker.submit(i, lambda: threading.current_thread().name).result(10) for i in range(4)}
    assert len(names) == 1 and names != {threading.current_thread().name}


def test_after_warming_up_a_stack_takes_no_second(worker, setup):
    worker.warm_up()
    worker.submit("warm", lambda: None).result(60)
    start = time.process_time()
    render(Setup("", benzene(), Scan(pixels=(64, 64)), Tip(), Z_TOP))
    assert time.process_time() - start < 1
