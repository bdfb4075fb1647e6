"""ppafm's full-density-based model in OpenCL as a worker (:mod:`benchmarks.rendering.workers`), in the
environment that ``make bench-peers`` builds, called as its documentation says."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from ppafm.ocl import oclUtils, relax
from ppafm.ocl.AFMulator import AFMulator
from ppafm.ocl.field import ElectronDensity, HartreePotential, TipDensity

from benchmarks.rendering.workers import serve, timed


class Peer:
    """One :class:`AFMulator` on a file of :func:`benchmarks.fdbm.against_ppafm.write_case`."""

    def __init__(self) -> None:
        oclUtils.init_env()

    def prepare(self, file: str) -> None:
        """Build and warm up the renderer."""
        with np.load(file) as case:
            lvec, given = (
                case["lvec"],
                {key: case[key].tolist() for key in ("window", "dim", "tip", "stiffness")},
            )
            self.molecule = case["pos"], case["z"], HartreePotential(case["potential"], lvec)
            self.sample = ElectronDensity(case["density"], lvec)
            tip, charge = TipDensity(case["tip_density"], lvec), TipDensity(-case["tip_charge"], lvec)
            self.renderer = AFMulator(
                pixPerAngstrome=int(case["density_of_points"]),
                lvec=lvec,
                scan_dim=tuple(given["dim"]),
                scan_window=tuple(map(tuple, given["window"])),
                rho=tip,
                rho_delta=charge,
                A_pauli=float(case["a"]),
                B_pauli=float(case["b"]),
                df_steps=int(case["n_oscillation"]),
                tipR0=given["tip"],
                tipStiffness=given["stiffness"],
                npbc=(0, 0, 0),
                f0Cantilever=float(case["f0"]),
                kCantilever=float(case["k"]),
            )
        self.stack = self._render()

    def _render(self) -> np.ndarray:
        return np.asarray(self.renderer(*self.molecule, rho_sample=self.sample))

    def render(self, repeats: int) -> dict[str, list[float]]:
        """Seconds of each of ``repeats`` stacks, the spectra of the tip at hand."""
        return timed(self._render, repeats)

    def save(self, file: str) -> None:
        """Write the stack ``[X, Y, Z]`` and the energies ``[nx, ny, nz]`` of the force field [eV]."""
        np.savez(file, stack=self.stack, energy=self.renderer.forcefield.downloadFF()[..., 3])

    def describe(self) -> dict[str, Any]:
        """Grid and versions."""
        grid = [int(n) for n in self.renderer.forcefield.nDim[:3]]
        device = relax.oclu.queue.device.name
        return {"grid": grid, "device": device, "ppafm": version("ppafm"), "pyopencl": version("pyopencl")}


if __name__ == "__main__":
    serve(Peer)
