"""The network that places one atom at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch_afm.config.scan import Scan
from torch_afm.elements import AtomClasses
from torch_afm.utils import InputError

#: Atoms at which a generation is cut off: twice the visible atoms of the largest molecules of the thesis.
MAX_ATOMS = 60


@dataclass(frozen=True)
class GraphGeneratorConfig:
    """The network of :class:`torch_afm.models.GraphGenerator`; the defaults are the preset ``thesis``.

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
        coordinates: attention gates also say where they look; see :class:`torch_afm.nn.AFMEncoder`.
        stop_feature: node features have an entry for the class *stop* too (0 for atoms in the graph, its
            probability for the atom to come).
        class_channels: hidden sizes of the class head.
        position_channels: hidden sizes of the position head.
        bond_channels: hidden sizes of the bond head.
    """

    scan: Scan = field(default_factory=Scan)
    groups: tuple[tuple[str, ...], ...] = AtomClasses().groups
    z_min: float = -0.7
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
        if not self.z_min < 0:
            raise InputError(f"z_min: expected a negative depth in Å, got {self.z_min}")
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
        AtomClasses(self.groups)

    @classmethod
    def preset(cls, name: str) -> GraphGeneratorConfig:
        """A named configuration.

        * ``thesis``: 750,335 parameters, the number that the thesis gives, by one residual encoder for both
          stacks.
        * ``literal``: 750,335 parameters too, by the thesis' words taken literally: an encoder a stack,
          single convolutions.
        * ``small``: for CPUs: 64 x 64 pixels over the same window, narrow single convolutions, gates that
          give coordinates.

        The thesis does not say which of the first two it is.
        """
        if name not in _PRESETS:
            raise InputError(f"preset: expected one of {', '.join(_PRESETS)}, got {name!r}")
        return cls(**_PRESETS[name])


_PRESETS: dict[str, dict[str, Any]] = {
    "thesis": {},
    "literal": {
        "attention_channels": 16,
        "attention_kernel": 1,
        "residual": False,
        "shared_encoder": False,
        "stop_feature": True,
        "bond_channels": (32, 32),
    },
    "small": {
        "scan": Scan(pixels=(64, 64)),
        "volume_channels": (2, 4, 8, 16),
        "map_channels": (8, 16, 32, 64),
        "attention_channels": 8,
        "attention_scale": 20.0,
        "residual": False,
        "coordinates": True,
    },
}
