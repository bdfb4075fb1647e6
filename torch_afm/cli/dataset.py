"""``torch-afm dataset``: training data rendered to files, and what they show."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jsonargparse import Namespace

from torch_afm import __version__
from torch_afm.cli.parsers.dataset import PARTS
from torch_afm.data import AFMData, remove_atoms
from torch_afm.datasets import (
    CacheConfig,
    Manifest,
    MoleculeDataset,
    RotatedMolecules,
    Shard,
    StepDataset,
    StepDraws,
    StepRenderer,
    data_statistics,
    format_statistics,
    load_surfaces,
    split_by_molecule,
    write_cache,
)
from torch_afm.datasets.shards import finished_digests, integrity_error
from torch_afm.datasets.statistics import THESIS_ELEMENTS, THESIS_SIZES
from torch_afm.datasets.writer import Forecast
from torch_afm.io.files import write_json
from torch_afm.progress import ProgressBar, format_duration, format_size
from torch_afm.transforms import (
    Augment,
    CropSlices,
    CropWindow,
    Cutout,
    Noise,
    Plane,
    SliceShift,
    Turn,
)
from torch_afm.utils import InputError
from torch_afm.viz import plot_augmentations, plot_sample, plot_statistics

#: Draws of each augmentation on the contact sheet.
_DRAWS = 6


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.dataset.parse`."""
    fields = (field.name for field in dataclasses.fields(CacheConfig))
    config = CacheConfig(**{name: args[name] for name in fields})
    shard = _shard(args.shard)
    if args.structures is None:
        molecules, source = _molecules(args.molecules, args.geometry, args.part, config.seed)
    else:
        molecules, source = _structures(args, config.seed)
    if args.stats:
        return _summarize(args, molecules, source, config)
    return _render(args, molecules, source, config, shard)


def _render(args: Namespace, molecules: list[AFMData], source: str, config: CacheConfig, shard: Shard) -> int:
    """Render what is not there yet."""
    manifest = Manifest.from_molecules(molecules, config, source)
    nz, ny, nx = config.scan.shape
    shown = f"{config.scenes:,} scenes" if config.scenes else f"{config.rotations} rotations"
    print(
        f"molecules  {source}; {shown}, {config.draws} tip draw(s) each: "
        f"{manifest.samples:,} stacks of {nx} x {ny} x {nz} in {len(manifest.files)} files",
        flush=True,
    )
    rendered = write_cache(args.out, molecules, config, shard, args.workers, args.backend, source, _announce)
    folder, digests = Path(args.out), finished_digests(Path(args.out), lenient=True)
    mine = len(shard.files(len(manifest.files)))
    there = [
        name
        for name in manifest.files
        if not integrity_error(folder / name, digests.get(name, set()), checksum=False)
    ]
    written = sum((folder / name).stat().st_size for name in there)
    print(f"rendered   {rendered} of {mine} files now, {mine - rendered} were there and intact")
    print(f"folder     {folder}: {len(there)} of {len(manifest.files)} files, {format_size(written)}")
    return 0


def _announce(work: Forecast) -> None:
    print(
        f"to render  {work.stacks:,} stacks into {work.files} files: about {format_size(work.size)} and "
        f"{format_duration(work.seconds)}, by a few of them",
        flush=True,
    )


def _summarize(args: Namespace, molecules: list[AFMData], name: str, config: CacheConfig) -> int:
    """Print and draw what the data show."""
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)  # now rather than after the work
    source = RotatedMolecules(molecules, config.rotations, config.candidates, config.seed)
    dataset = StepDataset(
        source, StepDraws(seed=config.seed), StepRenderer(config.scan, config.tip, args.backend)
    )
    statistics = data_statistics(molecules, source.quaternions, dataset.z_min)
    print(f"{name}\n{format_statistics(statistics)}")
    document = {"version": __version__, "source": name, **statistics, "thesis": THESIS_ELEMENTS}
    write_json(out / "stats.json", document)
    plot_statistics(statistics, THESIS_ELEMENTS, THESIS_SIZES).savefig(out / "stats.png", dpi=120)

    index = int(np.random.default_rng(config.seed).integers(len(source)))
    molecule = index // config.rotations
    title = str(molecules[molecule].get("name", f"molecule {molecule}"))
    plot_sample(dataset[index], config.scan, title).savefig(out / "sample.png", dpi=120)
    _contact_sheet(dataset, index).savefig(out / "augmentations.png", dpi=120)
    print(f"\nwrote stats.png, stats.json, sample.png ({title}) and augmentations.png to {out}")
    return 0


def _contact_sheet(dataset: StepDataset, index: int) -> Any:
    """Every augmentation there is, for one molecule."""
    draws, images, scan = dataset.draws, dataset.images, dataset.images.scan
    whole = dataset.source.oriented(index)
    molecules = [whole] * _DRAWS
    drawn = draws.draw([(epoch, index) for epoch in range(_DRAWS)], molecules, scan)
    stacks = images.render(molecules, [d.reference.tip for d in drawn], images.anchor_heights(molecules))
    nx, ny = (max(2, 3 * n // 4) for n in scan.pixels)
    slices = max(1, scan.n_slices - 2)
    frame = [CropSlices(slices, (slices + 1) // 2), CropWindow((nx, ny))]
    if nx == ny and np.ptp(scan.window[0]) == np.ptp(scan.window[1]):
        frame.insert(0, Turn())
    augment = Augment(frame, (Plane(), Noise(), SliceShift(), Cutout()))
    visible = remove_atoms(whole, whole.pos[:, 2] < dataset.z_min)
    return plot_augmentations(stacks, visible, scan, augment, draws.seed)


def _molecules(
    lists: str | list[str] | None, geometry: str, part: str, seed: int
) -> tuple[list[AFMData], str]:
    """The molecules of ``part``, and where they come from, in words."""
    dataset = MoleculeDataset.read(lists, geometry=geometry)
    names = [lists] if isinstance(lists, str) else lists or []
    name = " and ".join(Path(name).name for name in names) or "the embedded list"
    return _part(dataset, dataset.split(seed), part, "molecules", name)


def _structures(args: Namespace, seed: int) -> tuple[list[AFMData], str]:
    """The periodic surfaces of a part, and where they come from, in words."""
    if args.molecules is not None or args.geometry != "rdkit" or args.stats:
        raise InputError("--structures: expected none of --molecules, --geometry and --stats beside it")
    found = load_surfaces(args.structures)
    name = "generated water" if args.structures == "water" else Path(args.structures).name
    return _part(found, split_by_molecule(len(found), seed=seed), args.part, "surfaces", name)


def _part(
    source: MoleculeDataset | Sequence[AFMData], split: Sequence[np.ndarray], part: str, noun: str, name: str
) -> tuple[list[AFMData], str]:
    chosen = range(len(source)) if part == "all" else split[PARTS.index(part)]
    if len(chosen) == 0:
        raise InputError(f"--part: expected enough {noun} for a {part} part, got {len(source)}")
    share = "" if part == "all" else f" ({part}) of {len(source):,}"
    made = ProgressBar(chosen, desc=noun, unit="item", leave=False)
    return [source[int(i)] for i in made], f"{len(chosen):,}{share} {noun} of {name}"


def _shard(text: str) -> Shard:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match:
        raise InputError(f"--shard: expected i/n, as in 3/16, got {text!r}")
    return Shard(int(match[1]), int(match[2]))
