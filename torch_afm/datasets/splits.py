"""Splits of a data set into training, validation and test molecules, in the shares of the graph-AFM thesis,
Aalto University (see CITATION.cff)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from importlib import resources

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem.Scaffolds import MurckoScaffold

from torch_afm.datasets.smi import checksum, embedded_smiles
from torch_afm.utils import InputError

_Split = tuple[np.ndarray, np.ndarray, np.ndarray]

#: Splits of the embedded lists.
SPLITS = {"organic": "resources/split.json", "planar": "resources/planar_split.json"}


def published_split(name: str = "organic") -> _Split:
    """Training, validation and test molecules of an embedded list, fixed: 4,728, 600 and 1,000 of the organic
    molecules, and about the same shares of the planar ones.

    No molecule that the packaged weights saw in training is a validation or test molecule. Molecules that
    the list may gain later are for training. The ids were drawn by :mod:`torch_afm.datasets.publish`.

    Args:
        name: of the list, as in ``embedded_smiles``.

    Shapes:
        three sorted arrays of ids, which are places in the embedded list, from 0.

    Raises:
        InputError: for another name, and if the list is not the one that the split was made for.
    """
    smiles = embedded_smiles(name)
    split = json.loads(resources.files("torch_afm.datasets").joinpath(SPLITS[name]).read_text("utf-8"))
    if checksum(smiles[: split["molecules"]]) != split["sha256"]:
        raise InputError("embedded list: expected the molecules that the published split names, got others")
    validation, test = np.array(split["validation"]), np.array(split["test"])
    train = np.setdiff1d(np.arange(len(smiles)), np.concatenate([validation, test]))
    return train, validation, test


def split_by_molecule(n: int, fractions: Sequence[float] = (0.75, 0.095, 0.155), seed: int = 0) -> _Split:
    """Training, validation and test molecules: a seeded permutation, cut where the fractions say.

    All rotations of a molecule belong to the set of the molecule, so nothing of a test molecule is seen in
    training. The default is close to the shares of the thesis: 4,728, 600 and 1,000 of 6,328.

    Args:
        n: number of molecules.
        fractions: share of each set, summing to 1.
        seed: of the permutation.

    Shapes:
        three sorted index arrays, disjoint, ``n`` indices together.

    Raises:
        InputError: for a negative ``n``, or fractions that are not three shares of 1.
    """
    if n < 0:
        raise InputError(f"n: expected a number of molecules, 0 or more, got {n}")
    _check_fractions(fractions)
    permutation = np.random.default_rng(seed).permutation(n)
    first, second = round(fractions[0] * n), round((fractions[0] + fractions[1]) * n)
    train, validation, test = np.split(permutation, [first, second])
    return np.sort(train), np.sort(validation), np.sort(test)


def split_by_scaffold(
    smiles: Sequence[str], fractions: Sequence[float] = (0.75, 0.095, 0.155), seed: int = 0
) -> _Split:
    """Like :func:`split_by_molecule`, but molecules of one scaffold (Bemis and Murcko, J. Med. Chem. 39, 2887
    (1996): rings and what links them) belong to one set, so test molecules are of another kind than training
    molecules. A molecule without ring is a scaffold of its own.

    Scaffolds are dealt out from the most common to the rarest, equally common ones in seeded order, each to
    the set that lacks the most molecules.

    Args:
        smiles: the molecules.
        fractions: share of each set, summing to 1; met as closely as whole scaffolds allow.
        seed: of the order.

    Shapes:
        three sorted index arrays, disjoint, ``len(smiles)`` indices together.

    Raises:
        InputError: for an invalid SMILES, or fractions that are not three shares of 1.
    """
    _check_fractions(fractions)
    groups: dict[str, list[int]] = {}
    with rdBase.BlockLogs():
        for i, text in enumerate(smiles):
            mol = Chem.MolFromSmiles(text)
            if mol is None:
                raise InputError(f"smiles: expected valid SMILES, got {text!r} at index {i}")
            scaffold = Chem.MolToSmiles(MurckoScaffold.GetScaffoldForMol(mol), isomericSmiles=False)
            groups.setdefault(scaffold or f"molecule {i}", []).append(i)
    members = list(groups.values())
    order = np.random.default_rng(seed).permutation(len(members))
    parts: list[list[int]] = [[], [], []]
    for group in sorted((members[i] for i in order), key=len, reverse=True):
        lacking = [f * len(smiles) - len(part) for f, part in zip(fractions, parts, strict=True)]
        parts[lacking.index(max(lacking))] += group
    train, validation, test = (np.array(sorted(part), dtype=np.int64) for part in parts)
    return train, validation, test


def drop_repeated(split: _Split, keys: Sequence[str | None]) -> _Split:
    """A split without the training molecules that are validation or test molecules too, and the validation
    molecules that are test molecules too: in a mix of lists a molecule can come several times.

    Args:
        split: training, validation and test molecules.
        keys: the same for the same molecule; ``None`` for one that is like no other.

    Shapes:
        three index arrays into ``keys``.
    """
    train, validation, test = split

    def without(part: np.ndarray, *others: np.ndarray) -> np.ndarray:
        known = {keys[i] for other in others for i in other} - {None}
        return part[[keys[i] not in known for i in part]] if len(part) else part

    return without(train, validation, test), without(validation, test), test


def _check_fractions(fractions: Sequence[float]) -> None:
    if len(fractions) != 3 or min(fractions) < 0 or not math.isclose(sum(fractions), 1, abs_tol=1e-6):
        raise InputError(f"fractions: expected three shares that sum to 1, got {tuple(fractions)}")
