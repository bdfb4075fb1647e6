"""``torch-afm dataset``: training data rendered to files, and what they show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from jsonargparse import Namespace

from torch_afm import __version__
from torch_afm.cli.parsers.dataset import PARTS
from torch_afm.cli.sheets import augmentation_sheet, measured_scans, stack_sheet
from torch_afm.data import AFMData
from torch_afm.datasets import (
    CacheConfig,
    Manifest,
    MoleculeDataset,
    NuisanceConfig,
    Nuisances,
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
from torch_afm.datasets.sources import rotation_table
from torch_afm.datasets.statistics import THESIS_ELEMENTS, THESIS_SIZES
from torch_afm.datasets.writer import Forecast, oriented_molecules
from torch_afm.io.files import write_json
from torch_afm.progress import ProgressBar, format_duration, format_size
from torch_afm.utils import InputError
from torch_afm.viz import plot_sample, plot_statistics


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.dataset.parse`."""
    config = CacheConfig(**{field.name: args[field.name] for field in fields(CacheConfig)})
    shard = _shard(args.shard)
    if args.structures is None:
        molecules, source = _molecules(args.molecules, args.geometry, args.part, config.seed)
    else:
        molecules, source = _structures(args, config.seed)
    if not args.stats and (args.measured is not None or args.nuisances != NuisanceConfig()):
        raise InputError("--measured, --nuisances: expected none without --stats")
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
    measured = measured_scans(args.measured)
    draws = StepDraws(seed=config.seed)
    quaternions = rotation_table(molecules, config.rotations, config.candidates, config.seed)
    statistics = data_statistics(molecules, quaternions, draws.z_min)
    print(f"{name}\n{format_statistics(statistics)}")
    document = {"version": __version__, "source": name, **statistics, "thesis": THESIS_ELEMENTS}
    write_json(out / "stats.json", document)
    plot_statistics(statistics, THESIS_ELEMENTS, THESIS_SIZES).savefig(out / "stats.png", dpi=120)

    source = oriented_molecules(molecules, config)
    images = StepRenderer(config.scan, config.tip, args.backend)
    dataset = StepDataset(source, draws, images)
    titles = _titles(molecules, config)
    index = int(np.random.default_rng(config.seed).integers(len(source)))
    plot_sample(dataset[index], config.scan, titles[index]).savefig(out / "sample.png", dpi=120)
    augmentation_sheet(dataset, index).savefig(out / "augmentations.png", dpi=120)
    realistic = StepDataset(source, replace(draws, nuisances=Nuisances(args.nuisances)), images)
    stack_sheet(realistic, titles, measured).savefig(out / "stacks.png", dpi=150)
    shown = f"sample.png ({titles[index]}), augmentations.png and stacks.png"
    print(f"\nwrote stats.png, stats.json, {shown} to {out}")
    return 0


def _titles(molecules: list[AFMData], config: CacheConfig) -> list[str]:
    """Of the oriented molecules, or of the scenes."""
    if config.scenes:
        return [f"scene {i}" for i in range(config.scenes)]
    names = [str(molecule.get("name", f"molecule {i}")) for i, molecule in enumerate(molecules)]
    return [name for name in names for _ in range(config.rotations)]


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
