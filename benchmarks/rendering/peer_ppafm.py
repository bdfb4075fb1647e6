"""ppafm's OpenCL renderer as a worker (:mod:`benchmarks.rendering.workers`), in the environment that
``make bench-peers`` builds. It is called as its documentation says (``ppafm.ocl.AFMulator.AFMulator``).
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import pyopencl as cl
from ppafm.ocl import oclUtils, relax
from ppafm.ocl.AFMulator import AFMulator

from benchmarks.rendering.workers import forget_peak, memory, serve, timed

_TOLERANCE = "#define F2CONV  1e-8f\n"


class Peer:
    """One :class:`AFMulator` at one setting.

    A setting has ``pixels_per_angstrom`` of the force-field grid; ``box``, the grid's size in Å around the
    probes (None: ppafm's own); ``f2``, the squared force [eV²/Å²] at which a probe counts as relaxed; ``dt``,
    the largest time step of the relaxation.
    """

    def __init__(self) -> None:
        oclUtils.init_env()
        self.baseline = 0.0

    def prepare(self, case: dict[str, Any], setting: dict[str, Any]) -> None:
        """Build and warm up the renderer of ``case``, as :func:`benchmarks.rendering.against_ppafm.inputs`
        gives it."""
        self.molecule = [np.array(case[k]) for k in ("xyz", "Z", "charges")]
        if not self.baseline:  # with the kernels compiled, but next to nothing in its buffers
            self._compile(setting["f2"])
            self._build(case, {**setting, "pixels_per_angstrom": 1, "box": None}, pixels=16)
            self.render(1)
            self.baseline = memory("VmRSS")
        self.renderer = None
        gc.collect()
        forget_peak()
        self._build(case, setting)
        self.stack = self.renderer(*self.molecule)

    def render(self, repeats: int) -> dict[str, list[float]]:
        return timed(lambda: self.renderer(*self.molecule), repeats)

    def sample(self, every: int) -> list[Any]:
        """Every ``every``-th pixel ``[X, Y, Z]`` of the stack."""
        return self.stack[::every, ::every].tolist()

    def peak(self) -> float:
        """Peak memory in MB since ``prepare``, over that of a scan and a grid of next to no size."""
        return memory("VmHWM") - self.baseline

    def describe(self) -> dict[str, Any]:
        grid = [int(n) for n in self.renderer.forcefield.nDim[:3]]
        device = relax.oclu.queue.device.name
        return {"grid": grid, "device": device, "ppafm": version("ppafm"), "pyopencl": version("pyopencl")}

    def _build(self, case: dict[str, Any], setting: dict[str, Any], pixels: int | None = None) -> None:
        scan_dim = case["scan_dim"]
        density = setting["pixels_per_angstrom"]
        window = case["scan_window"]
        AFMulator.relaxParams = [setting["dt"], 0.1, 0.02, 0.5]
        self.renderer = AFMulator(
            pixPerAngstrome=density,
            lvec=_box(window, case["tipR0"], setting["box"], density),
            scan_dim=tuple(scan_dim if pixels is None else (pixels, pixels, scan_dim[2])),
            scan_window=tuple(map(tuple, window)),
            iZPP=case["iZPP"],
            Qs=case["tip_Qs"],
            QZs=case["tip_QZs"],
            df_steps=case["df_steps"],
            tipR0=case["tipR0"],
            tipStiffness=case["stiffness_Nm"],
            npbc=(0, 0, 0),
            f0Cantilever=case["f0"],
            kCantilever=case["k"],
        )

    @staticmethod
    def _compile(f2: float) -> None:
        """Build ppafm's relaxation with another tolerance, which is a constant of its source."""
        source = (relax.oclu.CL_PATH / "relax.cl").read_text(encoding="utf-8")
        if source.count(_TOLERANCE) != 1:
            raise RuntimeError(f"relax.cl: expected {_TOLERANCE.strip()!r} once; is this ppafm 0.4.1?")
        source = source.replace(_TOLERANCE, f"#define F2CONV {f2:.1e}f\n")
        options = ["-I", str(relax.oclu.CL_PATH)]
        relax.cl_program = cl.Program(relax.oclu.ctx, source).build(options=options)


def _box(
    window: Sequence[Sequence[float]], tip: Sequence[float], size: Sequence[float] | None, density: float
) -> np.ndarray | None:
    """Origin and edges of a grid of ``size`` Å centered on where the probes of the scan hang."""
    if size is None:
        return None
    edges = np.round(np.array(size) * density) / density
    probes = np.mean(window, axis=0) - [tip[0], tip[1], np.sqrt(tip[2] ** 2 - tip[0] ** 2 - tip[1] ** 2)]
    return np.vstack([probes - edges / 2, np.diag(edges)])


if __name__ == "__main__":
    serve(Peer)
