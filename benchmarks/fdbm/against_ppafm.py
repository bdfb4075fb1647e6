"""The full-density-based model of torch_afm against that of ppafm 0.4.1 (OpenCL,
:mod:`benchmarks.fdbm.peer_ppafm`) in one run, on the same densities: CH₂O (PySCF) and the CO tip, on a grid
of 0.1 Å that is ppafm's force-field grid, so that ppafm interpolates nothing.

Energies are compared at the points of that grid where free probes go, with those that NumPy's FFT makes of
the same arrays in float64 and the D3 of the package: largest difference over largest energy. Stacks are
compared with that of the same densities on a lattice of 0.1 Å with knots 0.04 Å apart: rms and largest error
over std(Δf). CPU seconds are those of a stack of 64 x 64 pixels and 20 heights with the spectra of the tip at
hand, ours with the field computed anew, and once more with the field kept, as in a sweep over stiffness.

    make bench-peers        # or: python -m benchmarks.fdbm.against_ppafm [--python .venv-peers/bin/python]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file
from scipy.ndimage import map_coordinates

from benchmarks.common import measure, table, write
from benchmarks.rendering.workers import ROOT, Worker
from torch_afm.config import Scan, Tip, to_dict
from torch_afm.data import AFMData, DensityGrid, PotentialGrid
from torch_afm.ppm import FDBM, ProbeParticleModel, TipDensity, anchor_height, fdbm_field
from torch_afm.ppm.d3 import dispersion, dispersion_energy
from torch_afm.ppm.fdbm import Sample
from torch_afm.ppm.inputs import prepare
from torch_afm.ppm.isolated import molecule_potential
from torch_afm.ppm.resample import resample

SCAN = Scan(window=((-4.0, 4.0), (-4.0, 4.0)), pixels=(64, 64), quadrature="ppafm")
TIP = Tip()
#: Points of ppafm's force-field grid an Å, and points of it.
DENSITY, SHAPE = 10, (192, 192, 128)
#: Lattice and knots [Å] of the reference.
FINE = (0.1, 0.04)
REPEATS = 3


def sample() -> AFMData:
    """CH₂O with its density and potential as files on ppafm's grid would hold them."""
    found = load_file(ROOT / "tests" / "golden" / "ch2o_density.safetensors")
    density = DensityGrid(found["density"], found["origin"], found["cell"])
    pos = np.array([(0, 0, 0), (0, 1.205, 0), (0.938, -0.587, 0), (-0.938, -0.587, 0)])
    potential = molecule_potential(density, pos, np.array([4.0, 6.0, 1.0, 1.0]))
    data = AFMData(z=torch.tensor([6, 8, 1, 1]), pos=torch.from_numpy(pos))
    top = float(anchor_height(data, SCAN, TIP))
    probe = top - TIP.bond_length - SCAN.dz * SCAN.n_heights / 2
    origin = np.round(np.array([0.0, 0.0, probe]) - np.array(SHAPE) / DENSITY / 2, 1)
    steps = torch.eye(3, dtype=torch.float64) / DENSITY
    place = np.zeros(3, bool), torch.from_numpy(origin), steps, SHAPE
    cell = np.diag(SHAPE) / DENSITY
    zeros = torch.zeros(2, 3, dtype=torch.float64)
    data.density = DensityGrid(resample(density, *place).numpy().clip(0), origin, cell)
    found = Sample(data.z.numpy(), data.pos, density, potential, np.zeros(3, bool), 10 * steps, *zeros)
    data.potential = PotentialGrid(fdbm_field._volts(found, *place[1:3], list(SHAPE)).numpy(), origin, cell)
    return data


def tip_arrays(tip: TipDensity) -> tuple[np.ndarray, np.ndarray]:
    """Density and charge of the tip on ppafm's grid, the probe at its first point."""
    first = np.round(tip.density.origin * DENSITY).astype(int)
    index = [(a + np.arange(n)) % m for a, n, m in zip(first, tip.density.values.shape, SHAPE, strict=True)]
    arrays = []
    for grid in (tip.density, tip.charge):
        values = np.zeros(SHAPE)
        values[np.ix_(*index)] = grid.values
        arrays.append(values)
    return arrays[0], arrays[1]


def exact_energy(data: AFMData, model: FDBM) -> np.ndarray:
    """Pauli and electrostatic energy at every point of the grid, float64, eV."""
    (density, charge), (a, b) = tip_arrays(model.tip), map(float, model.parameters())
    spectrum = a * np.fft.rfftn(data.density.values**b) * np.fft.rfftn(density**b).conj()
    spectrum += np.fft.rfftn(data.potential.values) * np.fft.rfftn(charge).conj()
    return np.asarray(np.fft.irfftn(spectrum, SHAPE, (0, 1, 2)) / DENSITY**3)


def write_case(file: Path, data: AFMData, model: FDBM, z_top: float) -> None:
    """What ppafm needs, in one file."""
    density, charge = tip_arrays(model.tip)
    (x0, x1), (y0, y1) = SCAN.window
    bottom = z_top - SCAN.dz * SCAN.n_heights
    np.savez(
        file,
        lvec=np.vstack([data.density.origin, data.density.cell]),
        density_of_points=DENSITY,
        window=[(x0, y0, bottom), (x1, y1, z_top)],
        dim=[*SCAN.pixels, SCAN.n_heights],
        tip=[0.0, 0.0, TIP.bond_length],
        stiffness=[*TIP.stiffness, TIP.radial_stiffness],
        n_oscillation=SCAN.n_oscillation,
        f0=SCAN.f0,
        k=SCAN.k,
        a=float(model.a),
        b=float(model.b),
        z=data.z.numpy(),
        pos=data.pos.numpy(),
        density=data.density.values.astype(np.float32),
        potential=data.potential.values.astype(np.float32),
        tip_density=density.astype(np.float32),
        tip_charge=charge.astype(np.float32),
    )


def free_probes(data: AFMData, z_top: float) -> tuple[np.ndarray, ...]:
    """Slices of the grid where free probes go."""
    top = z_top - TIP.bond_length
    low = np.array([-4.0, -4.0, top + SCAN.heights(0.0)[-1]])
    high = np.array([4.0, 4.0, top])
    first = np.ceil((low - data.density.origin) * DENSITY - 1e-6).astype(int)
    last = np.floor((high - data.density.origin) * DENSITY + 1e-6).astype(int)
    return tuple(np.arange(a, b + 1) for a, b in zip(first, last, strict=True))


def own_energy(data: AFMData, model: FDBM, z_top: float, index: tuple[np.ndarray, ...]) -> np.ndarray:
    """The field of torch_afm at these points of the grid, eV."""
    batch = prepare(data, SCAN, TIP, z_top, fdbm=model)
    field, place = batch.fields[0], batch.origin[0].numpy()
    axes = [o + i / DENSITY - p for o, i, p in zip(data.density.origin, index, place, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1).T
    at = (points - field.low.numpy()) / field.spacing.numpy()
    found = map_coordinates(field.coefficients.numpy(), at.T, order=3, prefilter=False)
    return np.asarray(found.reshape([len(a) for a in axes]))


def largest(energy: np.ndarray, exact: np.ndarray) -> float:
    """Largest difference over the largest energy."""
    return float(np.abs(energy - exact).max() / np.abs(exact).max())


def errors(stack: np.ndarray, exact: np.ndarray) -> tuple[float, float]:
    """Rms and largest error in units of std(Δf), ``[Z, Y, X]``."""
    error = (stack - exact) / exact.std()
    return float(np.sqrt(np.mean(error**2))), float(np.abs(error).max())


def compare(python: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A row for each program, and the ratios of their CPU seconds."""
    data, model = sample(), FDBM()
    z_top = float(anchor_height(data, SCAN, TIP))
    index = free_probes(data, z_top)
    axes = [o + i / DENSITY for o, i in zip(data.density.origin, index, strict=True)]
    points = torch.from_numpy(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3))
    terms = dispersion(data.z.numpy(), data.pos.numpy(), 8)
    d3 = dispersion_energy(points, data.pos, terms).reshape([len(a) for a in axes]).numpy()
    exact = exact_energy(data, model)[np.ix_(*index)] + d3

    ours = ProbeParticleModel(SCAN, TIP, forcefield=model)
    stack = ours(data, z_top=z_top)[0, 0].double().numpy()
    energy = own_energy(data, model, z_top, index)
    anew = measure(
        lambda: ProbeParticleModel(SCAN, TIP, ours.backend, forcefield=FDBM(tip=model.tip))(
            data, z_top=z_top
        ),
        REPEATS,
    )
    kept = measure(lambda: ours(data, z_top=z_top), REPEATS)
    coarse = fdbm_field._LATTICE, fdbm_field._KNOTS
    fdbm_field._LATTICE, fdbm_field._KNOTS = FINE
    fdbm_field._tip.cache_clear()
    fine = ProbeParticleModel(SCAN, TIP, ours.backend, forcefield=FDBM(tip=model.tip))
    reference = fine(data, z_top=z_top)[0, 0].double().numpy()
    fdbm_field._LATTICE, fdbm_field._KNOTS = coarse
    fdbm_field._tip.cache_clear()

    with tempfile.TemporaryDirectory() as folder, Worker(python, "benchmarks.fdbm.peer_ppafm") as peer:
        case, result = Path(folder) / "case.npz", Path(folder) / "result.npz"
        write_case(case, data, model, z_top)
        peer.call("prepare", file=str(case))
        seconds = peer.call("render", repeats=REPEATS)
        peer.call("save", file=str(result))
        description = peer.call("describe")
        with np.load(result) as found:
            peer_stack, peer_energy = found["stack"].T, found["energy"][np.ix_(*index)]

    def row(name: str, values: np.ndarray | None, images: np.ndarray, cpu: float) -> dict[str, Any]:
        rms, most = errors(images, reference)
        error = None if values is None else largest(values, exact)
        return {"program": name, "energy_error": error, "rms_error": rms, "largest_error": most, "cpu_s": cpu}

    rows = [
        row("ppafm, 10 px/Å", peer_energy, peer_stack, float(np.median(seconds["cpu_s"]))),
        row("torch_afm", energy, stack, anew["cpu_s"]["median"]),
        row("torch_afm, field kept", None, stack, kept["cpu_s"]["median"]),
    ]
    settings = {
        "scan": to_dict(SCAN),
        "tip": to_dict(TIP),
        "ppafm": description,
        "largest_energy_ev": float(np.abs(exact).max()),
        "std_hz": float(reference.std()),
        "ratios": [rows[0]["cpu_s"] / r["cpu_s"] for r in rows[1:]],
        "repeats": REPEATS,
    }
    return rows, settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--python", type=Path, default=ROOT / ".venv-peers" / "bin" / "python")
    rows, settings = compare(parser.parse_args().python)
    columns = {
        "program": lambda r: r["program"],
        "energy error / max": lambda r: "" if r["energy_error"] is None else f"{r['energy_error']:.1e}",
        "Δf: rms error / std": lambda r: f"{r['rms_error']:.1e}",
        "largest": lambda r: f"{r['largest_error']:.1e}",
        "CPU-s a stack": lambda r: f"{r['cpu_s']:.2f}",
    }
    print(table(rows, columns))
    anew, kept = settings["ratios"]
    print(f"\nCPU seconds of ppafm over ours: {anew:.1f}, with the field kept {kept:.0f}")
    command = "python -m benchmarks.fdbm.against_ppafm"
    write("fdbm_against_ppafm", command, rows, settings, ("torch", "numpy", "pyopencl"))


if __name__ == "__main__":
    main()
