"""Right and wrong structures of scans of the stand-in domain, each fitted to its scan with a free tip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.standin.imaging import Measured
from benchmarks.standin.scores import DEEPEST, SURFACE
from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, covalent_bonds, remove_atoms
from torch_afm.datasets.sources import CLEARANCE
from torch_afm.elements import ORGANIC_AND_IODINE, AtomClasses
from torch_afm.functional import pearson, remove_slope
from torch_afm.io import AFMStack
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.chemistry import open_bonds
from torch_afm.prediction.refinement import RefinementSettings, ScannedModel, refine

#: What an atom is changed to: elements that are easily mistaken for each other.
MISTAKEN = {1: (9,), 6: (7,), 7: (6,), 8: (7, 9), 9: (1, 8), 16: (8, 17), 17: (16, 35), 35: (17,), 53: (35,)}

#: Å: standard deviation of the positions of a structure before it is fitted.
_SIGMA = 0.2

_MOLECULAR = AtomClasses((ORGANIC_AND_IODINE,))


class Structure(NamedTuple):
    """Atoms that may explain a scan.

    Args:
        graph: those above the surface cut.
        context: those below it or outside of the scan.
    """

    graph: AFMData
    context: AFMData


class Fitted(NamedTuple):
    """A structure where its image agrees best with a scan.

    Args:
        structure: the structure.
        simulated: its image with the fitted tip, ``[1, 1, Z, Y, X]``.
    """

    structure: Structure
    simulated: Tensor


def true_structure(measured: Measured) -> Structure:
    """The atoms of the molecules of a scene, down to 3 Å below the top."""
    truth = measured.truth
    (x0, x1), (y0, y1) = measured.stack.window
    low, high = truth.pos.new_tensor([x0, y0]), truth.pos.new_tensor([x1, y1])
    flat = truth.pos[:, :2]
    near = ((flat >= low - CLEARANCE) & (flat <= high + CLEARANCE)).all(dim=1)
    used = near & _MOLECULAR.has(truth.z) & (truth.pos[:, 2] >= DEEPEST)
    inside = ((flat >= low) & (flat <= high)).all(dim=1) & (truth.pos[:, 2] >= SURFACE)
    return Structure(_part(truth, used & inside), _part(truth, used & ~inside))


def split(structure: Structure, stack: AFMStack) -> Structure:
    """The structure with the atoms outside of what is left of a scan after its preparation as context."""
    graph, context = structure
    low, high = (graph.pos.new_tensor([float(axis[end]) for axis in (stack.x, stack.y)]) for end in (0, -1))
    inside = ((graph.pos[:, :2] >= low) & (graph.pos[:, :2] <= high)).all(dim=1)
    shown, rest = (AFMData(z=graph.z[keep], pos=graph.pos[keep]) for keep in (inside, ~inside))
    return Structure(shown, AFMData(z=torch.cat([rest.z, context.z]), pos=torch.cat([rest.pos, context.pos])))


def edit(true: Structure, rng: np.random.Generator) -> dict[str, Structure]:
    """Wrong structures, by what is wrong: an atom removed or added, an element changed, half missing."""
    graph, context = true
    found = {}
    n = len(graph.z)
    if n > 1:
        found["atom removed"] = Structure(remove_atoms(graph, [int(rng.integers(n))]), context)
    z, pos = open_bonds(torch.cat([graph.z, context.z]), torch.cat([graph.pos, context.pos]))
    free = (pos[:, 2] >= SURFACE).nonzero().flatten().tolist() if len(z) else []
    place = pos[int(rng.choice(free))] if free else _beside(graph, rng)
    number = z.new_tensor([6])
    found["atom added"] = Structure(
        _graph(torch.cat([graph.z, number]), torch.cat([graph.pos, place[None]]), graph.charge), context
    )
    known = [i for i, z in enumerate(graph.z.tolist()) if z in MISTAKEN]
    if known:
        index = int(rng.choice(known))
        changed = graph.clone()
        changed.z[index] = int(rng.choice(MISTAKEN[int(graph.z[index])]))
        found["element changed"] = Structure(_graph(changed.z, changed.pos, changed.charge), context)
    if n >= 8:
        angle = rng.uniform(0, 2 * np.pi)
        along = graph.pos.new_tensor([np.cos(angle), np.sin(angle)])
        middle = (graph.pos[:, :2] @ along).median()
        gone, gone_below = (part.pos[:, :2] @ along > middle for part in (graph, context))
        found["half of it"] = Structure(remove_atoms(graph, gone), remove_atoms(context, gone_below))
    return found


def other_molecule(
    true: Structure, pool: Sequence[AFMData], model: ScannedModel, stack: AFMStack, z_top: float
) -> Structure | None:
    """The molecule of as many heavy atoms, of a few others, whose image agrees best, laid flat onto the place
    of the true one along its axes; ``None`` where there is none."""
    whole = torch.cat([true.graph.pos, true.context.pos])
    heavy = torch.cat([true.graph.z, true.context.z]) > 1
    if int(heavy.sum()) < 4:
        return None
    center, axes = _axes(whole[heavy][:, :2])
    best: tuple[float, Structure] | None = None
    for molecule in pool:
        for flip in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            pos = molecule.pos - molecule.pos.mean(0)
            turned = pos @ torch.linalg.svd(pos[molecule.z > 1], full_matrices=True).Vh.T
            flat = (turned[:, :2] * turned.new_tensor(flip)) @ axes + center
            height = turned[:, 2] * flip[0] * flip[1]
            placed = _graph(
                molecule.z, torch.cat([flat, (height - height.max())[:, None]], 1), molecule.charge
            )
            image = model(placed, z_top=z_top).cpu()
            score = float(pearson(remove_slope(image), stack.tensor()).mean())
            shown = placed.pos[:, 2] >= SURFACE
            if best is None or score > best[0]:
                best = score, Structure(_part(placed, shown), _part(placed, ~shown))
    return None if best is None else best[1]


def fit(structure: Structure, stack: AFMStack, scan: Scan, z_top: float) -> Fitted:
    """Move the atoms and fit the instrument, as :func:`torch_afm.predict` does, whatever the gain.

    Args:
        structure: the atoms.
        stack: the scan, prepared.
        scan: its pixels, heights and oscillation.
        z_top: first anchor height in Å.
    """
    renderer = ProbeParticleModel(scan, Tip()).quiet()
    settings = RefinementSettings.measured()
    settings = RefinementSettings(
        **{**vars(settings), "plane": stack.leveled, "min_gain": -np.inf, "max_shift": 1e3}
    )
    graph = structure.graph.clone()
    graph.sigma = torch.full_like(graph.pos, _SIGMA)
    context = structure.context.clone()
    context.sigma = torch.full_like(context.pos, _SIGMA)
    found = refine(
        graph,
        stack.tensor(),
        renderer,
        z_top,
        context=context if len(context.z) else None,
        settings=settings,
        top=float(graph.pos[:, 2].max()),
    )
    parts = [found.data, found.context] if len(context.z) else [found.data]
    whole = AFMData(**{key: torch.cat([part[key] for part in parts]) for key in ("z", "pos", "charge")})
    image = ScannedModel(renderer, found.scanner)(whole, tip=found.tip, z_top=found.z_top).cpu()
    image = remove_slope(image) if stack.leveled else image
    return Fitted(Structure(_bonded(found.data), _bonded(found.context)), image)


def _axes(pos: Tensor) -> tuple[Tensor, Tensor]:
    """Middle and principal axes of places in a plane."""
    center = pos.mean(0)
    return center, torch.linalg.svd(pos - center, full_matrices=True).Vh


def _beside(graph: AFMData, rng: np.random.Generator) -> Tensor:
    angle = rng.uniform(0, 2 * np.pi)
    start = graph.pos[int(rng.integers(len(graph.z)))]
    return start + 1.5 * start.new_tensor([np.cos(angle), np.sin(angle), 0.0])


def _part(atoms: AFMData, keep: Tensor) -> AFMData:
    return _graph(atoms.z[keep], atoms.pos[keep], atoms.charge[keep])


def _bonded(atoms: AFMData) -> AFMData:
    return _graph(atoms.z, atoms.pos, atoms.charge)


def _graph(z: Tensor, pos: Tensor, charge: Tensor) -> AFMData:
    charge = torch.cat([charge, charge.new_zeros(len(z) - len(charge))])
    return AFMData(z=z, pos=pos, charge=charge, edge_index=covalent_bonds(z, pos))
