"""Ranges of the scenes that training steps show."""

from __future__ import annotations

from dataclasses import dataclass

from torch_afm.utils import InputError

#: How the molecules of a scene lie: fields of :class:`SceneConfig` with their weights.
ARRANGEMENTS = ("alone", "several", "island", "layer", "water")

#: Metals whose fcc(111) surfaces can lie below a scene.
METALS = ("Cu", "Ag", "Au")


@dataclass(frozen=True)
class SceneConfig:
    """What :class:`torch_afm.datasets.Scenes` draws from. Ranges are ``(low, high)``, both included.

    Args:
        alone: weight of scenes of one molecule, anywhere in the window or beyond its edge.
        several: weight of scenes of molecules in contact with each other.
        island: weight of scenes of an ordered island, whose edge crosses the window.
        layer: weight of scenes of an ordered layer over all of the window.
        water: weight of scenes of water: clusters, rings, chains and layers.
        planar: share of planar molecules among those drawn, where there are both kinds.
        molecules: number of molecules that are in contact.
        species: largest number of different molecules in a scene.
        gap: distance in Å of two molecules in contact beyond the sum of the van der Waals radii of their
            atoms; negative where they come nearer, as in hydrogen bonds.
        slack: largest length in Å that a lattice vector is longer than contact asks for.
        vacancies: largest share of missing molecules in islands and layers.
        beyond: how far in Å outside of the window the middle of the first molecule can lie.
        tilted: share of the planar molecules that are tilted; the others lie flat.
        tilt: largest tilt in degrees.
        bent: share of the planar molecules that are bent, tilted or not.
        bend: largest height in Å of the ends of a bent molecule above or below its middle.
        spread: range in Å of the heights of the lowest atoms of the molecules of a scene.
        metal: share of the scenes with a metal below.
        metals: symbols of its fcc metal: Cu, Ag or Au; layers of water fit on Ag and Au alone.
        height: distance in Å of flat molecules from the uppermost atoms of the metal.
        waters: number of molecules in a cluster or chain of water.
        water_layers: share of the scenes of water that show a layer.
        min_atoms: atoms that a scene has inside the window at least, no deeper than 1 Å below its top.

    Raises:
        InputError: for what cannot be drawn, naming the argument.
    """

    alone: float = 0.4
    several: float = 0.25
    island: float = 0.1
    layer: float = 0.1
    water: float = 0.15
    planar: float = 0.4
    molecules: tuple[int, int] = (2, 5)
    species: int = 2
    gap: tuple[float, float] = (-0.4, 0.8)
    slack: float = 1.0
    vacancies: float = 0.1
    beyond: float = 2.0
    tilted: float = 0.3
    tilt: float = 8.0
    bent: float = 0.2
    bend: float = 0.3
    spread: float = 0.1
    metal: float = 0.3
    metals: tuple[str, ...] = METALS
    height: tuple[float, float] = (2.9, 3.4)
    waters: tuple[int, int] = (1, 12)
    water_layers: float = 0.3
    min_atoms: int = 1

    def __post_init__(self) -> None:
        weights = [getattr(self, name) for name in ARRANGEMENTS]
        if not all(weight >= 0 for weight in weights) or not sum(weights) > 0:
            raise InputError(
                f"{', '.join(ARRANGEMENTS)}: expected weights, not negative and not all zero, got {weights}"
            )
        for name in ("planar", "vacancies", "tilted", "bent", "metal", "water_layers"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name}: expected a share from 0 to 1, got {getattr(self, name)}")
        limits = {
            "molecules": (1, 50),
            "gap": (-1.2, 10.0),
            "height": (1.5, 10.0),
            "waters": (1, 30),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if len(value) != 2 or not low <= value[0] <= value[1] <= high:
                raise InputError(f"{name}: expected (low, high) within {low:g} to {high:g}, got {value}")
        for name, high in (("slack", 20.0), ("beyond", 50.0), ("tilt", 30.0), ("bend", 1.0), ("spread", 5.0)):
            if not 0 <= getattr(self, name) <= high:
                raise InputError(f"{name}: expected 0 to {high:g}, got {getattr(self, name)}")
        if self.species < 1 or self.min_atoms < 1:
            raise InputError(
                f"species, min_atoms: expected at least 1 of each, got {self.species} and {self.min_atoms}"
            )
        unknown = sorted(set(self.metals) - set(METALS))
        if unknown or not self.metals:
            raise InputError(f"metals: expected some of {', '.join(METALS)}, got {self.metals}")
