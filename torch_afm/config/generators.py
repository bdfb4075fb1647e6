"""Settings of the generators and their losses, and the presets of both.

Networks from outside are found by their entry point, in the group :data:`ENTRY_POINTS`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from torch_afm.config.scan import Scan
from torch_afm.elements import ORGANIC, ORGANIC_AND_IODINE, AtomClasses
from torch_afm.utils import InputError


@dataclass(frozen=True)
class SequentialLossConfig:
    """Weights of :class:`torch_afm.nn.SequentialLoss`; the defaults are those of the graph-AFM thesis, Aalto
    University (see CITATION.cff), section 4.3.

    Args:
        node_weight: weight of the cross-entropy of the class.
        edge_weight: weight of the binary cross-entropy of the bonds.
    """

    node_weight: float = 3.0
    edge_weight: float = 2.0

    def __post_init__(self) -> None:
        _check_weights(self)


@dataclass(frozen=True)
class SpatialLossConfig:
    """Weights of :class:`torch_afm.nn.SpatialLoss`, where each is explained.

    Args:
        context_weight: weight of an atom below the surface cut; one above it has 1.
        position_weight: weight of the likelihoods of positions, of missing atoms and of those there are.
        stop_weight: weight of the cross-entropy of *no visible atom is missing*.
        class_weight: weight of the cross-entropy of the class.
        bond_weight: weight of the binary cross-entropy of the bonds.
        real_weight: weight of the cross-entropy of whether an atom of the graph is real.
    """

    context_weight: float = 0.3
    position_weight: float = 0.1
    stop_weight: float = 0.5
    class_weight: float = 0.3
    bond_weight: float = 0.3
    real_weight: float = 0.3

    def __post_init__(self) -> None:
        _check_weights(self)


@dataclass(frozen=True)
class ScanLossConfig:
    """Weights of :class:`torch_afm.nn.ScanLoss`, where each is explained.

    Args:
        depth: depth in Å at which an atom has the weight 1/e.
        position_weight: weight of the likelihoods of the positions of missing atoms.
        move_weight: weight of the likelihoods of the moves of atoms that are there.
        class_weight: weight of the cross-entropy of the class.
        parent_weight: weight of the cross-entropy of the element that a hydrogen is bonded to.
        bond_weight: weight of the binary cross-entropy of the bonds.
        real_weight: weight of the cross-entropy of whether an atom of the graph is real.
    """

    depth: float = 1.5
    position_weight: float = 0.1
    move_weight: float = 0.02
    class_weight: float = 0.3
    parent_weight: float = 0.1
    bond_weight: float = 0.3
    real_weight: float = 0.3

    def __post_init__(self) -> None:
        _check_weights(self)
        if not self.depth > 0:
            raise InputError(f"depth: expected a positive depth in Å, got {self.depth}")


def _check_weights(config: Any) -> None:
    for one in fields(config):
        weight = getattr(config, one.name)
        if not (math.isfinite(weight) and weight >= 0):
            raise InputError(f"{one.name}: expected a finite weight, 0 or more, got {weight}")


#: Atoms at which a generation is cut off: twice the visible atoms of the largest molecules of the thesis.
MAX_ATOMS = 60

#: Group of the entry points ``name = module:Class`` of generators from other packages.
ENTRY_POINTS = "torch_afm.generators"


@dataclass(frozen=True)
class GeneratorConfig:
    """What the settings of every generator have; those of a network derive from it.

    Args:
        scan: the scan that both stacks come from.
        groups: elements of each atom class, as in :class:`torch_afm.elements.AtomClasses`.
        z_min: depth in Å of the surface cut below the top atom at z = 0: atoms above it are the answer.
    """

    scan: Scan = field(default_factory=Scan)
    groups: tuple[tuple[str, ...], ...] = AtomClasses().groups
    z_min: float = -0.7

    def __post_init__(self) -> None:
        if not self.z_min < 0:
            raise InputError(f"z_min: expected a negative depth in Å, got {self.z_min}")
        AtomClasses(self.groups)

    @property
    def z_targets(self) -> float:
        """Depth in Å down to which atoms are predicted; those below ``z_min`` are context of the answer."""
        return self.z_min


@dataclass(frozen=True)
class SequentialGeneratorConfig(GeneratorConfig):
    """The network of :class:`torch_afm.models.SequentialGenerator`; the defaults are the preset ``thesis``.

    Args:
        scan: the scan that both stacks come from.
        groups: elements of each atom class, as in :class:`torch_afm.elements.AtomClasses`.
        z_min: depth in Å of the surface cut below the top atom at z = 0; the scale of predicted heights.
        node_channels: size of the node states.
        propagations: message passing steps over the graph.
        message_channels: hidden sizes of the message MLP.
        graph_channels: size of the graph encoding.
        attention_channels: size of the query, and channels of the attention maps.
        attention_kernel: kernel size of the attention convolutions.
        attention_scale: factor on the attention scores of all pixels; see
            :class:`torch_afm.nn.QueryAttentionGate`.
        volume_channels: channels of the 3-D blocks, a level each; pixels halve from level to level.
        map_channels: channels of the 2-D blocks.
        image_channels: size of an image encoding.
        residual: residual blocks in place of single convolutions.
        shared_encoder: one image encoder for both stacks.
        coordinates: attention gates also give coordinates; see :class:`torch_afm.nn.AFMEncoder`.
        stop_feature: node features have an entry for the class *stop* too (0 for atoms in the graph, its
            probability for the atom to come).
        class_channels: hidden sizes of the class head.
        position_channels: hidden sizes of the position head.
        bond_channels: hidden sizes of the bond head.
    """

    node_channels: int = 20
    propagations: int = 3
    message_channels: tuple[int, ...] = (64,)
    graph_channels: int = 128
    attention_channels: int = 64
    attention_kernel: int = 3
    attention_scale: float = 1.0
    volume_channels: tuple[int, ...] = (4, 8, 16, 32)
    map_channels: tuple[int, ...] = (32, 48, 64, 96)
    image_channels: int = 128
    residual: bool = True
    shared_encoder: bool = True
    coordinates: bool = False
    stop_feature: bool = False
    class_channels: tuple[int, ...] = (32,)
    position_channels: tuple[int, ...] = (64, 64)
    bond_channels: tuple[int, ...] = (32,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.volume_channels or len(self.volume_channels) != len(self.map_channels):
            raise InputError(
                "volume_channels, map_channels: expected as many of each, and at least one, "
                f"got {len(self.volume_channels)} and {len(self.map_channels)}"
            )
        halvings = len(self.map_channels) - 1
        if min(self.scan.pixels) >> halvings == 0:
            raise InputError(f"scan: expected pixels that halve {halvings} times, got {self.scan.pixels}")
        if self.attention_kernel % 2 == 0:
            raise InputError(f"attention_kernel: expected an odd size, got {self.attention_kernel}")


@dataclass(frozen=True)
class SpatialGeneratorConfig(GeneratorConfig):
    """The network of :class:`torch_afm.models.SpatialGenerator`; the defaults are the preset ``spatial``.

    Args:
        scan: the scan that both stacks come from.
        groups: elements of each atom class, as in :class:`torch_afm.elements.AtomClasses`.
        z_min: depth in Å of the surface cut below the top atom at z = 0: atoms above it are the answer.
        z_context: depth in Å down to which atoms are predicted, as context of the answer.
        stride: pixels of the stacks for one of the maps, along x and y.
        channels: channels of the levels of the U-Net, finest first.
        query_channels: size of the graph encoding that steers the gates.
        sigma: width in Å of the Gaussians that atoms are painted with, and are learned as.
        difference: give the network the difference of the two stacks, besides both.
        painting: paint the graph so far into the image plane.
    """

    scan: Scan = field(default_factory=lambda: Scan(pixels=(64, 64)))
    groups: tuple[tuple[str, ...], ...] = tuple((symbol,) for symbol in ORGANIC)
    z_context: float = -3.0
    stride: int = 2
    channels: tuple[int, ...] = (48, 80, 112, 128)
    query_channels: int = 32
    sigma: float = 0.5
    difference: bool = True
    painting: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.z_context <= self.z_min:
            raise InputError(
                f"z_min, z_context: expected z_context <= z_min < 0 Å, got {self.z_min} and {self.z_context}"
            )
        if self.stride not in (1, 2, 4) or not self.channels or not self.sigma > 0:
            raise InputError(
                "stride, channels, sigma: expected 1, 2 or 4, a level at least, and a positive width, "
                f"got {self.stride}, {self.channels} and {self.sigma}"
            )
        multiple = self.stride * 2 ** (len(self.channels) - 1)
        if any(n % multiple for n in self.scan.pixels):
            raise InputError(f"scan: expected pixels in multiples of {multiple}, got {self.scan.pixels}")

    @property
    def z_targets(self) -> float:
        return self.z_context


@dataclass(frozen=True)
class ScanGeneratorConfig(GeneratorConfig):
    """The network of :class:`torch_afm.models.ScanGenerator`; the defaults are the preset ``scan``.

    Args:
        scan: the scan that it is trained on; of others, only the slices and the size of a pixel must be the
            same.
        groups: elements of each atom class, as in :class:`torch_afm.elements.AtomClasses`.
        z_min: depth in Å of the surface cut below the top atom at z = 0: what tables call visible.
        z_context: depth in Å down to which atoms are predicted.
        channels: channels of the levels of the U-Net, finest first.
        sigma: width in Å of the Gaussians that atoms are painted with, and are learned as.
    """

    scan: Scan = field(
        default_factory=lambda: Scan(window=((-7.875, 7.875), (-7.875, 7.875)), pixels=(64, 64))
    )
    groups: tuple[tuple[str, ...], ...] = tuple((symbol,) for symbol in ORGANIC_AND_IODINE)
    z_context: float = -3.0
    channels: tuple[int, ...] = (48, 96, 192)
    sigma: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.z_context <= self.z_min:
            raise InputError(
                f"z_min, z_context: expected z_context <= z_min < 0 Å, got {self.z_min} and {self.z_context}"
            )
        if not self.channels or not self.sigma > 0:
            raise InputError(
                "channels, sigma: expected a level at least, and a positive width, "
                f"got {self.channels} and {self.sigma}"
            )
        if any(n % self.multiple for n in self.scan.pixels):
            raise InputError(f"scan: expected pixels in multiples of {self.multiple}, got {self.scan.pixels}")
        x, y = self.scan.pixel_size
        if abs(x - y) > 1e-3 * x:
            raise InputError(f"scan: expected square pixels, got {x:.4g} x {y:.4g} Å")

    @property
    def stride(self) -> int:
        """Pixels of an image for one of the maps, along x and y."""
        return 2

    @property
    def multiple(self) -> int:
        """The pixels of an image, along x and y, are multiples of this."""
        return int(self.stride * 2 ** (len(self.channels) - 1))

    @property
    def z_targets(self) -> float:
        return self.z_context


#: Named settings.
#:
#: * ``spatial``: maps of all missing atoms, 64 x 64 pixels.
#: * ``scan``: maps of all missing atoms of a scan of any size at 0.25 Å a pixel, eleven elements.
#: * ``thesis``: 750,335 parameters, the number that the thesis gives, by one residual encoder for both
#:   stacks.
#: * ``literal``: 750,335 parameters too, by the thesis' words taken literally: an encoder a stack, single
#:   convolutions. The thesis does not say which of these two it is.
#: * ``small``: for CPUs: 64 x 64 pixels over the same window, narrow single convolutions, gates that give
#:   coordinates.
PRESETS: dict[str, GeneratorConfig] = {
    "spatial": SpatialGeneratorConfig(),
    "scan": ScanGeneratorConfig(),
    "thesis": SequentialGeneratorConfig(),
    "literal": SequentialGeneratorConfig(
        attention_channels=16,
        attention_kernel=1,
        residual=False,
        shared_encoder=False,
        stop_feature=True,
        bond_channels=(32, 32),
    ),
    "small": SequentialGeneratorConfig(
        scan=Scan(pixels=(64, 64)),
        volume_channels=(2, 4, 8, 16),
        map_channels=(8, 16, 32, 64),
        attention_channels=8,
        attention_scale=20.0,
        residual=False,
        coordinates=True,
    ),
}


def generator_config(preset: str) -> GeneratorConfig:
    """The settings of a name in :data:`PRESETS`, or the default ones of a network from outside by the name of
    its entry point.

    Raises:
        InputError: for another name, and for an entry point that cannot be loaded.
    """
    if preset in PRESETS:
        return PRESETS[preset]
    outside = outside_generators()
    if preset not in outside:
        raise InputError(f"preset: expected one of {', '.join([*PRESETS, *outside])}, got {preset!r}")
    config: GeneratorConfig = load_entry_point(outside[preset]).Config()
    return config


def outside_generators() -> dict[str, EntryPoint]:
    """The entry points of generators that other packages bring, by name."""
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def load_entry_point(entry: EntryPoint) -> Any:
    """The class that an entry point names.

    Raises:
        InputError: where it cannot be imported.
    """
    try:
        return entry.load()
    except Exception as error:
        raise InputError(
            f"{entry.name}: expected a network at the entry point {entry.value}, got: {error}"
        ) from error
