"""The trainings that are compared: that of ``examples/configs/scan.yaml``, with shorter epochs and a shorter
average of the weights, and it with one thing changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from benchmarks.ablation.slice_set import SliceSetConfig
from benchmarks.ablation.stop_head import StopHeadConfig
from torch_afm.cli.parsers.train import parse
from torch_afm.config import ScanLossConfig
from torch_afm.config.nuisances import NuisanceConfig
from torch_afm.config.scenes import SceneConfig
from torch_afm.train import TrainConfig

_SETTINGS = Path(__file__).parents[2] / "examples" / "configs" / "scan.yaml"

#: Training and validation samples of an epoch, about a CPU minute; a run ends with the epoch whose end is
#: nearest to its budget.
_EPOCH, _VALIDATION = 2048, 64

#: Decay of the average of the weights, over the last 100 steps: in one over 1000, as of a long training,
#: some of the initial weights would be left.
_EMA = 0.99


@dataclass(frozen=True)
class Variant:
    """A training.

    Args:
        text: what differs from the base.
        changes: fields of :class:`~torch_afm.train.TrainConfig`; those of ``scene``, ``loss`` and ``model``
            are fields of these.
        model: class of the settings of the network, in place of that of the base.
    """

    text: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    model: type | None = None

    def config(self, out: Path) -> TrainConfig:
        """The settings of the training, into the folder ``out``."""
        args = parse(["--config", str(_SETTINGS)])
        base = TrainConfig(**{f.name: args[f.name] for f in fields(TrainConfig)})
        changes = dict(self.changes)
        for name in ("scene", "loss", "model"):
            if isinstance(changes.get(name), Mapping):
                changes[name] = replace(getattr(base, name), **changes[name])
        if self.model is not None:
            values = {f.name: getattr(base.model, f.name) for f in fields(base.model)}
            changes |= {"model": self.model(**values), "loss": ScanLossConfig()}
        own = {"out": str(out), "epoch_samples": _EPOCH, "val_samples": _VALIDATION, "ema": _EMA}
        own["progress"] = False
        return replace(base, **own, **changes)


VARIANTS: dict[str, Variant] = {
    "base": Variant("slices in slots, no decision to stop, weights e^(z / 1.5 Å), bfloat16, Muon"),
    "molecules": Variant(
        "molecules alone in their best rotations, no scenes", {"scenes": 0, "scene": SceneConfig()}
    ),
    "nominal": Variant("no nuisances", {"realistic": 0.0, "nuisances": NuisanceConfig()}),
    "bulky": Variant("no flat molecules", {"molecules": "organic", "scene": {"planar": 0.0}}),
    "slice-set": Variant("slices as a set, with attention along z", model=SliceSetConfig),
    "stop-head": Variant("a decision to stop for the whole scan", model=StopHeadConfig),
    "deep": Variant("weights e^(z / 3 Å)", {"loss": {"depth": 3.0}}),
    "cut": Variant("no atoms below 0.7 Å", {"model": {"z_context": -0.7}}),
    "float32": Variant("float32", {"precision": "32-true"}),
    "copies": Variant(
        "four partial graphs of each scene, in eight symmetric copies", {"mutants": 4, "copies": 8}
    ),
    "adam": Variant("Adam alone", {"muon_lr": 0.0}),
}
