"""Stacks of training steps: rendered, or references read from a folder."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, pack_atoms
from torch_afm.datasets.draws import StepDraw
from torch_afm.datasets.manifest import Manifest
from torch_afm.datasets.measured import render_measured
from torch_afm.datasets.nuisances import Measurement
from torch_afm.datasets.shards import finished_digests, integrity_error
from torch_afm.datasets.slabs import MARGIN
from torch_afm.datasets.sources import CLEARANCE, MoleculeSource, check_margin, within_margin
from torch_afm.io.hdf5 import SampleFile
from torch_afm.ppm import ProbeParticleModel, anchor_height, nominal_height
from torch_afm.progress import ProgressBar
from torch_afm.transforms import RandomTip
from torch_afm.transforms.base import Drawn
from torch_afm.utils import InputError

#: Files that a process keeps open.
_OPEN = 256


class StepRenderer:
    """Renders the stacks of training steps, references included.

    Args:
        scan: the scan that is rendered.
        tip: the tip that draws start from.
        backend: backend of :class:`~torch_afm.ppm.ProbeParticleModel`.

    Attributes:
        stored: whether references are read from files.
    """

    stored: ClassVar[bool] = False

    def __init__(self, scan: Scan | None = None, tip: Tip | None = None, backend: str = "auto") -> None:
        self.scan = scan or Scan()
        self.tip = tip or Tip()
        self.backend = backend

    @cached_property
    def renderer(self) -> ProbeParticleModel:
        """Made when first needed: a process that has rendered cannot be forked into workers that render."""
        return ProbeParticleModel(self.scan, self.tip, backend=self.backend)

    @cached_property
    def identity(self) -> str:
        """What else than an oriented molecule and its draw decides a reference stack."""
        return repr((self.scan, self.tip))

    def with_tips(self, draws: Sequence[StepDraw], epochs: Sequence[int]) -> Sequence[StepDraw]:
        """``draws`` with the tips of the reference stacks that there are in these epochs."""
        return draws

    def references(self, draws: Sequence[StepDraw]) -> Tensor | None:
        """Reference stacks ``[B, C, Z, Y, X]`` in Hz; none where :meth:`render` renders them."""
        return None

    def render(self, graphs: Sequence[AFMData], moves: Sequence[Drawn], z_top: Tensor) -> Tensor:
        """A stack of each graph.

        Args:
            graphs: with ``z``, ``pos``, ``charge`` and perhaps ``dipole``.
            moves: of the tip, as :class:`~torch_afm.transforms.RandomTip` draws them.
            z_top: first anchor heights in Å without the drawn distances.

        Shapes:
            z_top ``[B]``, result ``[B, C, Z, Y, X]`` in Hz.
        """
        moved = [RandomTip.apply(self.tip, z, **move) for z, move in zip(z_top, moves, strict=True)]
        heights = torch.stack([height for _, height in moved])
        return self.renderer(pack_atoms(graphs), [[tip] for tip, _ in moved], heights)

    def measure(self, molecule: AFMData, measurement: Measurement) -> Tensor:
        """The raw stack of a molecule, in the frame of the sample, that is measured in this way, on its
        device (:func:`~torch_afm.datasets.measured.render_measured`).

        Shapes:
            ``[1, M, Y, X]`` in Hz.
        """
        return render_measured(molecule, measurement, self.scan, self.tip, self.backend)[None]

    @cached_property
    def nominal_height(self) -> Tensor:
        """First anchor height in Å above an oxygen atom at z = 0, as predictions begin with, ``[1]``."""
        return torch.tensor([nominal_height(self.scan, self.tip)], dtype=torch.float64)

    def anchor_heights(self, molecules: Sequence[AFMData], margin: float | None = None) -> Tensor:
        """First anchor height in Å above each oriented molecule, ``[B]``; atoms farther outside of the window
        than 3 Å do not count where molecules are windows of surfaces, which have a ``margin``."""
        reach = None if margin is None else max(margin, CLEARANCE)
        near = pack_atoms([_select(molecule, self.scan, reach) for molecule in molecules])
        return anchor_height(near, self.scan, self.tip)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(pixels={self.scan.pixels}, backend={self.backend!r})"


class StoredReferences(StepRenderer):
    """Reference stacks from a folder that ``torch-afm dataset`` (or :func:`~torch_afm.datasets.write_cache`)
    rendered. Simulated stacks are rendered.

    In epoch ``e`` a reference stack is that of tip draw ``e % draws``. So the samples of the first ``draws``
    epochs are, up to the precision of the storage, those of a :class:`~torch_afm.datasets.StepDataset` that
    renders them, with the same molecules, settings and seed; later ones share with it all but the tip of the
    reference.

    Args:
        folder: what was rendered; its manifest names scan, tip and rotations.
        backend: backend of :class:`~torch_afm.ppm.ProbeParticleModel`.
        margin: of surfaces and scenes, as in :class:`~torch_afm.datasets.SurfaceWindows`, in Å.
        partial: use what is there where files are damaged, or not rendered yet; rotations are then numbered
            anew, without those.

    Attributes:
        manifest: settings, molecules and versions.

    Raises:
        InputError: for a folder without manifest, and for a missing or damaged file, naming it.
    """

    stored = True

    def __init__(
        self,
        folder: str | Path,
        backend: str = "auto",
        margin: float = MARGIN,
        partial: bool = False,
    ) -> None:
        self.folder = Path(folder)
        self.manifest = Manifest.read(self.folder)
        super().__init__(self.manifest.config.scan, self.manifest.config.tip, backend)
        check_margin(margin)
        self._digests = finished_digests(self.folder, lenient=partial)
        self._numbers = self._check(partial)
        self._open: OrderedDict[int, SampleFile] = OrderedDict()
        self._pid = os.getpid()
        self.margin = margin

    def __len__(self) -> int:
        """Number of oriented molecules."""
        return len(self._numbers)

    @property
    def molecules(self) -> MoleculeSource:
        """The oriented molecules of the folder, the ``source`` of a data set."""
        return _StoredMolecules(self)

    @cached_property
    def identity(self) -> str:
        return json.dumps([self.manifest.fingerprint, {k: sorted(v) for k, v in self._digests.items()}])

    def graph(self, group: int) -> AFMData:
        """Oriented molecule ``group``."""
        file, row = self._find(group, 0)
        return file.graph(row)

    def with_tips(self, draws: Sequence[StepDraw], epochs: Sequence[int]) -> Sequence[StepDraw]:
        tipped = []
        for draw, epoch in zip(draws, epochs, strict=True):
            move = _tip(*self._find(draw.group, epoch % self.manifest.config.draws))
            tipped.append(replace(draw, reference=replace(draw.reference, tip=move)))
        return tipped

    def references(self, draws: Sequence[StepDraw]) -> Tensor:
        return torch.stack([self._reference(draw) for draw in draws])

    def _reference(self, draw: StepDraw) -> Tensor:
        """The stack in Hz that has the tip of the draw."""
        for number in range(self.manifest.config.draws):
            file, row = self._find(draw.group, number)
            if _tip(file, row) == draw.reference.tip:
                return file.stack(row)
        raise InputError(f"drawn: expected the tip of a stack in {self.folder}, got another")

    def _find(self, group: int, draw: int) -> tuple[SampleFile, int]:
        config = self.manifest.config
        number, row = divmod(int(self._numbers[group]) * config.draws + draw, config.file_samples)
        if self._pid != os.getpid():
            # A forked process must not read through its parent's files.
            self._open, self._pid = OrderedDict(), os.getpid()
        if number not in self._open:
            if len(self._open) == _OPEN:
                self._open.popitem(last=False)[1].close()
            self._open[number] = SampleFile(self.folder / self.manifest.files[number])
        self._open.move_to_end(number)
        return self._open[number], row

    def _check(self, partial: bool) -> np.ndarray:
        """Numbers of the rotations that can be used."""
        names, draws = self.manifest.files, self.manifest.config.draws
        usable = np.ones(self.manifest.samples, dtype=bool)
        damaged = []
        for number, name in enumerate(ProgressBar(names, desc="verify", unit="file", leave=False)):
            error = integrity_error(self.folder / name, self._digests.get(name, set()))
            if error:
                usable[self.manifest.span(number)] = False
                damaged.append(f"{name} ({error})")
        whole = np.flatnonzero(usable.reshape(-1, draws).all(axis=1))
        if damaged and (not partial or not len(whole)):
            more = f" and {len(damaged) - 3} more" if len(damaged) > 3 else ""
            raise InputError(
                f"{self.folder}: expected {len(names)} intact files, got {', '.join(damaged[:3])}{more}; "
                "torch-afm dataset renders them anew, partial=True does without them"
            )
        return whole

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict()}

    def __repr__(self) -> str:
        noun = "scenes" if self.manifest.config.scenes else "rotations"
        return f"{type(self).__name__}({str(self.folder)!r}, {len(self)} {noun})"


class _StoredMolecules(MoleculeSource):
    """The oriented molecules of stored references."""

    def __init__(self, stored: StoredReferences) -> None:
        self.stored = stored
        manifest = stored.manifest
        self.margin = stored.margin if manifest.surfaces or manifest.config.scenes else None
        self.orientations = manifest.orientations

    def __len__(self) -> int:
        return len(self.stored)

    def oriented(self, index: int) -> AFMData:
        return self.stored.graph(index)

    def __repr__(self) -> str:
        return repr(self.stored)


def _tip(file: SampleFile, row: int) -> Drawn:
    """The move of the tip that a stack was rendered with."""
    tilt, distance = file.rows[row]["tilt"], file.rows[row]["distance"]
    return {"tilt": tilt.tolist(), "distance": float(distance)}


def _select(molecule: AFMData, scan: Scan, margin: float | None) -> AFMData:
    mask = within_margin(molecule.pos, scan, margin)
    return AFMData(z=molecule.z[mask], pos=molecule.pos[mask], charge=molecule.charge[mask])
