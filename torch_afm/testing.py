"""Tiny molecules and assertions, for the tests of this package and of those that build on it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from torch_afm.data import AFMData, covalent_bonds


def water() -> AFMData:
    """Water in the plane y = 0, its oxygen at the origin, hydrogens down: geometry (O-H 0.9572 Å, H-O-H
    104.52°) and charges of TIP3P (Jorgensen et al., J. Chem. Phys. 79, 926 (1983))."""
    half = math.radians(104.52) / 2
    x, z = 0.9572 * math.sin(half), -0.9572 * math.cos(half)
    return AFMData(
        z=torch.tensor([8, 1, 1]),
        pos=torch.tensor([[0.0, 0.0, 0.0], [x, 0.0, z], [-x, 0.0, z]]),
        charge=torch.tensor([-0.834, 0.417, 0.417]),
        edge_index=torch.tensor([[0, 0, 1, 2], [1, 2, 0, 0]]),
    )


def benzene() -> AFMData:
    """Benzene flat in z = 0, centered at the origin: C-C 1.397 Å, C-H 1.084 Å, charges ∓0.06 e."""
    angle = torch.arange(6) * math.pi / 3
    ring = torch.stack([angle.cos(), angle.sin(), torch.zeros(6)], dim=1)
    pos = torch.cat([1.397 * ring, (1.397 + 1.084) * ring])
    z = torch.tensor([6] * 6 + [1] * 6)
    charge = torch.tensor([-0.06] * 6 + [0.06] * 6)
    return AFMData(z=z, pos=pos, charge=charge, edge_index=covalent_bonds(z, pos))


def random_graph(n: int, seed: int = 0) -> AFMData:
    """``n`` atoms of H, C, N and O with random positions within ±3 Å, charges and bonds: no molecule, but a
    graph that any layer must take."""
    rng = torch.Generator().manual_seed(seed)
    bonded = torch.triu(torch.rand(n, n, generator=rng) < 2 / max(n, 1), diagonal=1)
    return AFMData(
        z=torch.tensor([1, 6, 7, 8])[torch.randint(4, (n,), generator=rng)],
        pos=6 * torch.rand(n, 3, generator=rng) - 3,
        charge=torch.rand(n, generator=rng) - 0.5,
        edge_index=(bonded | bonded.t()).nonzero().t().contiguous(),
    )


def assert_same_graph(actual: AFMData, expected: AFMData, atol: float = 0.0) -> None:
    """Raise ``AssertionError`` unless both graphs hold the same keys, types, shapes and values.

    Args:
        actual: the graph to check.
        expected: what it should be; its edges may stand in another order.
        atol: how far real numbers may differ.
    """
    keys, wanted = sorted(actual.keys()), sorted(expected.keys())
    if keys != wanted:
        raise AssertionError(f"keys: expected {wanted}, got {keys}")
    for key in wanted:
        a, b = actual[key], expected[key]
        if not isinstance(b, Tensor):
            if a != b:
                raise AssertionError(f"{key}: expected {b!r}, got {a!r}")
            continue
        if key.endswith("edge_index"):
            a, b = _sorted_edges(a), _sorted_edges(b)
        try:
            torch.testing.assert_close(a, b, rtol=0, atol=atol)
        except AssertionError as error:
            raise AssertionError(f"{key}: {error}") from None


def _sorted_edges(edge_index: Tensor) -> Tensor:
    edges = sorted(zip(*edge_index.tolist(), strict=True))
    return edge_index.new_tensor(edges).reshape(-1, 2).t()
