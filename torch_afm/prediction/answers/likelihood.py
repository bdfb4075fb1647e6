"""How well images of structures explain a scan."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.functional import remove_slope
from torch_afm.io import AFMStack
from torch_afm.metrics.evidence import log_likelihood, noise_floor
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.refinement import ScannedModel
from torch_afm.prediction.refinement.images import SliceImages
from torch_afm.prediction.stored import Imaging

#: Every so many pixels along x and y are compared.
_STRIDE = 2

#: Structures that are imaged in one launch.
_BATCH = 32


class ScanLikelihood:
    """The logarithm of the likelihood of the images of structures
    (:func:`torch_afm.metrics.evidence.log_likelihood`), every second pixel along x and y compared.

    Args:
        reference: the scan; where its planes were taken out, so are those of the images.
        scan: its window, pixels and heights.
        backend: of the renderer.

    Attributes:
        floor: share of the variance of each slice that is noise, ``[Z]``.
        renderer: simulator with the scan.
    """

    def __init__(self, reference: AFMStack, scan: Scan, backend: str = "auto") -> None:
        self.stack = reference.tensor()
        self.scan, self.renderer = scan, ProbeParticleModel(scan, backend=backend).quiet()
        self.floor = noise_floor(reference.stack[0].astype(np.float64))
        self.plane = reference.leveled
        self._images = SliceImages(scan, _STRIDE, plane=self.plane)
        self._shown = self._images.normalize(self._images.pick(self.stack[0, 0]))

    @torch.no_grad()
    def __call__(self, structures: Sequence[AFMData], imaging: Imaging) -> list[float]:
        """Of each structure, as one instrument images it."""
        model = ScannedModel(self.renderer, imaging.scanner)
        found: list[float] = []
        for first in range(0, len(structures), _BATCH):
            shown = [AFMData(z=s.z, pos=s.pos, charge=s.charge) for s in structures[first : first + _BATCH]]
            stacks = model(
                Batch.from_data_list(shown),
                tip=imaging.tip,
                z_top=imaging.z_top,
                pixels=self._images.pixels,
            )
            found += [self._compare(stack) for stack in stacks[:, 0].cpu()]
        return found

    @torch.no_grad()
    def image(self, structure: AFMData, imaging: Imaging) -> Tensor:
        """The stack of a structure in Hz ``[1, 1, Z, Y, X]``, without planes where the scan has none."""
        shown = AFMData(z=structure.z, pos=structure.pos, charge=structure.charge)
        model = ScannedModel(self.renderer, imaging.scanner)
        stack = model(shown, tip=imaging.tip, z_top=imaging.z_top).cpu()
        return remove_slope(stack) if self.plane else stack

    def _compare(self, stack: Tensor) -> float:
        difference = self._images.normalize(stack) - self._shown
        return log_likelihood(difference.square().mean(1).double().numpy(), self.floor)
