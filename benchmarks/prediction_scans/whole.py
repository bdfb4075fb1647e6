"""One prediction of a large scan: seconds, memory, and what of the structure is found.

    python -m benchmarks.prediction_scans.whole [--weights scan] [--molecules 40] [--pixels 512] [--refine]

Molecules of the published test split, in their best orientation, each turned and at a place of its own in a
grid that is disturbed at random, are simulated at 0.25 Å a pixel, without noise, and predicted by
``torch_afm.predict`` with the defaults of ``torch-afm predict``, which knows the heights of the slices from
each other and nothing else. Beside F1 of the atoms above the surface cut stands chance: as many points drawn
in the box of those. Memory is the largest of the process, what Python, torch and the simulation of the scan
take included. ``seams`` is how far the maps of the network differ, at most, where they are made in strips of
other heights; without strips they are made at once.
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.common import table, write
from torch_afm import predict
from torch_afm.config import Scan, Tip
from torch_afm.config.prediction import PredictOptions, SearchOptions
from torch_afm.data import AFMData, from_smiles
from torch_afm.datasets import published_split
from torch_afm.datasets.smi import embedded_smiles
from torch_afm.io.scans import ScanStack
from torch_afm.metrics import match_atoms
from torch_afm.metrics.atoms import match_surface
from torch_afm.models import Generator, load_generator
from torch_afm.models import scan as scan_generator
from torch_afm.ppm import ProbeParticleModel, nominal_height
from torch_afm.transforms import Orient, best_rotations

SEED, PITCH, CUTOFF, SURFACE = 0, 0.25, 0.5, -0.7

#: Pixels of the strips whose maps are compared.
STRIPS = (2**17, 2**18)


def draw_scene(count: int, pixels: int, seed: int = SEED) -> AFMData:
    """Molecules spread over a square of ``pixels``, the highest atom of each at z = 0."""
    rng, smiles = np.random.default_rng(seed), embedded_smiles()
    side = int(np.ceil(np.sqrt(count)))
    step = pixels * PITCH / side
    cells = rng.permutation(side * side)[:count]
    parts = []
    for cell, i in zip(cells, published_split()[2], strict=False):
        molecule = from_smiles(smiles[i])
        molecule = Orient(best_rotations(molecule.pos, n=1)[0])(molecule)
        angle = rng.uniform(0, 2 * np.pi)
        turn = torch.eye(3)
        turn[:2, :2] = torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        pos = molecule.pos @ turn.T
        pos = pos - (pos.amin(0) + pos.amax(0)) / 2 * torch.tensor([1.0, 1.0, 0.0])
        room = np.maximum((step - 3.0 - (pos.amax(0) - pos.amin(0)).numpy()[:2]) / 2, 0)
        place = (np.array(divmod(int(cell), side)) - (side - 1) / 2) * step + rng.uniform(-room, room)
        pos = pos + torch.tensor([*place, -float(pos[:, 2].max())], dtype=pos.dtype)
        parts.append(AFMData(z=molecule.z, pos=pos, charge=molecule.charge))
    return AFMData(**{key: torch.cat([part[key] for part in parts]) for key in ("z", "pos", "charge")})


def chance(found: torch.Tensor, truth: AFMData, draws: int = 20) -> float:
    """F1 of as many points as were found, drawn uniformly in the box of the true atoms above the cut."""
    rng = np.random.default_rng(SEED)
    pos = truth.pos[truth.pos[:, 2] >= SURFACE]
    low, high = pos.amin(0).numpy(), pos.amax(0).numpy()
    points = (torch.from_numpy(rng.uniform(low, high, (len(found), 3))).float() for _ in range(draws))
    return float(np.mean([match_atoms(p, pos, CUTOFF).f1 for p in points]))


def find_seams(model: Generator, scan: Scan, reference: torch.Tensor) -> float:
    """Largest difference of the network's maps between strips of different heights."""
    query = AFMData.empty()
    query.reference = query.simulated = reference / reference.std()
    maps, limit = [], scan_generator._STRIP
    for pixels in STRIPS:
        scan_generator._STRIP = pixels
        with model.evaluating():
            maps.append(model.propose([query])[0].maps)
    scan_generator._STRIP = limit
    return float((maps[0] - maps[1]).abs().max())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="scan", help="name or folder, of a network of whole scans")
    parser.add_argument("--molecules", type=int, default=40)
    parser.add_argument("--pixels", type=int, default=512, help="along x and y")
    parser.add_argument("--refine", action="store_true", help="refine the structure")
    args = parser.parse_args()
    model = load_generator(args.weights)
    truth = draw_scene(args.molecules, args.pixels)
    half = (args.pixels - 1) / 2 * PITCH
    scan = dataclasses.replace(
        model.config.scan, window=((-half, half), (-half, half)), pixels=(args.pixels, args.pixels)
    )
    z_top = nominal_height(model.config.scan, Tip())
    reference = ProbeParticleModel(scan)(truth, z_top=z_top)
    stack = ScanStack(reference[0, 0].double().numpy(), scan.slice_heights(z_top), scan.window)
    options = PredictOptions(search=SearchOptions(refine=args.refine))
    start = time.perf_counter(), time.process_time()
    found = predict(stack, args.weights, options)
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    counts = match_surface(found.graph.pos, truth.pos, SURFACE)
    row = {
        "pixels": args.pixels,
        "molecules": args.molecules,
        "atoms": len(truth.z),
        "visible": int((truth.pos[:, 2] >= SURFACE).sum()),
        "predicted": len(found.graph.z),
        "passes": len(found.steps),
        "wall_s": wall,
        "cpu_s": cpu,
        "peak_gb": peak,
        "f1": 2 * counts.matched / (counts.predicted + counts.true),
        "chance": chance(found.graph.pos, truth),
        "seams": find_seams(model, scan, reference),
    }
    columns = {
        "pixels": lambda r: f"{r['pixels']} x {r['pixels']}",
        "atoms (visible)": lambda r: f"{r['atoms']} ({r['visible']})",
        "predicted": lambda r: str(r["predicted"]),
        "passes": lambda r: str(r["passes"]),
        "wall s": lambda r: f"{r['wall_s']:.1f}",
        "CPU s": lambda r: f"{r['cpu_s']:.1f}",
        "peak GB": lambda r: f"{r['peak_gb']:.2f}",
        "F1": lambda r: f"{r['f1']:.2f}",
        "F1 of chance": lambda r: f"{r['chance']:.2f}",
        "seams": lambda r: f"{r['seams']:.1e}",
    }
    print(table([row], columns))
    name = Path(args.weights).name
    command = f"python -m benchmarks.prediction_scans.whole --weights {name} --molecules {args.molecules}"
    command += f" --pixels {args.pixels}" + " --refine" * args.refine
    settings = {"weights": name, "refine": args.refine, "seed": SEED, "cutoff": CUTOFF}
    path = write(
        "prediction_scans_whole" + "_refined" * args.refine, command, [row], settings, ("torch", "numpy")
    )
    print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
