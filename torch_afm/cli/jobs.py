"""The two jobs that ``simulate``, ``predict`` and ``demo`` share: molecule in, stack out; stack in,
prediction out."""

from __future__ import annotations

import dataclasses
import json
import warnings
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
    ScanPrediction,
    SpatialGeneration,
    StructurePrediction,
    Verdict,
    judge,
    predict_structure,
    with_confidence,
)
from torch_afm.io import AFMStack, read_molecule, write_sdf, write_xyz
from torch_afm.io.files import write_json
from torch_afm.io.scans.model_grid import choose_oscillation
from torch_afm.metrics import Calibration, agreement
from torch_afm.models import GraphGenerator, SpatialGenerator
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.transforms import Orient, best_rotations, flat_rotation
from torch_afm.utils import InputError, check_finite

T = TypeVar("T", Scan, Tip)

#: Share of a step by which steps of a stack may differ, and of a pixel by which its window may be off.
_STEP, _OFF = 0.01, 0.05

#: Everything that ``predict`` may write: none of it stays from an earlier prediction.
OUTPUTS = (
    *("prediction.xyz", "prediction.sdf", "prediction.json", "prediction.png", "prediction.cif"),
    *("context.xyz", "report.html", "report.png", "preparation.png", "scan.npz", "simulated.npz"),
)


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
    z_top = float(anchor_height(molecule, scan, tip))
    stack = renderer(molecule, z_top=z_top)
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

    Heights are those of the stack, oscillation and tip those in its ``meta``; where it has none, the model's
    oscillation and the default tip.

    Raises:
        InputError: for a stack on another grid, or one that nobody knows the height of.
    """
    check_fits(stack, model.config.scan)
    scan, tip = scan_of(stack, model.config.scan), setting(stack, "tip", Tip())
    renderer = ProbeParticleModel(scan, tip, backend=backend)
    return predict_structure(
        model, images_of(stack), renderer, height_of(stack, z_top), max_atoms=max_atoms, **how
    )


def images_of(stack: AFMStack) -> torch.Tensor:
    """The stack as models take it, ``[1, C, Z, Y, X]``."""
    return torch.from_numpy(np.ascontiguousarray(stack.stack))[None]


def unit_of(stack: AFMStack) -> str:
    """Unit of the values of a stack."""
    return str(stack.meta.get("unit", "Hz"))


def height_of(stack: AFMStack, given: float | None) -> float:
    """First anchor height in Å: what is given, else what the stack tells.

    Raises:
        InputError: where neither tells.
    """
    height = stack.meta.get("z_top") if given is None else given
    if not isinstance(height, int | float):
        raise InputError(
            "z_top: the stack does not tell its first anchor height; give --z-top, in Å above the top atom"
        )
    return float(height)


def scan_of(stack: AFMStack, default: Scan) -> Scan:
    """The scan of a stack: window, pixels and heights by its positions, the rest as ``meta["scan"]`` has it,
    else the oscillation as ``meta`` has it (``"amplitude"``, ``"f0"``, ``"k"``), else as ``default``. Warns
    where whole steps of height do not make the amplitude.

    Raises:
        InputError: for heights that are not evenly spaced, or in other steps than ``meta`` says.
    """
    _check_even(stack)
    scan = setting(stack, "scan", default)
    _, nz, ny, nx = stack.stack.shape
    if nz > 1:
        dz = float(stack.z[0] - stack.z[-1]) / (nz - 1)
        if "scan" in stack.meta and abs(dz - scan.dz) > _STEP * scan.dz:
            raise InputError(f"z: expected steps of {scan.dz:g} Å, as its scan says, got {dz:.4g} Å")
        if "scan" not in stack.meta:
            dz = scan.dz if abs(dz - scan.dz) <= _STEP * scan.dz else dz
            cautions: list[str] = []
            scan = choose_oscillation(stack.meta, scan, dz, None, [], cautions)
            for text in cautions:
                warnings.warn(text, stacklevel=2)
    sides = ((float(stack.x[0]), float(stack.x[-1])), (float(stack.y[0]), float(stack.y[-1])))
    return dataclasses.replace(scan, window=sides, pixels=(nx, ny), n_slices=nz)


def _check_even(stack: AFMStack) -> None:
    """Raise :class:`InputError` for heights that are not evenly spaced; pixels always are."""
    if not _even(stack.z):
        steps = -np.diff(stack.z)
        raise InputError(
            f"z: expected evenly spaced heights, got steps from {steps.min():.3g} to {steps.max():.3g} Å"
        )


def _even(axis: np.ndarray) -> bool:
    steps = np.diff(axis)
    return len(steps) < 2 or bool(np.ptp(steps) <= _STEP * np.abs(steps).mean())


def setting(stack: AFMStack, key: str, default: T) -> T:
    """The config dataclass that ``meta`` of the stack holds under ``key``."""
    if key not in stack.meta:
        return default
    try:
        return from_dict(type(default), stack.meta[key])
    except (TypeError, ValueError) as error:
        raise InputError(f"stack: meta: cannot read {key!r}: {error}") from error


def fits(stack: AFMStack, scan: Scan) -> bool:
    """Whether ``stack`` has the slices, pixels and window of ``scan``, and even steps."""
    if stack.stack.shape != (1, *scan.shape) or not _even(stack.z):
        return False
    window = np.array([[axis[0], axis[-1]] for axis in (stack.x, stack.y)])
    return bool(np.abs(window - scan.window).max() <= _OFF * min(scan.pixel_size))


def check_fits(stack: AFMStack, scan: Scan) -> None:
    """Raise :class:`InputError` unless ``stack`` :func:`fits`, telling how to simulate one that does."""
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
    found: StructurePrediction | ScanPrediction,
    stack: AFMStack,
    scan: Scan,
    settings: dict[str, Any],
    calibration: Calibration,
) -> tuple[dict[str, Any], Verdict]:
    """Write ``prediction.xyz``, ``.sdf`` and ``.json`` to ``folder``, made where it does not exist, and
    ``context.xyz`` where atoms below the surface cut were found. What an earlier prediction left there goes.

    Args:
        folder: where to.
        found: what was found.
        stack: in what; of ``settings["stack"]``, if that is in the folder, nothing is removed.
        scan: how it was imaged.
        settings: further keys of the file.
        calibration: corrects the probabilities, and says what is asked of an image.

    Returns:
        what ``prediction.json`` says: ``settings``; the generation, each atom with its calibrated
        ``confidence``, its ``sigma`` [Å] and its ``class_probabilities``, class by class, each bond with its
        ``bond_probabilities``; ``imaging``, what the structure was imaged with: ``z_top`` [Å] and ``tip``,
        fitted where a refinement was, ``scan`` and ``unit``; ``agreement`` of its simulated stack with the
        reference: scores slice by slice, of a reference in another unit than Hz only ``pearson``, which does
        not depend on it, and what :class:`torch_afm.generation.Verdict` tells. And that verdict.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in OUTPUTS:
        if (folder / name).resolve() != Path(settings.get("stack", "")).resolve():
            (folder / name).unlink(missing_ok=True)
    generation = found.generation
    parts = generation.graph, generation.context, generation.simulated
    images, verdict = verdict_on(*parts, stack, calibration)
    imaging = {"z_top": found.z_top, "tip": to_dict(found.tip), "scan": to_dict(scan), "unit": unit_of(stack)}
    result = {
        "version": __version__,
        **settings,
        **_with_probabilities(generation, calibration),
        "imaging": imaging,
        "agreement": images,
    }
    write_xyz(folder / "prediction.xyz", generation.graph)
    write_sdf(folder / "prediction.sdf", generation.graph)
    if generation.context.z.numel():
        write_xyz(folder / "context.xyz", generation.context)
    write_json(folder / "prediction.json", result)
    return result, verdict


def verdict_on(
    graph: AFMData,
    context: AFMData,
    simulated: torch.Tensor,
    stack: AFMStack,
    calibration: Calibration,
) -> tuple[dict[str, Any], Verdict]:
    """``agreement`` as :func:`write_prediction` tells of it, and the verdict. ``measured`` in ``meta`` of
    the stack is how many slices were measured, where those of the stack are interpolated."""
    measured = stack.meta.get("measured")
    if measured is not None and not isinstance(measured, int):
        raise InputError(f"stack: meta: measured: expected a number of slices, got {measured!r}")
    scores = agreement(simulated[0, 0].numpy(), stack.stack[0])
    if unit_of(stack) != "Hz":
        scores = {"pearson": scores["pearson"]}
    verdict = judge(graph, context, simulated, stack, calibration.min_pearson, measured)
    return {**scores, **verdict.to_dict()}, verdict


def _with_probabilities(
    generation: Generation | SpatialGeneration, calibration: Calibration
) -> dict[str, Any]:
    """The generation as plain numbers, its atoms and bonds each with a calibrated probability."""
    told, graph = generation.to_dict(), with_confidence(generation, calibration)
    keys = [k for k in ("confidence", "sigma") if k in graph]
    classes = generation.classes.names[1:]
    for i, atom in enumerate(told["atoms"]):
        atom.update({key: graph[key][i].tolist() for key in keys})
        if "class_probabilities" in graph:
            atom["class_probabilities"] = dict(
                zip(classes, graph.class_probabilities[i].tolist(), strict=True)
            )
    edges = (tuple(edge) for edge in graph.edge_index.T.tolist())
    probability = dict(zip(edges, graph.bond_probability.tolist(), strict=True))
    told["bond_probabilities"] = [probability[i, j] for i, j in told["bonds"]]
    return told


def describe(result: dict[str, Any]) -> str:
    """Lines on what :func:`write_prediction` returned."""
    atoms, bonds, steps = (len(result[key]) for key in ("atoms", "bonds", "steps"))
    deep = len(result.get("context", ()))
    below = f", and {deep} below the surface cut (context.xyz)" if deep else ""
    return (
        f"generated  {atoms} atoms, {bonds} bonds in {steps} steps{below}, ended: {result['ended']}\n"
        f"{describe_image(result['agreement'])}"
    )


def describe_image(images: dict[str, Any]) -> str:
    """Lines on ``agreement``, with all that speaks against a structure."""
    mse = f", MSE {np.mean(images['mse']):.2f} Hz²" if "mse" in images else ""
    says = "nothing speaks against this structure" if images["agrees"] else "do not trust this structure:"
    return "\n".join(
        [
            "image      its simulated stack against the reference, mean of the slices: Pearson r "
            f"{np.mean(images['pearson']):.2f}{mse}; without noise r {images['without_noise']:.2f}, where "
            f"{images['min_pearson']:.2f} is asked",
            f"verdict    {says}",
            *(f"           - {reason}" for reason in images["reasons"]),
        ]
    )
