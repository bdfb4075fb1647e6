"""Options of the search for the molecule that a scan shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch_afm.config.prediction import ReadOptions, ScanPreparation
from torch_afm.config.tip import Tip
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
        starts: poses at which the fits of a candidate begin; the first four of them in any case, the others
            where it is among the best.
        compared: best candidates, by their first fits, whose fits begin at all of the starts.
        fits: best of these whose pose is fitted together with the instrument.
        seed: of conformers and orientations.
        backend: renderer; auto: CUDA where there is a GPU for it, else OpenCL, else torch.
    """

    reading: ReadOptions = field(default_factory=ReadOptions)
    preparation: ScanPreparation = field(default_factory=ScanPreparation)
    conformers: int = 3
    xtb: bool = False
    tip: str = "CO"
    starts: int = 14
    compared: int = 25
    fits: int = 12
    seed: int = 0
    backend: Literal["auto", "opencl", "cuda", "torch"] = "auto"

    def __post_init__(self) -> None:
        for name in ("conformers", "compared", "fits", "starts"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected 1 or more, got {getattr(self, name)}")
        Tip.preset(self.tip)
        if not 0 <= self.seed < 2**31:
            raise InputError(f"seed: expected a whole number from 0 to 2^31 - 1, got {self.seed}")
