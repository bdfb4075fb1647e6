"""Stacks and curves of what is set on the page, and the thread that computes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from torch_afm import __version__
from torch_afm.config import Scan, Tip, to_dict
from torch_afm.data import AFMData
from torch_afm.io import AFMStack
from torch_afm.ppm import ProbeParticleModel
from torch_afm.testing import benzene
from torch_afm.utils import check_finite

T = TypeVar("T")

#: Å that a curve reaches farther than the slices do.
_FARTHER = 3.0


@dataclass(frozen=True, eq=False)
class Setup:
    """A molecule and what images it.

    Args:
        name: what the molecule is called.
        molecule: where it lies in the window, its top atom at z = 0.
        scan: window, pixels, heights and oscillation.
        tip: the tip.
        z_top: first anchor height in Å.
    """

    name: str
    molecule: AFMData
    scan: Scan
    tip: Tip
    z_top: float


@dataclass(frozen=True, eq=False)
class Curve:
    """Δf over height at one place.

    Args:
        heights: anchor height at the middle of the oscillation in Å, far to near.
        shift: Δf there in Hz.

    Shapes:
        both ``[Z]``.
    """

    heights: np.ndarray
    shift: np.ndarray


def render(setup: Setup) -> AFMStack:
    """The stack of a molecule, with every setting in its ``meta``.

    Raises:
        InputError: for an element without parameters, a stack too large for the memory, and forces without
            bounds, where the probe is led through an atom.
    """
    stack = _model(setup.scan, setup.tip)(setup.molecule, z_top=setup.z_top)[0]
    check_finite("simulated stack", stack)
    meta = {
        "scan": to_dict(setup.scan),
        "tip": to_dict(setup.tip),
        "z_top": setup.z_top,
        "molecule": setup.name,
        "version": __version__,
    }
    scan = setup.scan
    return AFMStack(stack.numpy(), scan.x, scan.y, scan.slice_heights(setup.z_top), meta)


def render_curve(setup: Setup, place: tuple[float, float]) -> Curve:
    """Δf over height at a place (x, y) in Å of the window, at the heights of the slices and as far again
    above them, 3 Å at least, in the same steps.

    Raises:
        InputError: for a place outside of the window, and as :func:`render`.
    """
    dz = setup.scan.dz
    farther = max(round(_FARTHER / dz), setup.scan.n_slices)
    scan = dataclasses.replace(setup.scan, n_slices=setup.scan.n_slices + farther)
    z_top = setup.z_top + farther * dz
    pixels = torch.tensor([place], dtype=torch.float64)
    shift = _model(scan, setup.tip)(setup.molecule, z_top=z_top, pixels=pixels)[0, 0, :, 0]
    check_finite("simulated curve", shift)
    return Curve(scan.slice_heights(z_top), shift.double().numpy())


def _model(scan: Scan, tip: Tip) -> ProbeParticleModel:
    # Sliders may bring the tip nearer than a microscope would survive; that is theirs to show.
    return ProbeParticleModel(scan, tip, on_unconverged="ignore")


class Worker:
    """One thread that stays warm. Of the requests of one key the newest alone waits: those that had not begun
    when it came are dropped."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="torch-afm-live")
        self._waiting: dict[Hashable, Future[object]] = {}

    def submit(self, key: Hashable, job: Callable[[], T]) -> Future[T]:
        """Do a job in the thread, in place of one of the same key that waits, which is cancelled.

        Args:
            key: whose request it is.
            job: what is to be done.
        """
        stale = self._waiting.pop(key, None)
        if stale is not None:
            stale.cancel()
        future = self._pool.submit(job)
        self._waiting[key] = future  # type: ignore[assignment]
        return future

    def forget(self, key: Hashable) -> None:
        """Drop what a key has waiting."""
        stale = self._waiting.pop(key, None)
        if stale is not None:
            stale.cancel()

    def warm_up(self) -> None:
        """Compile the kernels, in the thread, before somebody waits for them."""
        scan, tip = Scan(pixels=(64, 64)), Tip()
        setup = Setup("", benzene(), scan, tip, 8.5)
        self._pool.submit(lambda: (render(setup), render_curve(setup, (0.0, 0.0))))

    def close(self) -> None:
        """End the thread, and drop what waits."""
        self._pool.shutdown(wait=False, cancel_futures=True)
