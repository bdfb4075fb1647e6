"""Clusters, rings and chains of water on a surface."""

from __future__ import annotations

import ase
import numpy as np

from torch_afm.datasets.ice import donors
from torch_afm.datasets.water import CHARGE, clashing, hydrogens
from torch_afm.utils import InputError

#: Length in Å of a hydrogen bond, and distance of other oxygens at least.
_BOND, _NEXT = (2.65, 3.0), 3.3

#: Largest rise in Å from an oxygen to the next.
_RISE = 0.5

#: Bonds of a molecule at most, by the ice rules.
_BONDS = 4

#: Draws before giving up, and of one place.
_TRIES, _PLACES = 5000, 30


def water_cluster(n: int, shape: str, rng: np.random.Generator) -> ase.Atoms:
    """Molecules of water joined by hydrogen bonds 2.65 to 3.0 Å long, which obey the ice rules
    (:func:`~torch_afm.datasets.ice.donors`), nearly in one plane; molecules and charges as in
    :func:`~torch_afm.datasets.water_bilayer`, hydrogens without a neighbor to point at as they come.

    Args:
        n: number of molecules.
        shape: ``"cluster"``, ``"ring"`` (of 3 to 6 molecules) or ``"chain"``.
        rng: what draws.

    Raises:
        InputError: for another shape, too few molecules for it, or none without clashes.
    """
    if shape not in ("cluster", "ring", "chain"):
        raise InputError(f"shape: expected 'cluster', 'ring' or 'chain', got {shape!r}")
    if n < 1 or (shape == "ring" and not 3 <= n <= 6):
        raise InputError(f"n: expected at least 1 molecule, and 3 to 6 in a ring, got {n}")
    for _ in range(_TRIES):
        grown = {"cluster": _cluster, "ring": _ring, "chain": _chain}[shape](n, rng)
        if grown is None:
            continue
        pos, bonds = grown
        atoms = _with_hydrogens(pos, bonds, rng)
        if atoms is not None and not clashing(atoms):
            return atoms
    raise InputError(f"water_cluster: found no places without clashes for a {shape} of {n} in {_TRIES} draws")


def _ring(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Places of oxygens and their bonds."""
    angles = 2 * np.pi * (np.arange(n) / n + rng.random())
    radius = rng.uniform(*_BOND) / (2 * np.sin(np.pi / n))
    pos = np.stack([radius * np.cos(angles), radius * np.sin(angles), rng.uniform(0, 0.4, n)], axis=1)
    return pos, np.stack([np.arange(n), (np.arange(n) + 1) % n], axis=1)


def _chain(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
    direction, side = rng.uniform(0, 2 * np.pi), rng.choice([-1, 1])
    pos = np.zeros((n, 3))
    for i in range(1, n):
        bend = np.radians(rng.uniform(40, 75)) * side * (1 if i % 2 else -1) / 2
        pos[i] = pos[i - 1] + _step(direction + bend, rng)
    pos[:, 2] -= pos[:, 2].mean()
    pos[:, 2] = pos[:, 2].clip(-_RISE, _RISE)
    return pos, np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)


def _cluster(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
    pos = np.zeros((1, 3))
    bonds: list[tuple[int, int]] = []
    for i in range(1, n):
        degree = np.bincount(np.array(bonds, dtype=int).ravel(), minlength=i)
        for _ in range(_PLACES):
            start = rng.choice(np.flatnonzero(degree < 3))
            place = pos[start] + _step(rng.uniform(0, 2 * np.pi), rng)
            place[2] = np.clip(place[2], -_RISE, _RISE)
            distance = np.linalg.norm(pos - place, axis=1)
            near = np.flatnonzero(distance < _NEXT)
            bonded = 0 < len(near) <= _BONDS and (distance[near] >= _BOND[0]).all()
            if bonded and (degree[near] < 3).all():
                break
        else:
            return None
        pos = np.concatenate([pos, place[None]])
        bonds += [(int(j), i) for j in near]
    return pos, np.array(bonds, dtype=int).reshape(-1, 2)


def _step(angle: float, rng: np.random.Generator) -> np.ndarray:
    """A hydrogen bond in a direction of the plane, somewhat up or down."""
    rise = rng.uniform(-_RISE, _RISE)
    flat = np.sqrt(rng.uniform(*_BOND) ** 2 - rise**2)
    return np.array([flat * np.cos(angle), flat * np.sin(angle), rise])


def _with_hydrogens(pos: np.ndarray, bonds: np.ndarray, rng: np.random.Generator) -> ase.Atoms | None:
    """Molecules at these places; none where hydrogens find no direction."""
    toward: list[list[np.ndarray]] = [[] for _ in pos]
    given: list[list[np.ndarray]] = [[] for _ in pos]
    for (a, b), first in zip(bonds, donors(bonds, len(pos), rng), strict=True):
        direction = (pos[b] - pos[a]) / np.linalg.norm(pos[b] - pos[a])
        toward[a].append(direction)
        toward[b].append(-direction)
        given[a if first else b].append(direction if first else -direction)
    atoms = ase.Atoms("OHH" * len(pos))
    atoms.set_initial_charges(np.tile([-2 * CHARGE, CHARGE, CHARGE], len(pos)))
    for i, place in enumerate(pos):
        both = list(given[i])
        for _ in range(_PLACES):
            if len(both) == 2:
                break
            free = rng.normal(size=3) * (1.0, 1.0, 0.7)
            free /= np.linalg.norm(free)
            # Beside no neighbor, and at an angle that the molecule can have.
            if all(free @ t < 0.5 for t in toward[i]) and all(-0.7 < free @ g < 0.3 for g in both):
                both.append(free)
        if len(both) != 2:
            return None
        atoms.positions[3 * i : 3 * i + 3] = place + np.stack(
            [np.zeros(3), *hydrogens(both[0], both[1], rng)]
        )
    return atoms
