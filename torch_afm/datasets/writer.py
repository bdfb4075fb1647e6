"""Rendering training data to a folder, file by file."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from torch_afm.config.cache import CacheConfig
from torch_afm.data import AFMData
from torch_afm.datasets.draws import StepDraws
from torch_afm.datasets.manifest import Manifest
from torch_afm.datasets.rendering import StepRenderer
from torch_afm.datasets.scenes import Scenes
from torch_afm.datasets.shards import (
    Shard,
    finished_digests,
    integrity_error,
    read_journal,
    remove_unfinished,
    write_journal,
)
from torch_afm.datasets.slabs import SurfaceWindows, is_surface
from torch_afm.datasets.sources import MoleculeSource, RotatedMolecules
from torch_afm.io.files import write_whole
from torch_afm.io.hdf5 import StoredSample, import_h5py, pack_samples
from torch_afm.progress import ProgressBar
from torch_afm.transforms import Augment
from torch_afm.utils import InputError

#: Stacks rendered in one launch, and to tell what all of them will take.
_BATCH, _TRIED = 32, 8


class Forecast(NamedTuple):
    """What rendering will take, by a few stacks that were rendered to tell.

    Attributes:
        files: to be written.
        stacks: in them.
        size: their bytes.
        seconds: until they are there, if the workers do not wait for each other.
    """

    files: int
    stacks: int
    size: float
    seconds: float


def write_cache(
    folder: str | Path,
    molecules: Sequence[AFMData],
    config: CacheConfig | None = None,
    shard: Shard | None = None,
    workers: int = 0,
    backend: str = "auto",
    source: str = "molecules of the caller",
    announce: Callable[[Forecast], None] | None = None,
) -> int:
    """Render the reference stacks of training steps into HDF5 files, for
    :class:`~torch_afm.datasets.StoredReferences`.

    Each file is written whole or not at all, then listed with its checksum. Called again, after whatever
    interruption, the function checks the files listed, and renders those that are missing or damaged. Equal
    settings give equal stacks, however many shards, workers and interruptions there were.

    Args:
        folder: made where it does not exist.
        molecules: molecules with ``z``, ``pos``, ``charge``, ``edge_index`` and perhaps ``dipole``, or
            periodic surfaces, with ``cell`` and ``pbc`` besides
            (:class:`~torch_afm.datasets.SurfaceWindows`).
        config: the settings.
        shard: which part of the files to render, where several jobs share the work.
        workers: processes that render; none renders in this one.
        backend: backend of :class:`~torch_afm.ppm.ProbeParticleModel`.
        source: where the molecules come from, for the manifest.
        announce: called before anything is rendered, with what there is to do.

    Returns:
        the number of files rendered now.

    Raises:
        InputError: for a folder with other settings or molecules, where h5py is missing, if a worker was
            killed, and if the disk is full or cannot be written to; finished files stay, and are used when
            the function is called again.
    """
    import_h5py()
    folder, config, shard = Path(folder), config or CacheConfig(), shard or Shard()
    manifest = Manifest.from_molecules(molecules, config, source)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        manifest.write(folder)
        todo = _todo(folder, manifest, shard)
        if todo:
            write = _FileWriter(folder, manifest, oriented_molecules(molecules, config), backend)
            if announce is not None:
                announce(write.forecast(todo, workers))
            _render_files(write, todo, folder / shard.journal, workers)
    except OSError as error:
        raise InputError(
            f"{error.filename or folder}: {error.strerror or error}; finished files are kept, and the same "
            "command goes on from there"
        ) from error
    return len(todo)


def oriented_molecules(molecules: Sequence[AFMData], config: CacheConfig) -> MoleculeSource:
    """What stacks show: molecules in their best rotations, scenes of them, or windows of surfaces."""
    if is_surface(molecules[0]):
        return SurfaceWindows(molecules, config.scan, config.rotations, seed=config.seed)
    if config.scenes:
        return Scenes(molecules, config.scan, config.scene, config.scenes, seed=config.seed)
    return RotatedMolecules(molecules, config.rotations, config.candidates, config.seed)


def _todo(folder: Path, manifest: Manifest, shard: Shard) -> list[int]:
    """Numbers of this shard's files that are missing or damaged."""
    mine = shard.files(len(manifest.files))
    names = [manifest.files[number] for number in mine]
    remove_unfinished(folder, {shard.journal, *names})
    digests = finished_digests(folder, lenient=True)
    todo = []
    checks = ProgressBar(mine, desc="check", unit="file", leave=False, disable=not digests)
    for number, name in zip(checks, names, strict=True):
        reason = integrity_error(folder / name, digests.get(name, set()))
        if reason:
            todo.append(number)
            if name in digests:
                warnings.warn(f"{folder / name}: {reason}; rendering it anew", stacklevel=3)
    return todo


class _FileWriter:
    """Renders one file, given its number, and returns its SHA-256."""

    def __init__(self, folder: Path, manifest: Manifest, source: MoleculeSource, backend: str) -> None:
        self.folder = folder
        self.manifest = manifest
        self.source = source
        self.draws = StepDraws(augment=Augment(stack=()), seed=manifest.config.seed)
        self.images = StepRenderer(manifest.config.scan, manifest.config.tip, backend)

    def __call__(self, number: int, tick: Callable[[int], Any] = lambda stacks: None) -> str:
        data = self._packed(self.manifest.span(number), tick)
        write_whole(self.folder / self.manifest.files[number], data)
        return hashlib.sha256(data).hexdigest()

    def forecast(self, files: Sequence[int], workers: int) -> Forecast:
        """What these files will take."""
        stacks = sum(len(self.manifest.span(number)) for number in files)
        tried = np.linspace(0, self.manifest.samples - 1, min(_TRIED, stacks)).astype(int).tolist()
        self._packed(tried[:1])  # compiles the kernels
        start = time.perf_counter()
        size = len(self._packed(tried))
        share = stacks / len(tried)
        seconds = (time.perf_counter() - start) * share / max(1, min(workers, len(files)))
        return Forecast(len(files), stacks, size * share, seconds)

    def _packed(self, span: Sequence[int], tick: Callable[[int], Any] = lambda stacks: None) -> bytes:
        config = self.manifest.config

        def samples() -> Iterator[StoredSample]:
            for sample in self._samples(span):
                yield sample
                tick(1)

        return pack_samples(samples(), config.storage, config.compression)

    def _samples(self, span: Sequence[int]) -> Iterator[StoredSample]:
        config, source = self.manifest.config, self.source
        for start in range(0, len(span), _BATCH):
            origins = [divmod(i, config.draws) for i in span[start : start + _BATCH]]
            graphs = [source.oriented(group) for group, _ in origins]
            # The tips of references that are rendered in epoch 0, 1, ...
            draws = self.draws.draw([(draw, group) for group, draw in origins], graphs, config.scan)
            moves = [draw.reference.tip for draw in draws]
            z_top = self.images.anchor_heights(graphs, source.margin)
            stacks = self.images.render(graphs, moves, z_top)
            for i, (group, draw) in enumerate(origins):
                molecule, rotation = divmod(group, self.manifest.orientations)
                x, y = moves[i]["tilt"]
                yield StoredSample(
                    graph=graphs[i],
                    stack=stacks[i].cpu(),
                    z_top=float(z_top[i]),
                    tilt=(x, y),
                    distance=moves[i]["distance"],
                    molecule=molecule,
                    rotation=rotation,
                    draw=draw,
                )


def _render_files(write: _FileWriter, todo: list[int], journal: Path, workers: int) -> None:
    """Render the files of numbers ``todo``, listing each in ``journal`` as soon as it is finished."""
    try:
        entries = read_journal(journal)
    except InputError:
        entries = {}  # of which finished_digests() has warned
    total = sum(len(write.manifest.span(number)) for number in todo)
    bar = ProgressBar(total=total, desc="render", unit="stack")
    rendered = _in_processes(write, todo, workers) if workers else _in_this_process(write, todo, bar)
    with closing(rendered), bar:
        for number, digest in rendered:
            entries[write.manifest.files[number]] = digest
            write_journal(journal, entries)
            if workers:
                bar.update(len(write.manifest.span(number)))


def _in_this_process(
    write: _FileWriter, todo: list[int], bar: ProgressBar
) -> Generator[tuple[int, str], None, None]:
    for number in todo:
        yield number, write(number, bar.update)


def _in_processes(
    write: _FileWriter, todo: list[int], workers: int
) -> Generator[tuple[int, str], None, None]:
    """Numbers and checksums as files get finished; after a failure, those under way before it is raised."""
    # A forked child must not touch its parent's OpenCL context.
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(min(workers, len(todo)), context, _start_worker, (write,))
    failure: BaseException | None = None
    try:
        running = {pool.submit(_write_in_worker, number): number for number in todo}
        for future in as_completed(running):
            if future.cancelled():
                continue
            error = future.exception()
            if error is None:
                yield running[future], future.result()
            elif failure is None:
                failure = error
                pool.shutdown(wait=False, cancel_futures=True)
    finally:
        # Those under way end first, whatever happened; the others do not begin.
        pool.shutdown(cancel_futures=True)
    if isinstance(failure, BrokenProcessPool):
        raise InputError(
            "workers: a process was killed, for want of memory perhaps; finished files are kept, and the "
            "same command goes on from there"
        ) from failure
    if failure is not None:
        raise failure


_write: _FileWriter


def _start_worker(write: _FileWriter) -> None:
    global _write
    _write = write
    os.environ["POCL_MAX_PTHREAD_COUNT"] = "1"
    torch.set_num_threads(1)
    # An interrupt is the parent's to handle; and no worker shall outlive it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _write_in_worker(number: int) -> str:
    return _write(number)
