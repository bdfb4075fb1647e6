"""Options of the search for the molecule that a scan shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch_afm.config.prediction import ReadOptions, ScanPreparation
from torch_afm.config.tip import TIP_PRESETS
from torch_afm.utils import InputError


@dataclass(frozen=True)
class IdentifyOptions:
    """Options of :func:`torch_afm.identify` and of ``torch-afm identify``.

    Args:
        reading: how to read scan files.
        preparation: what is done to the scan.
        conformers: geometries of each molecule of a SMILES that is not planar and has no stored one, by
            ETKDG.
        xtb: relax these by GFN2-xTB, which takes seconds each and needs the extra xtb.
        tip: preset of the tip that the scan was measured with; its stiffness and depth are fitted.
        starts: poses at which the short fits of each candidate begin.
        compared: best candidates, by their short fits, that are fitted at all heights.
        fits: best of these whose pose is fitted together with the instrument.
        seed: of conformers and orientations.
        backend: renderer; auto: CUDA where there is a GPU for it, else OpenCL, else torch.
    """

    reading: ReadOptions = field(default_factory=ReadOptions)
    preparation: ScanPreparation = field(default_factory=ScanPreparation)
    conformers: int = 3
    xtb: bool = False
    tip: str = "CO"
    starts: int = 48
    compared: int = 20
    fits: int = 10
    seed: int = 0
    backend: Literal["auto", "opencl", "cuda", "torch"] = "auto"

    def __post_init__(self) -> None:
        for name in ("conformers", "compared", "fits", "starts"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected 1 or more, got {getattr(self, name)}")
        if self.tip not in TIP_PRESETS:
            raise InputError(f"tip: expected one of {', '.join(TIP_PRESETS)}, got {self.tip!r}")
        if not 0 <= self.seed < 2**31:
            raise InputError(f"seed: expected a whole number from 0 to 2^31 - 1, got {self.seed}")
