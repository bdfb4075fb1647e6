"""The conventions of the structure features, each an argument."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal

from torch_afm.elements import BOND_TOLERANCE, atomic_number
from torch_afm.utils import InputError

_CHOICES = {
    "partners": ("any", "layer"),
    "hydrogens": ("nearest", "all"),
    "acceptor": ("nearest", "all"),
    "free": ("no_acceptor", "published", "all"),
    "order_form": ("S", "1-S"),
    "lsi_form": ("usual", "published"),
}


@dataclass(frozen=True)
class StructureSettings:
    r"""Conventions of :func:`torch_afm.metrics.structure.structure_features`. The defaults are written for
    water; ``center`` makes them those of another liquid or ice. :meth:`huang2025` gives the conventions of
    the published analysis (arXiv:2509.02240), :meth:`visible` cuts structures to what an image can show.

    Args:
        center: element of the central atoms and of their neighbors ("O" in the names of the features).
        hydrogen: element bonded to them ("H" in the names).
        donors: elements that donate hydrogen bonds.
        acceptors: elements that accept them.
        periodic: whether the cell of a structure is repeated along its periodic directions.
        substrate: element that heights of ``layer`` are measured from.
        layer: lowest (excluded) and highest (included) height in Å of central atoms and donors above the
            topmost atom of the substrate; ``None`` takes all heights. A structure without substrate is not
            filtered.
        partners: neighbors and acceptors of a central atom are taken from ``"any"`` height, or from its own
            ``"layer"``.
        visible_depth: atoms deeper than this below the topmost atom are removed first, in Å; ``None`` keeps
            all.
        shadow: radius in Å of the probe that, rolled over the van der Waals spheres, must touch an atom (or
            one it shares an X-H bond with) on its top, else the atom is removed; ``None`` does not ask.
        pair_cutoff: longest distance of a pair in Å, and of the neighbors that make an O-O-O angle.
        ordered_pairs: whether both orders of a pair of like atoms are counted, or each pair once.
        oh_cutoff: longest O-H bond in Å.
        hydrogens: a hydrogen within ``oh_cutoff`` of several atoms is bonded to the ``"nearest"``, or to
            ``"all"``.
        donor_cutoff: a hydrogen donates only if it is nearer to its donor than this, in Å.
        hbond_cutoff: longest donor-acceptor distance of a hydrogen bond in Å.
        hbond_angle: smallest angle D-H...A, at the hydrogen, in degrees.
        acceptor: of the acceptors that pass, a hydrogen bond goes to the one ``"nearest"`` to the hydrogen,
            or to ``"all"``.
        free: which O-H bonds θ_ZOH is taken of: those whose hydrogen has ``"no_acceptor"``, ``"all"``, or the
            ``"published"`` ones, which drop a bond when another O of the same layer within ``hbond_cutoff``
            has an angle(O→H, O→O') *above* ``hbond_angle`` at the donor. A donated O-H has an angle near 0°
            there, so the published test is inverted.
        free_hydrogens: number of hydrogens an O must have to enter θ_ZOH; ``None`` takes any number.
        normal: surface normal, which θ_ZOH is measured from.
        order_cutoff: the four nearest neighbors of S_g and S_k must all be within this, in Å.
        order_form: the orders as ``"S"`` (0 for a perfect tetrahedron) or ``"1-S"``.
        lsi_cutoff: neighbors that enter the local structure index are within this, in Å.
        lsi_form: ``"usual"`` takes the gap from the last of these to the first neighbor beyond along,
            ``"published"`` leaves it out.
        reach: how far the fifth neighbor and the first one beyond ``lsi_cutoff`` are searched, in Å.
        bond_tolerance: two atoms are bonded if nearer than the sum of their covalent radii and this, in Å.

    Raises:
        InputError: for an unknown element or choice, or a length or angle out of its range.
    """

    center: str = "O"
    hydrogen: str = "H"
    donors: tuple[str, ...] = ("N", "O", "F")
    acceptors: tuple[str, ...] = ("N", "O", "F")
    periodic: bool = True
    substrate: str = "Au"
    layer: tuple[float, float] | None = None
    partners: Literal["any", "layer"] = "any"
    visible_depth: float | None = None
    shadow: float | None = None
    pair_cutoff: float = 3.5
    ordered_pairs: bool = False
    oh_cutoff: float = 1.25
    hydrogens: Literal["nearest", "all"] = "nearest"
    donor_cutoff: float = 1.25
    hbond_cutoff: float = 3.5
    hbond_angle: float = 120.0
    acceptor: Literal["nearest", "all"] = "nearest"
    free: Literal["no_acceptor", "published", "all"] = "no_acceptor"
    free_hydrogens: int | None = 2
    normal: tuple[float, float, float] = (0.0, 0.0, 1.0)
    order_cutoff: float = 3.5
    order_form: Literal["S", "1-S"] = "S"
    lsi_cutoff: float = 3.7
    lsi_form: Literal["usual", "published"] = "usual"
    reach: float = 8.0
    bond_tolerance: float = BOND_TOLERANCE

    def __post_init__(self) -> None:
        for element in (self.center, self.hydrogen, self.substrate, *self.donors, *self.acceptors):
            atomic_number(element)
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(f"{name}: expected one of {', '.join(choices)}, got {getattr(self, name)!r}")
        for field in fields(self):
            value = getattr(self, field.name)
            if (field.name.endswith("_cutoff") or field.name == "reach") and not 0 < value < math.inf:
                raise InputError(f"{field.name}: expected a length in Å above 0, got {value}")
        for name in ("visible_depth", "shadow", "bond_tolerance"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise InputError(f"{name}: expected a length in Å, 0 or more, got {value}")
        if not 0 <= self.hbond_angle <= 180:
            raise InputError(f"hbond_angle: expected an angle from 0 to 180 degrees, got {self.hbond_angle}")
        if self.layer is not None and not (len(self.layer) == 2 and self.layer[0] < self.layer[1]):
            raise InputError(f"layer: expected a lower and a higher height in Å, got {self.layer}")
        if len(self.normal) != 3 or not 0 < math.hypot(*self.normal) < math.inf:
            raise InputError(f"normal: expected a vector of three numbers, not 0, got {self.normal}")
        if self.reach < self.lsi_cutoff:
            raise InputError(f"reach: expected at least lsi_cutoff = {self.lsi_cutoff} Å, got {self.reach}")

    @classmethod
    def huang2025(cls, **overrides: Any) -> StructureSettings:
        """The published conventions (``compat="huang2025"``): no periodic images; centers in the top layer,
        more than 4.85 Å above the gold, with neighbors from any layer; both orders of each pair; a hydrogen
        bonded to every O within 1.25 Å; every (hydrogen, acceptor) counted, with O-H < 1.2 Å; the published
        choice of free O-H bonds; a local structure index without its last gap. Predictions hold no gold, so
        they are not filtered by layer.

        Args:
            overrides: other arguments.
        """
        published: dict[str, Any] = {
            "donors": ("O",),
            "acceptors": ("O",),
            "periodic": False,
            "layer": (4.85, math.inf),
            "ordered_pairs": True,
            "hydrogens": "all",
            "donor_cutoff": 1.2,
            "acceptor": "all",
            "free": "published",
            "lsi_form": "published",
        }
        return cls(**published | overrides)

    @classmethod
    def visible(cls, **overrides: Any) -> StructureSettings:
        """The default conventions on the part of a structure that an image can show: atoms within 3 Å of the
        topmost one. The same cut is made in theory and in prediction, so that they are compared on equal
        terms. 3 Å is the depth that the published models predict over; they learn from every atom down to
        it, in the shadow of another or not, so ``shadow`` is an argument to give (1.52 Å, the oxygen of a CO
        tip) and not part of this default.

        Args:
            overrides: other arguments.
        """
        return cls(**{"visible_depth": 3.0} | overrides)
