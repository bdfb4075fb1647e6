"""The published conventions of arXiv:2509.02240 as plain loops, one condition at a time: slow, short, and
independent of the package, to check and to time it against."""

from __future__ import annotations

import ase
import numpy as np


def angle(u: np.ndarray, v: np.ndarray) -> float:
    """Angle of two vectors in degrees."""
    return float(np.degrees(np.arccos(np.clip(u @ v / np.linalg.norm(u) / np.linalg.norm(v), -1, 1))))


def published_features(atoms: ase.Atoms, top: float = 4.85) -> dict[str, np.ndarray]:
    """d_OO, d_OH, HOH, theta_ZOH ``[N]``, hbond and order ``[N, 2]`` of one structure."""
    z, pos = atoms.numbers, atoms.positions
    oxygen, hydrogen, gold = pos[z == 8], pos[z == 1], pos[z == 79]
    layer = [not len(gold) or o[2] - gold[:, 2].max() > top for o in oxygen]
    values: dict[str, list] = {name: [] for name in ("d_OO", "d_OH", "HOH", "theta_ZOH", "hbond", "order")}
    for i, o in enumerate(oxygen):
        if not layer[i]:
            continue
        others = [j for j in range(len(oxygen)) if j != i and np.linalg.norm(oxygen[j] - o) <= 3.5]
        values["d_OO"] += [np.linalg.norm(oxygen[j] - o) for j in others]
        bonded = [h for h in hydrogen if np.linalg.norm(h - o) <= 1.25]
        values["d_OH"] += [np.linalg.norm(h - o) for h in bonded]
        for k in range(len(bonded)):
            values["HOH"] += [angle(bonded[k] - o, bonded[m] - o) for m in range(k)]
        for h in bonded:
            if np.linalg.norm(h - o) < 1.2:
                for j in others:
                    if (bend := angle(o - h, oxygen[j] - h)) >= 120:
                        values["hbond"].append((np.linalg.norm(oxygen[j] - o), bend))
            taken = any(layer[j] and angle(h - o, oxygen[j] - o) > 120 for j in others)
            if len(bonded) == 2 and not taken:
                values["theta_ZOH"].append(angle(h - o, np.array([0, 0, 1])))
        nearest = sorted(others, key=lambda j: np.linalg.norm(oxygen[j] - o))[:4]
        if len(nearest) == 4:
            v = [oxygen[j] - o for j in nearest]
            r = [np.linalg.norm(u) for u in v]
            mean = sum(r) / 4
            s_k = sum((x - mean) ** 2 for x in r) / (4 * mean**2) / 3
            cosines = [v[j] @ v[k] / r[j] / r[k] for k in range(4) for j in range(k)]
            values["order"].append((s_k, 3 / 8 * sum((c + 1 / 3) ** 2 for c in cosines)))
    shape = {name: (-1, 2) if name in ("hbond", "order") else (-1,) for name in values}
    return {name: np.array(v, dtype=float).reshape(shape[name]) for name, v in values.items()}
