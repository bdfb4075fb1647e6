"""Training steps from rendered reference stacks."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.datasets.ledger import fault, finished
from torch_afm.datasets.manifest import Manifest
from torch_afm.datasets.slab import MARGIN
from torch_afm.datasets.steps import Record, StepDataset, distinct
from torch_afm.elements import AtomClasses
from torch_afm.io.hdf5 import SampleFile
from torch_afm.progress import ProgressBar
from torch_afm.transforms import Augment
from torch_afm.utils import InputError

#: Files that a process keeps open.
_OPEN = 256


class CachedAFMDataset(StepDataset):
    r"""Single-atom training steps whose reference stacks come from a folder that ``torch-afm dataset`` (or
    :func:`~torch_afm.datasets.write_cache`) rendered. Mutants, their stacks and all augmentations are drawn
    afresh for each epoch, as :class:`~torch_afm.datasets.AFMDataset` draws them.

    In epoch ``e`` a reference stack is that of tip draw ``e % draws``. So the samples of the first ``draws``
    epochs are, up to the precision of the storage, those of an :class:`~torch_afm.datasets.AFMDataset` with
    the same molecules, settings and seed (of surfaces,
    :class:`~torch_afm.datasets.SlabDataset`); later ones share with it all but the tip of the reference.

    Sample ``i`` is mutant ``i % mutants`` of rotation ``i // mutants % rotations`` of molecule
    ``i // mutants // rotations``. Arguments not named here are those of
    :class:`~torch_afm.datasets.StepDataset`.

    Args:
        folder: what was rendered; its manifest tells scan, tip and rotations.
        seed: seed of everything drawn; by default that of the folder.
        margin: of surfaces, as in :class:`~torch_afm.datasets.SlabDataset`, in Å.
        verify: compute the SHA-256 of every file now. Without it damage is found when a sample is read.
        partial: use what is there where files are damaged, or not rendered yet; rotations are then numbered
            anew, without those.

    Attributes:
        manifest: settings, molecules and versions.

    Raises:
        InputError: for a folder without manifest, and for a missing or damaged file, naming it: now, or when
            a sample is read from it.
    """

    def __init__(
        self,
        folder: str | Path,
        backend: str = "auto",
        z_min: float = -0.7,
        classes: AtomClasses | None = None,
        keep_deep: bool = False,
        true_elements: bool = False,
        augment: bool | Augment = True,
        mutants: int = 1,
        seed: int | None = None,
        margin: float = MARGIN,
        verify: bool = True,
        partial: bool = False,
        transform: Callable[[AFMData], AFMData] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.manifest = Manifest.read(self.folder)
        config = self.manifest.config
        self._numbers = self._check(verify, partial)
        self._open: OrderedDict[int, SampleFile] = OrderedDict()
        self._pid = os.getpid()
        super().__init__(
            config.scan,
            config.tip,
            backend,
            z_min,
            classes,
            keep_deep,
            true_elements,
            augment,
            mutants,
            config.seed if seed is None else seed,
            margin if self.manifest.surfaces else None,
            transform,
        )

    @property
    def groups(self) -> int:
        return len(self._numbers)

    def oriented(self, group: int) -> AFMData:
        file, row = self._find(group, 0)
        return file.graph(row)

    def draw_tip(self, epoch: int, group: int, rng: np.random.Generator) -> Record:
        super().draw_tip(epoch, group, rng)  # what is drawn next shall not differ from AFMDataset's
        file, row = self._find(group, epoch % self.manifest.config.draws)
        return _tip(file, row)

    def render(
        self,
        molecules: Sequence[AFMData],
        samples: Sequence[AFMData],
        records: Sequence[Record],
        reference: Tensor | None = None,
    ) -> Tensor:
        if reference is None:
            reference = torch.stack([self._reference(records[i]) for i in distinct(records)[0]])
        return super().render(molecules, samples, records, reference)

    def _reference(self, record: Mapping[str, Any]) -> Tensor:
        """The stack in Hz that has the record's tip."""
        for draw in range(self.manifest.config.draws):
            file, row = self._find(record["group"], draw)
            if _tip(file, row) == record["reference"]["tip"]:
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

    def _check(self, verify: bool, partial: bool) -> np.ndarray:
        """Numbers of the rotations that can be used."""
        names, draws = self.manifest.files, self.manifest.config.draws
        digests = finished(self.folder, lenient=partial)
        usable = np.ones(self.manifest.samples, dtype=bool)
        faults = []
        for number, name in enumerate(ProgressBar(names, desc="verify", unit="file", leave=False)):
            reason = fault(self.folder / name, digests.get(name, set()), verify)
            if reason:
                usable[self.manifest.span(number)] = False
                faults.append(f"{name} ({reason})")
        whole = np.flatnonzero(usable.reshape(-1, draws).all(axis=1))
        if faults and (not partial or not len(whole)):
            more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
            raise InputError(
                f"{self.folder}: expected {len(names)} intact files, got {', '.join(faults[:3])}{more}; "
                "torch-afm dataset renders them anew, partial=True does without them"
            )
        return whole

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict()}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r}, {self.groups} rotations{self._chosen()})"


def _tip(file: SampleFile, row: int) -> Record:
    """The move of the tip that a stack was rendered with."""
    tilt, distance = file.rows[row]["tilt"], file.rows[row]["distance"]
    return {"tilt": tilt.tolist(), "distance": float(distance)}
