"""The two jobs that ``simulate``, ``predict`` and ``demo`` share: molecule in, stack out; stack in,
prediction out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from torch_afm import __version__
from torch_afm.config import Scan, Tip, from_dict, to_dict
from torch_afm.data import AFMData, from_smiles
from torch_afm.elements import symbol
from torch_afm.generation import (
    Generation,
    SpatialGeneration,
    StructurePrediction,
    predict_structure,
    with_confidence,
)
from torch_afm.io import AFMStack, read_molecule, write_sdf, write_xyz
from torch_afm.metrics import Calibration, agreement
from torch_afm.models import GraphGenerator, SpatialGenerator
from torch_afm.ppm import ProbeParticleModel, place
from torch_afm.transforms import Orient, best_rotations, flat_rotation
from torch_afm.utils import InputError, check_finite

T = TypeVar("T", Scan, Tip)


def load_molecule(
    file: str | None, smiles: str | None, seed: int, format: str | None = None
) -> tuple[AFMData, str]:
    """A molecule and its name, from a file, standard input (``-``) or a SMILES (whichever is given)."""
    if (file is None) == (smiles is None):
        raise InputError(f"molecule: expected a file or --smiles, got {'both' if file else 'neither'}")
    if smiles is not None:
        return from_smiles(smiles, seed=seed), smiles
    data = read_molecule(str(file), format)
    return data, "standard input" if file == "-" else Path(str(file)).name


def orient(molecule: AFMData, rotation: str, seed: int, scan: Scan) -> AFMData:
    """The molecule with its middle at the middle of the scan window and its top atom at z = 0: ``as-is``,
    ``flat`` (:func:`~torch_afm.transforms.flat_rotation`), or turned to the ``best`` of 500 orientations, the
    one that shows the most atoms."""
    turn = None
    if rotation != "as-is":
        if "pbc" in molecule:
            raise InputError(f"rotation: expected as-is for a periodic structure, got {rotation}")
        flat = rotation == "flat"
        turn = flat_rotation(molecule.pos) if flat else best_rotations(molecule.pos, n=1, seed=seed)[0]
    x, y = (float(np.mean(axis)) for axis in scan.window)
    return Orient(turn, center=(x, y))(molecule.clone())


def simulate(molecule: AFMData, name: str, renderer: ProbeParticleModel) -> AFMStack:
    """The stack of a molecule where it lies, with every setting and the atoms in its ``meta``; of a periodic
    structure also ``cell`` and ``pbc``."""
    scan, tip = renderer.scan, renderer.tip
    z_top = float(place(molecule, scan, tip))
    stack = renderer.render(molecule, z_top=z_top)
    check_finite("simulated stack", stack)
    charges = molecule.charge.tolist() if "charge" in molecule else [0.0] * molecule.z.numel()
    atoms = [
        {"element": symbol(z), "pos": pos, "charge": q}
        for z, pos, q in zip(molecule.z.tolist(), molecule.pos.tolist(), charges, strict=True)
    ]
    meta = {
        "scan": to_dict(scan),
        "tip": to_dict(tip),
        "z_top": z_top,
        "molecule": name,
        "atoms": atoms,
        "version": __version__,
    }
    if "pbc" in molecule:
        meta |= {"cell": molecule.cell[0].tolist(), "pbc": molecule.pbc[0].tolist()}
    return AFMStack(stack=stack[0].numpy(), x=scan.x, y=scan.y, z=scan.slice_heights(z_top), meta=meta)


def predict(
    stack: AFMStack,
    model: GraphGenerator | SpatialGenerator,
    backend: str,
    max_atoms: int,
    z_top: float | None = None,
    **how: Any,
) -> StructurePrediction:
    """Predict the structure of a stack that lies on the grid the model was made for; ``how``: see
    :func:`torch_afm.generation.predict_structure`.

    Heights, oscillation and tip are those in the stack's ``meta``; where it has none, the model's scan and
    the default tip.

    Raises:
        InputError: for a stack on another grid, or one that nobody knows the height of.
    """
    check_fits(stack, model.config.scan)
    expected = model.config.scan
    recorded = setting(stack, "scan", expected)
    scan = dataclasses.replace(
        recorded, window=expected.window, pixels=expected.pixels, n_slices=expected.n_slices
    )
    tip = setting(stack, "tip", Tip())
    height = stack.meta.get("z_top") if z_top is None else z_top
    if not isinstance(height, int | float):
        raise InputError(
            "z_top: the stack does not tell its first anchor height; give --z-top, in Å above the top atom"
        )
    renderer = ProbeParticleModel(scan, tip, backend=backend)
    reference = torch.from_numpy(np.ascontiguousarray(stack.stack))[None]
    return predict_structure(model, reference, renderer, float(height), max_atoms=max_atoms, **how)


def setting(stack: AFMStack, key: str, default: T) -> T:
    """The config dataclass that ``meta`` of the stack holds under ``key``."""
    if key not in stack.meta:
        return default
    try:
        return from_dict(type(default), stack.meta[key])
    except (TypeError, ValueError) as error:
        raise InputError(f"stack: meta: cannot read {key!r}: {error}") from error


def fits(stack: AFMStack, scan: Scan) -> bool:
    """Whether ``stack`` has the slices, pixels and window (to half a pixel) of ``scan``."""
    pixel = min((b - a) / (n - 1) for (a, b), n in zip(scan.window, scan.pixels, strict=True))
    window = np.array([[axis[0], axis[-1]] for axis in (stack.x, stack.y)])
    return bool(stack.stack.shape == (1, *scan.shape) and np.abs(window - scan.window).max() <= pixel / 2)


def check_fits(stack: AFMStack, scan: Scan) -> None:
    """Raise :class:`InputError` unless ``stack`` has the model's slices, pixels and window (to half a
    pixel), telling how to simulate one that has."""
    if fits(stack, scan):
        return
    nz, ny, nx = scan.shape
    window = [[float(axis[0]), float(axis[-1])] for axis in (stack.x, stack.y)]
    wanted = json.dumps(scan.window).replace(" ", "")
    raise InputError(
        f"stack: the model expects 1 x {nz} x {ny} x {nx} (channel, z, y, x) over {wanted} Å, "
        f"got {' x '.join(map(str, stack.stack.shape))} over {json.dumps(window).replace(' ', '')} Å; "
        f"simulate with --scan.n_slices {nz} --scan.pixels '[{nx},{ny}]' --scan.window '{wanted}'"
    )


def write_prediction(
    folder: Path,
    generation: Generation | SpatialGeneration,
    stack: AFMStack,
    settings: dict[str, Any],
    calibration: Calibration,
    unit: str = "Hz",
) -> dict[str, Any]:
    """Write ``prediction.xyz``, ``.sdf`` and ``.json`` to ``folder``, made where it does not exist, and
    ``context.xyz`` where atoms below the surface cut were found.

    Returns:
        what ``prediction.json`` says: ``settings``, the generation with calibrated probabilities of its atoms
        and bonds, and the agreement of its simulated stack with the reference, slice by slice; of a reference
        in another ``unit`` than Hz only what does not depend on it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scores = agreement(generation.simulated[0, 0].numpy(), stack.stack[0])
    if unit != "Hz":
        scores = {"pearson": scores["pearson"]}
    images = {
        **scores,
        "min_pearson": calibration.min_pearson,
        "agrees": bool(np.mean(scores["pearson"]) >= calibration.min_pearson),
    }
    told = _with_probabilities(generation, calibration)
    result = {"version": __version__, **settings, **told, "agreement": images}
    write_xyz(folder / "prediction.xyz", generation.graph)
    write_sdf(folder / "prediction.sdf", generation.graph)
    (folder / "context.xyz").unlink(missing_ok=True)  # of an earlier prediction
    if generation.context.z.numel():
        write_xyz(folder / "context.xyz", generation.context)
    (folder / "prediction.json").write_text(json.dumps(result, indent=2) + "\n")
    return result


def _with_probabilities(
    generation: Generation | SpatialGeneration, calibration: Calibration
) -> dict[str, Any]:
    """The generation as plain numbers, its atoms and bonds each with a calibrated probability."""
    told, graph = generation.to_dict(), with_confidence(generation, calibration)
    keys = [k for k in ("confidence", "class_probabilities", "sigma") if k in graph]
    for i, atom in enumerate(told["atoms"]):
        atom.update({key: graph[key][i].tolist() for key in keys})
    edges = (tuple(edge) for edge in graph.edge_index.T.tolist())
    probability = dict(zip(edges, graph.bond_probability.tolist(), strict=True))
    told["bond_probabilities"] = [probability[i, j] for i, j in told["bonds"]]
    return told


def describe(result: dict[str, Any]) -> str:
    """Lines on what :func:`write_prediction` returned."""
    atoms, bonds, steps = (len(result[key]) for key in ("atoms", "bonds", "steps"))
    images = result["agreement"]
    deep = len(result.get("context", ()))
    doubt = (
        ""
        if images["agrees"]
        else f"\ndoubt      this image does not agree (r below {images['min_pearson']:.2f})"
    )
    below = f", and {deep} below the surface cut (context.xyz)" if deep else ""
    mse = f", MSE {np.mean(images['mse']):.2f} Hz²" if "mse" in images else ""
    return (
        f"generated  {atoms} atoms, {bonds} bonds in {steps} steps{below}, ended: {result['ended']}\n"
        f"image      its simulated stack against the reference, mean of the slices: "
        f"Pearson r {np.mean(images['pearson']):.2f}{mse}{doubt}"
    )
