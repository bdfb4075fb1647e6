"""Local structural features of atomic structures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import ase
import numpy as np

from torch_afm.config.features import FEATURES, split_name
from torch_afm.config.structure import StructureSettings
from torch_afm.elements import atomic_number
from torch_afm.metrics.structure.bonds import bond_lengths, once, valence_angles
from torch_afm.metrics.structure.geometry import angle
from torch_afm.metrics.structure.hydrogen import (
    free_angles,
    hydrogen_angles,
    hydrogen_bonds,
)
from torch_afm.metrics.structure.orders import fifth_distance, local_structure_index, tetrahedral_orders
from torch_afm.metrics.structure.prepared import Prepared
from torch_afm.utils import InputError

_DEFAULT = StructureSettings()


def structure_features(
    atoms: ase.Atoms | Sequence[ase.Atoms],
    settings: StructureSettings = _DEFAULT,
    names: Sequence[str] | None = None,
) -> list[dict[str, np.ndarray]]:
    r"""Local structural features (J. Huang et al., arXiv:2509.02240), every value of every structure. A
    structure without, say, any O that has four neighbours gives an empty array for ``S_g``.

    ============= ======= ============================================================================
    name          unit    values
    ============= ======= ============================================================================
    d_OO          Å       distances of central atoms within ``pair_cutoff``
    d_OH          Å       bonds of central atoms with hydrogen
    HOH           °       angles between two such bonds
    OHO           °       angles at a hydrogen between donor and acceptor, however bent
    OOO           °       angles between two neighbours within ``pair_cutoff``
    theta_ZOH     °       angles of free bonds with the surface normal
    hbond         Å, °    hydrogen bonds: donor-acceptor distance and angle at the hydrogen
    S_g, S_k              tetrahedral orders; ``order`` is (S_k, S_g)
    d5            Å       distance of the fifth neighbour
    LSI           Å²      local structure index
    bond_length   Å       covalent bonds, each once, without the substrate; of two elements: ``bond:C-H``
    valence_angle °       angles between these bonds of an atom; of three elements: ``angle:H-C-H``
    pair:A-B      Å       distances of two elements within ``pair_cutoff``, each once
    ============= ======= ============================================================================

    Args:
        atoms: a structure or several; positions in Å, cell and periodic directions as ASE keeps them.
        settings: conventions.
        names: the features to compute; ``None`` for all of :data:`FEATURES`.

    Returns:
        For each structure the values by name, in float64.

    Shapes:
        ``[N]`` for a feature that is a number, ``[N, 2]`` for ``hbond`` and ``order``; N differs by feature.

    Raises:
        InputError: for an unknown name, anything but ASE atoms, positions that are not finite, a number that
            is no element's, or a cell that is flat along a periodic direction.
    """
    if not isinstance(settings, StructureSettings):
        raise InputError(f"settings: expected StructureSettings, got {type(settings).__name__}")
    if isinstance(names, str):
        raise InputError(f"names: expected a sequence of names, got the string {names!r}")
    names = list(FEATURES) if names is None else list(names)
    for name in names:
        FEATURES[name]  # raises for a name that is none
    if not isinstance(atoms, ase.Atoms) and not isinstance(atoms, Iterable):
        raise InputError(f"atoms: expected ase.Atoms or a sequence of them, got {type(atoms).__name__}")
    structures = [atoms] if isinstance(atoms, ase.Atoms) else atoms
    return [_features(Prepared(one, settings), names) for one in structures]


def _features(structure: Prepared, names: Sequence[str]) -> dict[str, np.ndarray]:
    return {
        name: _COMPUTE[name](structure) if name in _COMPUTE else _named(structure, name) for name in names
    }


def _pair_distances(s: Prepared) -> np.ndarray:
    pairs = s.around.keep(s.around.distance <= s.settings.pair_cutoff)
    return pairs.distance if s.settings.ordered_pairs else pairs.distance[once(pairs, s.centers)]


def _neighbor_angles(s: Prepared) -> np.ndarray:
    pairs = s.around.keep(s.around.distance <= s.settings.pair_cutoff)
    first, second = pairs.twos()
    return angle(pairs.vector[first], pairs.vector[second])


def _orders(s: Prepared) -> np.ndarray:
    orders = tetrahedral_orders(s.around, s.settings.order_cutoff)
    return 1 - orders if s.settings.order_form == "1-S" else orders


def _named(structure: Prepared, name: str) -> np.ndarray:
    """A feature that names its elements."""
    kind, symbols = split_name(name)
    elements = [atomic_number(s) for s in symbols]
    if kind == "bond":
        return bond_lengths(structure.covalent, structure.z, elements)
    if kind == "angle":
        return valence_angles(structure.covalent, structure.z, elements)
    centers = structure.of(symbols[0])
    pairs = structure.pairs(centers, structure.of(symbols[1]), structure.settings.pair_cutoff)
    return pairs.distance[once(pairs, centers)]


_COMPUTE: dict[str, Callable[[Prepared], np.ndarray]] = {
    "d_OO": _pair_distances,
    "d_OH": lambda s: s.hydrogens.distance,
    "HOH": lambda s: hydrogen_angles(s.hydrogens),
    "OHO": lambda s: s.donated.angle,
    "OOO": _neighbor_angles,
    "theta_ZOH": free_angles,
    "hbond": hydrogen_bonds,
    "S_g": lambda s: _orders(s)[:, 1],
    "S_k": lambda s: _orders(s)[:, 0],
    "order": _orders,
    "d5": lambda s: fifth_distance(s.around),
    "LSI": lambda s: local_structure_index(s.around, s.settings.lsi_cutoff, s.settings.lsi_form == "usual"),
    "bond_length": lambda s: bond_lengths(s.molecular, s.z),
    "valence_angle": lambda s: valence_angles(s.molecular, s.z),
}
