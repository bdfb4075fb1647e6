"""``torch-afm dataset``: training data rendered to files, and what they show."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeInt

from torch_afm import __version__
from torch_afm.cli.parser import Parser
from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, remove_atoms
from torch_afm.datasets import (
    AFMDataset,
    CacheConfig,
    Manifest,
    MoleculeDataset,
    Shard,
    data_statistics,
    format_statistics,
    split_by_molecule,
    surfaces,
    write_cache,
)
from torch_afm.datasets.ledger import fault, finished
from torch_afm.datasets.statistics import THESIS_ELEMENTS, THESIS_SIZES
from torch_afm.datasets.writer import Forecast
from torch_afm.progress import Progress, duration, size
from torch_afm.transforms import (
    Augment,
    RandomCropSlices,
    RandomCropWindow,
    RandomCutout,
    RandomNoise,
    RandomPlane,
    RandomSliceShift,
    RandomTurn,
)
from torch_afm.utils import InputError
from torch_afm.viz import plot_augmentations, plot_sample, plot_statistics

_PARTS = ("train", "val", "test")

#: Draws of each augmentation on the contact sheet.
_DRAWS = 6

_READERS: dict[str, Callable[[Path], MoleculeDataset]] = {
    ".smi": MoleculeDataset.from_smiles,
    ".xz": MoleculeDataset.from_smiles,
    ".xyz": MoleculeDataset.from_xyz,
    ".extxyz": MoleculeDataset.from_extxyz,
    ".sdf": MoleculeDataset.from_sdf,
    ".db": MoleculeDataset.from_ase_db,
    ".json": MoleculeDataset.from_ase_db,
}


def main(argv: Sequence[str]) -> int:
    """Run the sub-command."""
    parser = _parser()
    args = parser.instantiate(parser.parse_args(list(argv)))
    fields = (field.name for field in dataclasses.fields(CacheConfig))
    config = CacheConfig(**{name: args[name] for name in fields})
    shard = _shard(args.shard)
    if args.structures is None:
        molecules, source = _molecules(args.molecules, args.part, config.seed)
    else:
        molecules, source = _structures(args, config.seed)
    if args.stats:
        return _tell(molecules, source, config, Path(args.out), args.backend)
    return _render(args, molecules, source, config, shard)


def _render(args: Namespace, molecules: list[AFMData], source: str, config: CacheConfig, shard: Shard) -> int:
    """Render what is not there yet."""
    manifest = Manifest.of(molecules, config, source)
    nz, ny, nx = config.scan.shape
    print(
        f"molecules  {source}; {config.rotations} rotations, {config.draws} tip draw(s) each: "
        f"{manifest.samples:,} stacks of {nx} x {ny} x {nz} in {len(manifest.files)} files",
        flush=True,
    )
    rendered = write_cache(args.out, molecules, config, shard, args.workers, args.backend, source, _announce)
    folder, digests = Path(args.out), finished(Path(args.out), lenient=True)
    mine = len(shard.of(len(manifest.files)))
    there = [
        name for name in manifest.files if not fault(folder / name, digests.get(name, set()), checksum=False)
    ]
    written = sum((folder / name).stat().st_size for name in there)
    print(f"rendered   {rendered} of {mine} files now, {mine - rendered} were there and intact")
    print(f"folder     {folder}: {len(there)} of {len(manifest.files)} files, {size(written)}")
    return 0


def _announce(work: Forecast) -> None:
    print(
        f"to render  {work.stacks:,} stacks into {work.files} files: about {size(work.size)} and "
        f"{duration(work.seconds)}, by a few of them",
        flush=True,
    )


def _tell(molecules: list[AFMData], source: str, config: CacheConfig, out: Path, backend: str) -> int:
    """Print and draw what the data show."""
    out.mkdir(parents=True, exist_ok=True)  # now rather than after the work
    dataset = AFMDataset(
        molecules,
        config.scan,
        config.tip,
        backend,
        rotations=config.rotations,
        candidates=config.candidates,
        seed=config.seed,
    )
    statistics = data_statistics(molecules, dataset.quaternions, dataset.z_min)
    print(f"{source}\n{format_statistics(statistics)}")
    document = {"version": __version__, "source": source, **statistics, "thesis": THESIS_ELEMENTS}
    (out / "stats.json").write_text(json.dumps(document, indent=2) + "\n")
    plot_statistics(statistics, THESIS_ELEMENTS, THESIS_SIZES).savefig(out / "stats.png", dpi=120)

    group = int(np.random.default_rng(config.seed).integers(dataset.groups))
    name = molecules[group // config.rotations].get("name", f"molecule {group // config.rotations}")
    plot_sample(dataset[group], config.scan, str(name)).savefig(out / "sample.png", dpi=120)
    _contact_sheet(dataset, group).savefig(out / "augmentations.png", dpi=120)
    print(f"\nwrote stats.png, stats.json, sample.png ({name}) and augmentations.png to {out}")
    return 0


def _contact_sheet(dataset: AFMDataset, group: int) -> Any:
    """Every augmentation there is, of one molecule."""
    scan = dataset.scan
    molecules = [dataset.oriented(group) for _ in range(_DRAWS)]
    records = dataset.draw([(epoch, group) for epoch in range(_DRAWS)], molecules)
    stacks = dataset.render(molecules, dataset.mutate(molecules, records), records)
    nx, ny = (max(2, 3 * n // 4) for n in scan.pixels)
    slices = max(1, scan.n_slices - 2)
    frame = [RandomCropSlices(slices, (slices + 1) // 2), RandomCropWindow((nx, ny))]
    if nx == ny and np.ptp(scan.window[0]) == np.ptp(scan.window[1]):
        frame.insert(0, RandomTurn())
    augment = Augment(frame, (RandomPlane(), RandomNoise(), RandomSliceShift(), RandomCutout()))
    whole = dataset.oriented(group)
    visible = remove_atoms(whole, whole.pos[:, 2] < dataset.z_min)
    return plot_augmentations(stacks[:_DRAWS], visible, scan, augment, dataset.seed)


def _molecules(file: str | None, part: str, seed: int) -> tuple[list[AFMData], str]:
    """The molecules of ``part``, and where they come from, in words."""
    if file is None:
        dataset, name = MoleculeDataset(), "the embedded list"
    else:
        path = Path(file)
        if path.suffix.lower() not in _READERS:
            raise InputError(
                f"--molecules: expected a file ending in {', '.join(_READERS)}, got {path.name!r}"
            )
        dataset, name = _READERS[path.suffix.lower()](path), path.name
    return _part(dataset, dataset.split(seed), part, "molecules", name)


def _structures(args: Namespace, seed: int) -> tuple[list[AFMData], str]:
    """The periodic surfaces of a part, and where they come from, in words."""
    if args.molecules is not None or args.stats:
        raise InputError("--structures: expected neither --molecules nor --stats beside it")
    found = surfaces(args.structures)
    name = "generated water" if args.structures == "water" else Path(args.structures).name
    return _part(found, split_by_molecule(len(found), seed=seed), args.part, "surfaces", name)


def _part(
    source: MoleculeDataset | Sequence[AFMData], split: Sequence[np.ndarray], part: str, what: str, name: str
) -> tuple[list[AFMData], str]:
    chosen = range(len(source)) if part == "all" else split[_PARTS.index(part)]
    if len(chosen) == 0:
        raise InputError(f"--part: expected enough {what} for a {part} part, got {len(source)}")
    of = "" if part == "all" else f" ({part}) of {len(source):,}"
    made = Progress(chosen, desc=what, unit="item", leave=False)
    return [source[int(i)] for i in made], f"{len(chosen):,}{of} {what} of {name}"


def _shard(text: str) -> Shard:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match:
        raise InputError(f"--shard: expected i/n, as in 3/16, got {text!r}")
    return Shard(int(match[1]), int(match[2]))


def _parser() -> Parser:
    parser = Parser(
        "dataset",
        "Render the reference stacks of training steps to HDF5 files, for CachedAFMDataset. Run again after "
        "an interruption, the same command checks what is there and goes on. Jobs that share a folder take a "
        "--shard each. With --stats nothing is rendered to files: it tells and draws what the data show.",
    )
    parser.add_argument("--out", metavar="FOLDER", default="training_data", help="folder to write to")
    parser.add_argument(
        "--molecules",
        metavar="FILE",
        help=f"molecules ({', '.join(_READERS)}; see MoleculeDataset). Default: the list in the package",
    )
    parser.add_argument(
        "--structures",
        metavar="FILE",
        help="periodic surfaces in place of molecules: a file or folder of extended xyz, or water for "
        "generated layers of it (see WaterBilayers)",
    )
    parser.add_argument(
        "--part",
        choices=["all", *_PARTS],
        default="train",
        help="part of the split by molecules; the package's list has a split of its own, others are split by "
        "--seed",
    )
    parser.add_argument(
        "--stats",
        action="store_true",
        help="print which elements the rotations show and how large the molecules are, beside the thesis' "
        "data; write that, a training sample and a contact sheet of augmentations as pictures",
    )
    parser.add_argument("--shard", metavar="i/n", default="1/1", help="render this share of the files only")
    parser.add_argument(
        "--workers",
        type=NonNegativeInt,
        default=0,
        metavar="N",
        help="processes that render on a core each; 0 renders in the main process",
    )
    parser.add_backend()
    parser.add_argument("--config", action="config", help="YAML file with any of these options")
    parser.add_settings(CacheConfig, "data", skip=("scan", "tip"))
    parser.add_settings(Scan, "scan", name="scan")
    parser.add_settings(Tip, "tip", name="tip")
    return parser
