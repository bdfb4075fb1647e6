"""Do the renderers survive anything? Random clusters of random elements and charges under random tips,
springs, amplitudes and distances down to the repulsive wall; pixels of every stack are compared with a FIRE
relaxation in float64, to 1e-8 eV/Å, that follows the same heights.

    python -m benchmarks.rendering.stress [--stacks 10000] [--minutes 5]

Goes on where the result file ends. A pixel is *matched* where Δf is that of FIRE to 0.5 % of its largest |Δf|
or of the median of that over the stack; *bistable* where it is not, but FIRE started at every height from the
renderer's own probe gives that Δf: a true other minimum; *reported* where the renderer says itself that the
probe is not at rest; *wrong* otherwise.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from torch_geometric.data import Batch

from benchmarks.common import RESULTS, table, write
from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.elements import LJ_TABLE, atomic_number, lj_parameters
from torch_afm.ppm import ProbeParticleModel
from torch_afm.ppm.frequency_shift import frequency_shift_weights
from torch_afm.units import COULOMB, N_PER_M

BATCH = 200
PIXELS = 3
TOLERANCE = 5e-3
TIPS = (
    ((-10.0, 20.0, -10.0), (0.1, 0.0, -0.1)),
    ((-0.1,), (0.0,)),
    ((1.0, -1.0), (0.05, -0.05)),
    ((-0.2, 0.3), (0.7, -0.3)),
    ((), ()),
)


class Spots(NamedTuple):
    """Samples, each a pixel of a stack: its atoms (padded with atoms that do nothing), tip and anchor.

    Shapes:
        pos ``[S, N, 3]`` Å, charge, radius, depth ``[S, N]`` (e, Å, eV), stiffness ``[S, 3]`` and radial
        ``[S]`` eV/Å², free ``[S, 3]`` and bond_length ``[S]`` Å, tip_charges and tip_heights ``[S, C]``
        (e, Å), anchors ``[H, S, 3]`` Å.
    """

    pos: np.ndarray
    charge: np.ndarray
    radius: np.ndarray
    depth: np.ndarray
    stiffness: np.ndarray
    radial: np.ndarray
    free: np.ndarray
    bond_length: np.ndarray
    tip_charges: np.ndarray
    tip_heights: np.ndarray
    anchors: np.ndarray

    def only(self, keep: np.ndarray) -> Spots:
        return Spots(*(v[keep] for v in self[:-1]), self.anchors[:, keep])


def random_scan(rng: np.random.Generator) -> Scan:
    """A 10 x 10 Å scan; amplitudes from 0.1 Å to 1.5 Å."""
    return Scan(
        window=((-5.0, 5.0), (-5.0, 5.0)),
        pixels=(16, 16),
        n_slices=int(rng.choice([1, 6])),
        dz=float(rng.uniform(0.05, 0.15)),
        n_oscillation=int(rng.choice([2, 5, 10])),
    )


def random_cluster(rng: np.random.Generator) -> AFMData:
    """Up to 30 atoms in 8 x 8 x 3 Å, none closer than 1.1 Å."""
    pos: list[np.ndarray] = []
    for place in rng.uniform([-4, -4, -3], [4, 4, 0], (rng.integers(1, 31), 3)):
        if all(np.linalg.norm(place - other) > 1.1 for other in pos):
            pos.append(place)
    symbols = rng.choice(list(LJ_TABLE), len(pos))
    return AFMData(
        z=torch.tensor([atomic_number(str(s)) for s in symbols]),
        pos=torch.from_numpy(np.array(pos)),
        charge=torch.from_numpy(rng.normal(0, 0.3, len(pos))),
    )


def random_tip(rng: np.random.Generator) -> Tip:
    charges, heights = TIPS[rng.integers(len(TIPS))]
    return Tip(
        probe=str(rng.choice(["O", "Xe", "Cl"])),
        charges=charges,
        charge_heights=heights,
        stiffness=(*rng.uniform(0.1, 1.0, 2).tolist(), float(rng.choice([0.0, 0.1]))),
        radial_stiffness=float(rng.uniform(10, 40)),
        bond_length=float(rng.uniform(2.5, 4.5)),
        tilt=tuple(rng.uniform(-0.4, 0.4, 2).tolist()),
    )


def lowest_anchor(rng: np.random.Generator, data: AFMData, tip: Tip) -> float:
    """Between 1.2 Å of overlap of the highest sphere with that of the free probe and 0.6 Å of gap."""
    radius, probe = lj_parameters(data.z)[0], lj_parameters([atomic_number(tip.probe)])[0][0]
    return float((data.pos[:, 2].numpy() + radius).max() + probe + tip.bond_length + rng.uniform(-1.2, 0.6))


def surface_force(probe: np.ndarray, s: Spots) -> np.ndarray:
    """Lennard-Jones and Coulomb force on each probe ``[S, 3]``, in eV/Å."""
    d = probe[:, None] - s.pos
    r2 = np.sum(d * d, axis=2) + 1e-6
    ratio = (s.radius**2 / r2) ** 3
    force = np.einsum("sn,snk->sk", 12 * s.depth * (ratio**2 - ratio) / r2, d)
    for charge, height in zip(s.tip_charges.T, s.tip_heights.T, strict=True):
        above = d + height[:, None, None] * np.array([0, 0, 1])
        r3 = (np.sum(above * above, axis=2) + 1e-6) ** 1.5
        force += np.einsum("sn,snk->sk", COULOMB * charge[:, None] * s.charge / r3, above)
    return force


def total_force(probe: np.ndarray, s: Spots, anchor: np.ndarray) -> np.ndarray:
    d = probe - anchor
    length = np.linalg.norm(d, axis=1, keepdims=True)
    radial = s.radial[:, None] * (length - s.bond_length[:, None]) * d / length
    return surface_force(probe, s) - s.stiffness * (d - s.free) - radial


def fire(probe: np.ndarray, s: Spots, anchor: np.ndarray, tolerance: float = 1e-8) -> np.ndarray:
    """Fast inertial relaxation (Bitzek et al., PRL 97, 170201 (2006)) of each probe to |F| < ``tolerance``.
    The mass along z is 20 times that along x and y, as its springs are stiffer."""
    mass = np.array([1.0, 1.0, 20.0])
    probe, active = probe.copy(), np.arange(len(probe))
    here, v, x, fixed = s, np.zeros_like(probe), probe.copy(), anchor
    dt, alpha, downhill = np.full((len(x), 1), 0.2), np.full((len(x), 1), 0.1), np.zeros((len(x), 1))
    for _ in range(40000):
        force = total_force(x, here, fixed)
        going = np.linalg.norm(force, axis=1) > tolerance
        if not going.all():
            probe[active[~going]] = x[~going]
            if not going.any():
                return probe
            active, here, fixed, force = active[going], here.only(going), fixed[going], force[going]
            x, v, dt, alpha, downhill = x[going], v[going], dt[going], alpha[going], downhill[going]
        ahead = np.sum(force * v, axis=1, keepdims=True) > 0
        pace = np.sqrt(np.sum(mass * v * v, axis=1, keepdims=True))
        pull = force / mass / np.sqrt(np.sum(force * force / mass, axis=1, keepdims=True))
        v = np.where(ahead, (1 - alpha) * v + alpha * pace * pull, 0)
        downhill = np.where(ahead, downhill + 1, 0)
        faster = ahead & (downhill > 5)
        dt = np.where(ahead, np.where(faster, np.minimum(1.1 * dt, 1.0), dt), 0.5 * dt)
        alpha = np.where(ahead, np.where(faster, 0.99 * alpha, alpha), 0.1)
        v = v + dt * force / mass
        step = dt * v
        x = x + step * np.minimum(1, 0.05 / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-30))
    probe[active] = np.nan
    return probe


def follow(s: Spots) -> np.ndarray:
    """F_z on the relaxed probe of each height, started from the height above, ``[H, S]`` eV/Å."""
    probe, forces = s.anchors[0] + s.free, []
    for above, anchor in zip(np.concatenate([s.anchors[:1], s.anchors]), s.anchors, strict=False):
        probe = fire(probe + anchor - above, s, anchor)
        forces.append(surface_force(probe, s)[:, 2])
    return np.array(forces)


def spots(
    molecules: list[AFMData], tips: list[Tip], tops: np.ndarray, scan: Scan, pixels: np.ndarray
) -> Spots:
    """Every pixel ``[P, 2]`` of every stack, ``S = B P``, stack by stack."""
    n, b, c = max(len(m.z) for m in molecules), len(molecules), max(len(t.charges) for t in tips)
    pos, charge = np.full((b, n, 3), 1e4), np.zeros((b, n))
    radius, depth = np.ones((b, n)), np.zeros((b, n))
    tip_charges, tip_heights = np.zeros((b, c)), np.zeros((b, c))
    for i, (m, t) in enumerate(zip(molecules, tips, strict=True)):
        (own_radius, own_depth), (r, e) = lj_parameters(m.z), lj_parameters([atomic_number(t.probe)])
        k = len(m.z)
        pos[i, :k], charge[i, :k] = m.pos.numpy(), m.charge.numpy()
        radius[i, :k], depth[i, :k] = own_radius + r, np.sqrt(own_depth * e)
        tip_charges[i, : len(t.charges)], tip_heights[i, : len(t.charges)] = t.charges, t.charge_heights
    anchors = np.empty((scan.n_heights, b, len(pixels), 3))
    anchors[..., 0], anchors[..., 1] = scan.x[pixels[:, 0]], scan.y[pixels[:, 1]]
    anchors[..., 2] = scan.heights(0.0)[:, None, None] + tops[:, None]
    columns = (
        pos,
        charge,
        radius,
        depth,
        np.array([t.stiffness for t in tips]) / N_PER_M,
        np.array([t.radial_stiffness for t in tips]) / N_PER_M,
        np.array([t.equilibrium for t in tips]),
        np.array([t.bond_length for t in tips]),
        tip_charges,
        tip_heights,
    )
    return Spots(
        *(np.repeat(v, len(pixels), axis=0) for v in columns), anchors.reshape(scan.n_heights, -1, 3)
    )


def stress(seed: int, stacks: int, backend: str, **options: Any) -> dict[str, Any]:
    """One batch of random stacks by a renderer: how many sampled pixels are what."""
    rng = np.random.default_rng(seed)
    scan, start = random_scan(rng), time.perf_counter()
    molecules, tips = [random_cluster(rng) for _ in range(stacks)], [random_tip(rng) for _ in range(stacks)]
    bottoms = [lowest_anchor(rng, m, t) for m, t in zip(molecules, tips, strict=True)]
    tops = np.array(bottoms) + (scan.n_heights - 1) * scan.dz
    pixels = rng.integers(0, 16, (PIXELS, 2))

    renderer = ProbeParticleModel(scan, backend=backend, on_unconverged="ignore", **options)
    batch, z_top = Batch.from_data_list(molecules), torch.from_numpy(tops)
    each = [[tip] for tip in tips]
    stack = renderer(batch, each, z_top)
    relaxed = renderer.relax(batch, each, z_top, torch.from_numpy(pixels))
    weights = frequency_shift_weights(scan)

    def shifts(forces: np.ndarray) -> np.ndarray:
        """``[slices, stacks, pixels]`` of forces ``[H, S]``."""
        windows = np.lib.stride_tricks.sliding_window_view(forces, scan.n_oscillation, axis=0)
        return (windows @ weights).reshape(scan.n_slices, stacks, PIXELS)

    where = spots(molecules, tips, tops, scan, pixels)
    ours = stack[:, 0, :, pixels[:, 1], pixels[:, 0]].double().numpy().transpose(1, 0, 2)
    # Median over the stack: a pixel that hits a wall would set any other scale.
    usual = np.median(np.abs(stack[:, 0].double().numpy()).max(axis=1), axis=(1, 2))[:, None]
    scale = np.maximum(usual, np.abs(ours).max(axis=0))
    error = np.abs(ours - shifts(follow(where))).max(axis=0) / scale
    matched = error <= TOLERANCE
    # Is what is left another minimum? FIRE from the renderer's own probes.
    left = ~matched.reshape(-1)
    probes = relaxed.probe[:, 0].double().numpy().transpose(1, 0, 2, 3).reshape(scan.n_heights, -1, 3)
    own = np.full((scan.n_heights, stacks * PIXELS), np.nan)
    if left.any():
        rest = where.only(left)
        settled = [fire(p[left], rest, a) for p, a in zip(probes, rest.anchors, strict=True)]
        own[:, left] = [surface_force(p, rest)[:, 2] for p in settled]
    own_error = np.abs(ours - shifts(own)).max(axis=0) / scale
    bistable = ~matched & (own_error <= TOLERANCE)
    reported = ~matched & ~bistable & ~relaxed.converged[:, 0].all(dim=1).numpy()
    wrong = ~(matched | bistable | reported)
    return {
        "seed": seed,
        "stacks": stacks,
        "pixels": int(matched.size),
        "not_finite": int((~np.isfinite(stack.numpy())).sum()),
        "matched": int(matched.sum()),
        "bistable": int(bistable.sum()),
        "reported": int(reported.sum()),
        "wrong": int(wrong.sum()),
        "rms_error": float(np.sqrt(np.mean(error[matched] ** 2))),
        "wall_s": time.perf_counter() - start,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--stacks", type=int, default=10000, help="stacks in all, those of earlier runs included"
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="stop after this long")
    arguments = parser.parse_args()
    path = RESULTS / "stress.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text())["rows"] if path.exists() else []
    end = time.monotonic() + 60 * arguments.minutes
    settings = {"batch": BATCH, "pixels_a_stack": PIXELS, "tolerance": TOLERANCE, "renderer": "OpenCL"}
    command = "python -m benchmarks.rendering.stress"
    while len(rows) * BATCH < arguments.stacks and time.monotonic() < end:
        rows.append(stress(len(rows), BATCH, backend="opencl"))
        write("stress", command, rows, settings, ["torch", "numpy", "pyopencl"])
    counts = ("stacks", "pixels", "not_finite", "matched", "bistable", "reported", "wrong")
    total = {k: sum(r[k] for r in rows) for k in counts}
    total["rms_error"] = float(np.sqrt(np.mean([r["rms_error"] ** 2 for r in rows])))
    columns = {k: (lambda r, k=k: f"{r[k]:.1e}" if k == "rms_error" else str(r[k])) for k in total}
    print(table([total], columns))


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
