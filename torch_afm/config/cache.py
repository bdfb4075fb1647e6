"""Settings of rendered training data."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch_afm.config import Scan, Tip
from torch_afm.config.scenes import SceneConfig
from torch_afm.utils import InputError

#: Number types of stored stacks.
STORAGE = ("float16", "uint8")

#: HDF5 filters: gzip of level 1, which every HDF5 library reads; lzf, faster and larger, for h5py alone.
COMPRESSION = ("gzip", "lzf", "none")


@dataclass(frozen=True)
class CacheConfig:
    """Settings of rendered training data.

    Args:
        scan: the scan of every stack.
        tip: the tip that draws start from.
        rotations: best rotations of each molecule, or windows of each surface
            (:class:`~torch_afm.datasets.SurfaceWindows`).
        candidates: orientations these are chosen from.
        scenes: number of scenes of the molecules (:class:`~torch_afm.datasets.Scenes`) that stacks show in
            place of each molecule in its best rotations; 0 for none.
        scene: what scenes are drawn from.
        draws: reference stacks of each rotation or scene, each under a tip of its own.
        storage: ``float16``, or ``uint8`` for half the space; see :func:`torch_afm.io.hdf5.quantize`.
        compression: ``gzip``, ``lzf`` or ``none``.
        file_samples: stacks in one file; an interruption loses the unfinished file.
        seed: seed of everything drawn.
    """

    scan: Scan = field(default_factory=Scan)
    tip: Tip = field(default_factory=Tip)
    rotations: int = 30
    candidates: int = 500
    scenes: int = 0
    scene: SceneConfig = field(default_factory=SceneConfig)
    draws: int = 1
    storage: str = "float16"
    compression: str = "gzip"
    file_samples: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("rotations", "draws", "file_samples"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.candidates < self.rotations:
            raise InputError(
                f"candidates: expected at least {self.rotations} (rotations), got {self.candidates}"
            )
        if self.scenes < 0:
            raise InputError(f"scenes: expected a number, 0 or more, got {self.scenes}")
        if not self.scenes and self.scene != SceneConfig():
            raise InputError("scene: expected the default settings without scenes, got others")
        for name, known in (("storage", STORAGE), ("compression", COMPRESSION)):
            if getattr(self, name) not in known:
                raise InputError(f"{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}")
