"""How exact electrostatics is where it is not a sum over a few atoms, in standard deviations of the stack.

* Periodic samples: stacks of point charges against those of the same charges as a potential on a grid, which
  is summed over plane waves (over Bessel functions for a ribbon): layers with a perpendicular dipole, cells
  of 4 to 25 Å, under CO, Xe and Cl tips.
* Nuclei: stacks of a potential with the peaks of screened nuclei, on grids of 0.15 to 0.3 Å, against one of
  0.06 Å that begins 1.2 Å above the nuclei.
* ppafm's Gaussian tip: stacks of ``tip_on_grid`` against those of the potential convolved with the Gaussian
  multipole, as ppafm has it.

    python -m benchmarks.rendering.fields
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy.signal import fftconvolve
from scipy.special import k0
from torch import Tensor

from benchmarks.common import table, write
from torch_afm.config import Scan, Tip, to_dict
from torch_afm.data import AFMData, PotentialGrid
from torch_afm.ppm import ProbeParticleModel
from torch_afm.testing import benzene
from torch_afm.units import COULOMB

SCAN = Scan(window=((-3.0, 4.0), (-2.5, 3.5)), pixels=(7, 6))
TIPS = {name: Tip.preset(name) for name in ("CO", "Xe", "Cl")}
#: First anchor heights above layers and the molecule, whose top is at 0.
HEIGHT, NEARER = 9.8, 8.9
#: Of the electron densities that screen the nuclei, 1/Å: twice those of Slater's rules, 1 and 1.625 over a0.
EXPONENTS = {1: 3.78, 6: 6.14}


def layer(edge: float, skew: float = 0.0, ribbon: bool = False, seed: int = 0) -> AFMData:
    """Na+ above Cl-, some 4 Å apart, displaced at random, in a cell of ``edge`` Å: a layer with a dipole."""
    rng = np.random.default_rng(seed)
    n = max(round(edge / 4), 1)
    cell = np.array([[edge, 0, 0], [skew * edge, edge, 0], [0, 0, 20.0]])
    corners = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), -1).reshape(-1, 2) / n
    places = np.concatenate([corners, corners + 0.5 / n])
    # Probes slide off a ribbon, but a potential on a grid holds only where they bend by less than 1 Å.
    scale = 0.2 if ribbon else 1.0
    pos = np.hstack([places @ cell[:2, :2], np.repeat([0.0, -1.0], n * n)[:, None]])
    pos += rng.uniform(-0.3, 0, pos.shape)
    pos[:, 2] -= pos[:, 2].max()
    charge = np.repeat([0.4, -0.4], n * n) + rng.uniform(-0.05, 0.05, 2 * n * n)
    return AFMData(
        z=torch.tensor([11] * n * n + [17] * n * n),
        pos=torch.from_numpy(pos),
        charge=torch.from_numpy(scale * (charge - charge.mean())),
        cell=torch.from_numpy(cell)[None],
        pbc=torch.tensor([[True, not ribbon, False]]),
        z_top=torch.tensor([HEIGHT + 2 * ribbon]),
    )


def plane_waves(data: AFMData, spacing: float = 0.2) -> PotentialGrid:
    r"""The potential :math:`\frac{2πK}{A} \sum_{G \neq 0} \sum_i q_i e^{iG(r - r_i) - |G|(z - z_i)}/|G|` of a
    neutral layer, above it."""
    cell, q, pos = data.cell[0].numpy(), data.charge.numpy(), data.pos.numpy()
    low, high = _range(data)
    count = np.ceil(np.append(np.linalg.norm(cell[:2], axis=1), high - low) / spacing).astype(int)
    index = np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in count[:2]), indexing="ij")
    waves = np.stack(index, -1) @ (2 * np.pi * np.linalg.inv(cell[:2, :2]).T)
    size = np.linalg.norm(waves, axis=2)
    size[0, 0] = np.inf
    factor = 2 * np.pi * COULOMB / np.linalg.det(cell[:2, :2]) / size * np.prod(count[:2])
    size[0, 0] = 0
    phases = q * np.exp(-1j * waves @ pos[:, :2].T)
    values = np.empty(count)
    for k in range(count[2]):
        depth = low + k / count[2] * (high - low) - pos[:, 2]
        values[:, :, k] = np.fft.ifft2(factor * (phases * np.exp(-size[..., None] * depth)).sum(2)).real
    box = np.vstack([cell[:2], [0, 0, high - low]])
    return PotentialGrid(values, np.array([0, 0, low]), box)


def bessel_sum(data: AFMData, spacing: float = 0.2) -> PotentialGrid:
    r"""The potential :math:`\frac{K}{L} \sum_i q_i [4 \sum_m K_0(2πmρ_i/L) \cos(2πm(x - x_i)/L) - 2 \ln ρ_i]`
    of a neutral ribbon along x (Lekner, Physica A 176, 485 (1991)), above it."""
    length = float(data.cell[0, 0, 0])
    low, high = _range(data)
    begin = np.array([0.0, SCAN.window[1][0] - 2, low])
    edges = np.array([length, np.ptp(SCAN.window[1]) + 4, high - low])
    count = np.ceil(edges / spacing).astype(int)
    x, y, z = (b + e * np.arange(n) / n for b, e, n in zip(begin, edges, count, strict=True))
    values = np.zeros(count)
    for q, at in zip(data.charge.numpy(), data.pos.numpy(), strict=True):
        rho = np.hypot(*np.meshgrid(y - at[1], z - at[2], indexing="ij"))
        values -= q * 2 * np.log(rho)
        for m in range(1, int(40 * length / (2 * np.pi * rho.min())) + 1):
            g = 2 * np.pi * m / length
            values += q * 4 * np.cos(g * (x - at[0]))[:, None, None] * k0(g * rho)
    return PotentialGrid(COULOMB / length * values, begin, np.diag(edges))


def molecule() -> AFMData:
    """Benzene with uneven charges."""
    data = benzene()
    data.charge = data.charge + 0.05 * torch.sin(torch.arange(12.0))
    data.z_top = torch.tensor([NEARER])
    return data


def potential(data: AFMData, spacing: float, low: float, nuclei: bool = True) -> PotentialGrid:
    r"""Of the charges and, with ``nuclei``, of nuclei Z in their electrons,
    :math:`K Z e^{-kr} (1/r + k/2)`, of a charge density :math:`\propto e^{-kr}`."""
    begin = np.array([-6.0, -6.0, low])
    count = np.ceil(np.array([12.0, 12.0, 6.5 - low]) / spacing).astype(int)
    steps = (b + spacing * np.arange(n) for b, n in zip(begin, count, strict=True))
    x, y, z = np.meshgrid(*steps, indexing="ij", sparse=True)
    values = np.zeros(count)
    for number, at, q in zip(data.z.tolist(), data.pos.double().numpy(), data.charge.tolist(), strict=True):
        r = np.sqrt((x - at[0]) ** 2 + (y - at[1]) ** 2 + (z - at[2]) ** 2).clip(0.02)
        values += COULOMB * q / r
        if nuclei:
            k = EXPONENTS[number]
            values += COULOMB * number * np.exp(-k * r) * (1 / r + k / 2)
    return PotentialGrid(values, begin, spacing * np.diag(count))


def gaussian_energy(grid: PotentialGrid, charge: float, width: float) -> PotentialGrid:
    """Energy of ppafm's dz2 tip, q (2z² - x² - y²)/4σ² times a Gaussian, with its middle at the points of a
    cubic grid."""
    spacing = grid.cell[0, 0] / len(grid.values)
    axis = spacing * np.arange(-round(4.0 / spacing), round(4.0 / spacing) + 1)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    density = np.exp(-(x**2 + y**2 + z**2) / (2 * width**2))
    density *= charge / density.sum() * (2 * z**2 - x**2 - y**2) / (4 * width**2)
    return replace(grid, values=fftconvolve(grid.values, density, mode="same"))


def periodic_errors() -> Iterator[dict[str, Any]]:
    """Rows of the first part."""
    cases: dict[str, tuple[AFMData, Callable[[AFMData], PotentialGrid]]] = {
        "layer, 4 Å": (layer(4.0), plane_waves),
        "layer, 4 Å, oblique": (layer(4.0, 0.4), plane_waves),
        "layer, 8 Å": (layer(8.0), plane_waves),
        "layer, 16 Å": (layer(16.0), plane_waves),
        "layer, 25 Å": (layer(25.0), plane_waves),
        "ribbon, 4 Å": (layer(4.0, ribbon=True), bessel_sum),
        "ribbon, 12 Å": (layer(12.0, ribbon=True), bessel_sum),
    }
    for case, (data, reference) in cases.items():
        on_grid = data.clone()
        on_grid.potential = reference(data)
        for tip in TIPS:
            exact = _double(on_grid, TIPS[tip])
            found = {
                "float64": _double(data, TIPS[tip]),
                "OpenCL": ProbeParticleModel(SCAN, TIPS[tip], backend="opencl")(data),
            }
            yield {"part": "periodic", "case": case, "tip": tip, **_errors(found, exact)}


def nuclear_errors() -> Iterator[dict[str, Any]]:
    """Rows of the second part."""
    data = molecule()
    for nuclei in (False, True):
        fine = potential(data, 0.06, 1.2, nuclei)
        for tip in ("CO", "Xe"):
            exact = _double(_with(data, fine), TIPS[tip])
            for spacing in (0.15, 0.2, 0.25, 0.3):
                found = _double(_with(data, potential(data, spacing, -3.01, nuclei)), TIPS[tip])
                case = f"{'nuclei' if nuclei else 'charges alone'}, {spacing} Å"
                yield {"part": "potential", "case": case, "tip": tip, **_errors({"float64": found}, exact)}


def gaussian_errors() -> Iterator[dict[str, Any]]:
    """Rows of the third part."""
    data, charge, width = molecule(), -0.1, 0.71
    # As read_ppafm_params has it: the moments of the Gaussian.
    tip = Tip(charges=tuple(75 * width**2 * charge * c for c in (1, -2, 1)), charge_heights=(0.1, 0.0, -0.1))
    unit = replace(tip, charges=(1.0,), charge_heights=(0.0,))
    for nuclei in (False, True):
        # Far enough down that the Gaussian of the nearest probe is in the box.
        grid = potential(data, 0.12, -2.01, nuclei)
        exact = _double(_with(data, gaussian_energy(grid, charge, width)), unit)
        found = {"float64": _double(_with(data, grid), tip)}
        case = "dz2, " + ("nuclei" if nuclei else "charges alone")
        yield {"part": "ppafm's Gaussian", "case": case, "tip": "dz2", **_errors(found, exact)}


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    rows = [*periodic_errors(), *nuclear_errors(), *gaussian_errors()]
    settings = {"scan": to_dict(SCAN), "z_top": [HEIGHT, NEARER], "seed": 0}
    write("fields", "python -m benchmarks.rendering.fields", rows, settings, ["torch", "numpy", "scipy"])
    columns = {key: lambda r, key=key: str(r[key]) for key in ("part", "case", "tip")}
    columns["rms / std"] = lambda r: f"{r['float64']['rms']:.1e}"
    columns["OpenCL"] = lambda r: f"{r['OpenCL']['rms']:.1e}" if "OpenCL" in r else ""
    print(table(rows, columns))


def _double(data: AFMData, tip: Tip) -> Tensor:
    return ProbeParticleModel(SCAN, tip, dtype=torch.float64, backend="torch")(data)


def _with(data: AFMData, grid: PotentialGrid) -> AFMData:
    data = data.clone()
    data.potential = grid
    return data


def _errors(found: dict[str, Tensor], exact: Tensor) -> dict[str, dict[str, float]]:
    """Rms and largest error of each stack, in standard deviations of the exact one."""
    errors = {name: (stack - exact).abs() / exact.std() for name, stack in found.items()}
    return {k: {"rms": float(e.square().mean().sqrt()), "max": float(e.max())} for k, e in errors.items()}


def _range(data: AFMData) -> tuple[float, float]:
    """Heights that the charges of a tip may come to, above the atoms."""
    farthest = float(data.z_top) - Tip().bond_length
    return farthest - SCAN.n_heights * SCAN.dz - 1.2, farthest + 1.2


if __name__ == "__main__":
    main()
