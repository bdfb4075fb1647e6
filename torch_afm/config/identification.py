"""Options of the search for the molecule that a scan shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch_afm.config.prediction import ReadOptions, ScanPreparation
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
        compared: best candidates, by the correlation of their images with the scan, whose poses are fitted.
        fits: best of these whose pose is fitted again together with the instrument.
        starts: places of each candidate that a first fit begins at.
        seed: of conformers and orientations.
        backend: renderer; auto: CUDA where there is a GPU for it, else OpenCL, else torch.
    """

    reading: ReadOptions = field(default_factory=ReadOptions)
    preparation: ScanPreparation = field(default_factory=ScanPreparation)
    conformers: int = 3
    xtb: bool = False
    compared: int = 30
    fits: int = 12
    starts: int = 14
    seed: int = 0
    backend: Literal["auto", "opencl", "cuda", "torch"] = "auto"

    def __post_init__(self) -> None:
        for name in ("conformers", "compared", "fits", "starts"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected 1 or more, got {getattr(self, name)}")
        if not 0 <= self.seed < 2**31:
            raise InputError(f"seed: expected a whole number from 0 to 2^31 - 1, got {self.seed}")
