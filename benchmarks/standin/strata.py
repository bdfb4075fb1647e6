"""The scenes of the stand-in domain: molecules that no weights were trained on, in strata, fixed by seed."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from rdkit import Chem
from scipy.spatial.distance import pdist

from torch_afm.config import Scan
from torch_afm.config.nuisances import NuisanceConfig
from torch_afm.config.scenes import METALS, SceneConfig
from torch_afm.data import AFMData, from_smiles
from torch_afm.datasets import MoleculeDataset, embedded_smiles, published_split
from torch_afm.datasets.enumerate import attach_fragment, is_planar
from torch_afm.datasets.planar import canonical
from torch_afm.datasets.scenes import Scenes
from torch_afm.datasets.smi import EMBEDDED
from torch_afm.elements import atomic_number
from torch_afm.utils import InputError

#: Seed of all that is drawn.
SEED = 0

#: Part of the split -> its place in what ``published_split`` returns.
PARTS = {"validation": 1, "test": 2}

#: Å a pixel of the measured stacks.
PIXEL = 0.25

#: Å: longest molecules that are shown whole, in the middle of a window.
_LONGEST = 14.0

#: Groups that stand out of the plane of the molecule that they are bonded to, as SMILES.
_PROTRUDING = ("*C", "*C", "*CC", "*OC", "*SC", "*CO")

#: Å by which some of their hydrogens do, and within which the other atoms lie.
_STANDS_OUT, _IN_PLANE = (0.6, 1.2), 0.3

#: Numbers of slices where a stratum is not about them.
SLICES = (4, 20)

_HALOGENS = [atomic_number(symbol) for symbol in ("Cl", "Br", "I")]
_METALS = [atomic_number(symbol) for symbol in METALS]


def _scenes(**weights: float) -> SceneConfig:
    """Scenes of these arrangements alone, which show three atoms at least."""
    none = dict.fromkeys(("alone", "several", "island", "layer", "water"), 0.0)
    return SceneConfig(**(none | weights), min_atoms=3)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Stratum:
    """Scenes of one sort.

    Args:
        name: of the stratum.
        count: number of its scenes.
        scenes: what is drawn.
        molecules: of which: those of :func:`molecules`.
        edge: of the window in Å.
        centered: whether the molecule is moved to the middle of the window.
        nuisances: of the measurement.
    """

    name: str
    count: int
    scenes: SceneConfig = field(default_factory=lambda: SceneConfig(min_atoms=3))
    molecules: str = "all"
    edge: float = 24.0
    centered: bool = False
    nuisances: NuisanceConfig = field(default_factory=lambda: NuisanceConfig(slices=SLICES))

    @property
    def scan(self) -> Scan:
        """The nominal scan of the window."""
        half, pixels = self.edge / 2, round(self.edge / PIXEL) + 1
        return Scan(window=((-half, half), (-half, half)), pixels=(pixels, pixels))


STRATA = (
    Stratum(
        "alone, centered",
        42,
        _scenes(alone=1),
        "short",
        16.0,
        centered=True,
        nuisances=NuisanceConfig(slices=SLICES, window=(20.0, 40.0)),
    ),
    Stratum("alone, anywhere", 42, _scenes(alone=1)),
    Stratum("neighbors", 42, _scenes(several=1)),
    Stratum("flat", 42, _scenes(alone=1), "planar"),
    Stratum("flat, halogen", 42, _scenes(alone=1), "halogen"),
    Stratum("protruding group", 42, _scenes(alone=1), "protruding"),
    Stratum("layer", 42, _scenes(layer=0.7, island=0.3)),
    Stratum("water", 42, _scenes(water=1)),
    Stratum("single slice", 41, nuisances=NuisanceConfig(slices=(1, 1))),
    Stratum("three slices", 41, nuisances=NuisanceConfig(slices=(3, 3))),
    Stratum("far", 41, nuisances=NuisanceConfig(slices=SLICES, height=(0.5, 1.5))),
    Stratum("noisy", 41, nuisances=NuisanceConfig(slices=SLICES, noise=(0.3, 1.0), rows=0.3)),
)


class Scene(NamedTuple):
    """A scene of the stand-in domain.

    Attributes:
        number: among all of them.
        stratum: its stratum.
        atoms: all that is imaged, the highest atom that the tip could touch at z = 0.
    """

    number: int
    stratum: Stratum
    atoms: AFMData


def draw_scenes(part: str = "test", strata: Sequence[Stratum] = STRATA, seed: int = SEED) -> Iterator[Scene]:
    """The scenes of some strata, one after the other. Each depends on the part of the split, the seed, the
    place of its stratum among ``strata`` and its own place in that alone.

    Args:
        part: of the split: ``"test"`` or ``"validation"``.
        strata: which.
        seed: of the draws.

    Raises:
        InputError: for another part.
    """
    number = 0
    for place, stratum in enumerate(strata):
        source = Scenes(
            molecules(part)[stratum.molecules],
            stratum.scan,
            stratum.scenes,
            stratum.count,
            seed=1000 * seed + place,
        )
        if stratum.molecules == "protruding":
            source.planar[:] = True  # what stands out of their plane does not keep them from lying flat
        for i in range(stratum.count):
            atoms = source.oriented(i)
            yield Scene(number, stratum, centered(atoms) if stratum.centered else atoms)
            number += 1


def checksum(scenes: Sequence[Scene]) -> str:
    """SHA-256 of elements and of positions in whole hundredths of an Å."""
    digest = hashlib.sha256()
    for scene in scenes:
        digest.update(scene.atoms.z.numpy().astype("<i4").tobytes())
        digest.update(np.rint(scene.atoms.pos.double().numpy() * 100).astype("<i4").tobytes())
    return digest.hexdigest()


@cache
def molecules(part: str) -> dict[str, list[AFMData]]:
    """Molecules of a part of the split, by what strata draw from: ``all``; ``short``, at most 14 Å long;
    ``planar``; ``halogen``, planar ones with Cl, Br or I; ``protruding``, planar ones to which a group with
    CH3 or CH2 was bonded, whose hydrogens stand out of the plane by 0.6 to 1.2 Å.

    Planar molecules have their GFN2-xTB geometry, charges and dipoles, others RDKit's geometry and no
    dipoles.

    Raises:
        InputError: for no part of the split.
    """
    if part not in PARTS:
        raise InputError(f"part: expected {' or '.join(PARTS)}, got {part!r}")
    organic, planar = MoleculeDataset.read("organic"), MoleculeDataset.read("planar", geometry="xtb")
    ids = {name: published_split(name)[PARTS[part]].tolist() for name in ("organic", "planar")}
    every = [organic[i] for i in ids["organic"]] + [planar[i] for i in ids["planar"]]
    every += _methylated([embedded_smiles("planar")[i] for i in ids["planar"]])
    for molecule in every:
        if "dipole" not in molecule:
            molecule.dipole = torch.zeros_like(molecule.pos)
    n = len(ids["organic"]) + len(ids["planar"])
    both = every[:n]
    flat = [m for m in both if is_planar(m)]
    return {
        "all": both,
        "short": [m for m in both if pdist(m.pos.numpy()).max() <= _LONGEST],
        "planar": flat,
        "halogen": [m for m in flat if np.isin(m.z.numpy(), _HALOGENS).any()],
        "protruding": every[n:],
    }


def _methylated(smiles: Sequence[str]) -> list[AFMData]:
    """Each molecule with a group that stands out of its plane, unless that is a molecule of a list, or does
    not stand out so."""
    rng = np.random.default_rng(0)
    groups = [Chem.MolFromSmiles(group) for group in _PROTRUDING]
    known = {canonical(Chem.MolFromSmiles(s)) for name in EMBEDDED for s in embedded_smiles(name)}
    found = []
    for text in smiles:
        group = groups[rng.integers(len(groups))]
        mol = attach_fragment(rng, Chem.MolFromSmiles(text), group, rings=True)
        if mol is None or canonical(mol) in known:
            continue
        with contextlib.suppress(InputError):  # crowded ones have no geometry
            molecule = from_smiles(canonical(mol))
            if _stands_out(molecule):
                found.append(molecule)
    return found


def _stands_out(molecule: AFMData) -> bool:
    """Whether heavy atoms lie in a plane and the farthest hydrogens stand out of it as a CH3 does."""
    pos, heavy = molecule.pos.double().numpy(), (molecule.z > 1).numpy()
    center = pos[heavy].mean(axis=0)
    normal = np.linalg.svd(pos[heavy] - center, full_matrices=False)[2][-1]
    height = np.abs((pos - center) @ normal)
    low, high = _STANDS_OUT
    return bool(height[heavy].max() <= _IN_PLANE and low <= height.max() <= high)


def centered(atoms: AFMData) -> AFMData:
    """The scene with its molecule in the middle of the window, the metal where it is."""
    molecule = ~torch.isin(atoms.z, atoms.z.new_tensor(_METALS))
    flat = atoms.pos[molecule, :2]
    shift = -(flat.amin(0) + flat.amax(0)) / 2
    atoms.pos[:, :2] += molecule[:, None] * shift
    atoms.pos[:, 2] -= atoms.pos[molecule, 2].max()
    return atoms
