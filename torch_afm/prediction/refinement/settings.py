"""Settings of a refinement."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch_afm.utils import InputError


@dataclass(frozen=True)
class Stage:
    """A part of the descent.

    Args:
        slices: slices compared, from the farthest on; all with ``None``.
        blur: standard deviation in Å of the Gaussian that both stacks are blurred with.
        iterations: at most so many steps.
    """

    slices: int | None = None
    blur: float = 0.0
    iterations: int = 8

    def __post_init__(self) -> None:
        if (self.slices is not None and self.slices < 1) or not self.blur >= 0 or self.iterations < 1:
            raise InputError(
                "stage: expected 1 slice, a blur of 0 Å and 1 iteration or more, "
                f"got {self.slices}, {self.blur} and {self.iterations}"
            )


#: Far and blurred first, then all slices, then sharp: where the atoms shown are all there are.
FAR_TO_NEAR = (Stage(4, 1.0, 6), Stage(None, 0.5, 6), Stage(None, 0.25, 8))

#: Blurred, then sharp, all slices: the farthest alone show hidden atoms as much as those asked for.
STAGES = (Stage(None, 0.6, 5), Stage(None, 0.25, 6))


@dataclass(frozen=True)
class RefinementSettings:
    """What a refinement fits, how far it believes its start, and how it goes about it. Every standard
    deviation of 0, and ``None`` for the prior, switches a part off.

    Args:
        stages: one after the other.
        stride: pixels of the reference for one that is compared, along x and y.
        pos_sigma: standard deviation in Å of the positions of a start that tells none of its own (``sigma``).
        sigma_scale: factor on the ``sigma`` of a start; that of the weights ``spatial`` is about twice the
            errors of validation molecules.
        charge_sigma: of charges, in e.
        tilt_sigma: of both components of the tip's tilt, in Å.
        distance_sigma: of the height of the tip, in Å.
        scale_sigma: of the logarithms of the scanner's scales along x and y (:class:`Scanner`).
        shear_sigma: of its shear.
        stiffness_sigma: of the logarithm of the lateral stiffness of the tip.
        depth_sigma: of the logarithm of the Lennard-Jones depth of the probe.
        element_sigma: of the share of each heavy atom that is another element.
        hidden_sigma: of the share of an atom at each site below the graph.
        hidden_spacing: lateral distance of these sites in Å.
        completions: rounds in which atoms may be added at open bonds, see :func:`further_atoms`.
        observations: independent observations that the stack counts for; see :class:`RefinementObjective`.
        floor: smallest noise of a normalized slice.
        plane: compare slices without the plane of each, as where one was taken out of the scan.
        min_gain: smallest share of the mean squared difference of the images, what may be missing included,
            that must go for the result to be accepted.
        max_shift: root mean square move of the coordinates, in standard deviations of the start, up to which
            it is accepted: beyond, an atom is missing or too much, rather than out of place.
    """

    stages: tuple[Stage, ...] = STAGES
    stride: int = 2
    pos_sigma: float = 0.3
    sigma_scale: float = 0.45
    charge_sigma: float = 0.1
    tilt_sigma: float = 0.25
    distance_sigma: float = 0.145
    scale_sigma: float = 0.0
    shear_sigma: float = 0.0
    stiffness_sigma: float = 0.0
    depth_sigma: float = 0.0
    element_sigma: float = 0.5
    hidden_sigma: float = 0.25
    hidden_spacing: float = 1.5
    completions: int = 4
    observations: float = 500.0
    floor: float = 0.02
    plane: bool = False
    min_gain: float = 0.5
    max_shift: float = 2.5

    def __post_init__(self) -> None:
        sigmas = (
            *("charge_sigma", "tilt_sigma", "distance_sigma", "scale_sigma", "shear_sigma"),
            *("stiffness_sigma", "depth_sigma", "element_sigma", "hidden_sigma", "floor"),
        )
        positive = ("pos_sigma", "sigma_scale", "hidden_spacing", "observations", "max_shift")
        for name in sigmas + positive:
            value = getattr(self, name)
            if not (value > 0 or (name in sigmas and value == 0)):
                raise InputError(f"{name}: expected a positive number, got {value}")
        if self.stride < 1 or not self.stages or self.completions < 0:
            raise InputError(
                "stride, stages, completions: expected 1 or more of each, 0 or more of the last, "
                f"got {self.stride}, {len(self.stages)} and {self.completions}"
            )

    @classmethod
    def measured(cls) -> RefinementSettings:
        """What a real scan leaves unknown, too: the scanner, the springs and depth of the probe, and the
        height of the tip, as widely as :class:`torch_afm.datasets.Nuisances` draws them. It has more that no
        simulation explains, and so its images count for less: with 500 observations structures of the
        stand-in that are nearly right get worse. No atoms are added."""
        return cls(
            scale_sigma=0.08,
            shear_sigma=0.015,
            stiffness_sigma=0.55,
            depth_sigma=0.4,
            distance_sigma=0.4,
            observations=50.0,
            completions=0,
        )

    def positions_only(self) -> RefinementSettings:
        """The same with the tip held, and no atoms added."""
        return replace(self, tilt_sigma=0.0, distance_sigma=0.0, completions=0)

    @property
    def fits_instrument(self) -> bool:
        """Whether the scanner or the probe are fitted."""
        return bool(self.scale_sigma or self.shear_sigma or self.stiffness_sigma or self.depth_sigma)

    @classmethod
    def known(cls) -> RefinementSettings:
        """Everything but the positions is known: tip, charges, elements, and all atoms."""
        return cls(
            stages=FAR_TO_NEAR,
            charge_sigma=0.0,
            tilt_sigma=0.0,
            distance_sigma=0.0,
            element_sigma=0.0,
            hidden_sigma=0.0,
            completions=0,
            observations=300.0,
            floor=1e-3,
            sigma_scale=1.0,
            max_shift=3.0,
        )
