"""Molecules in three dimensions from lists of SMILES."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import numpy as np
import rdkit
import torch
from torch.utils.data import Dataset
from tqdm import tqdm

from torch_afm.data import AFMData, from_smiles
from torch_afm.datasets.cache import cache_dir, read_arrays, write_arrays
from torch_afm.utils import InputError

#: Raised whenever :func:`from_smiles` or the layout of the cache changes.
_VERSION = 1

#: Molecules in one file of an unfinished computation: what an interruption loses at most.
_CHUNK = 128

_Arrays = dict[str, np.ndarray]


class MoleculeDataset(Dataset[AFMData]):
    """Molecules from SMILES, embedded by :func:`torch_afm.data.from_smiles` once and then read from a cache.

    Item ``i`` is an :class:`AFMData` with z, pos, charge, edge_index, ``name`` (the second column of a .smi
    file, else ``molecule-<line>``, counted from 1) and ``smiles``. It is the caller's own: changing it leaves
    the data set as it is. The first use computes the geometries on all cores (RDKit works outside Python's
    lock, so threads do), and an interrupted computation goes on where it stopped.

    Args:
        smiles: SMILES, or the path of a .smi file (a SMILES and, optionally, a name a line; ``#`` comments);
            by default the embedded list of :mod:`torch_afm.datasets.enumerate`.
        seed: of the conformers.
        charges: ``"gasteiger"`` or ``"mmff94"``.
        cache: whether to keep the result, or the folder to keep it in; by default the user's cache folder.

    Shapes:
        z ``[N]``, pos ``[N, 3]`` in Å, charge ``[N]`` in e, edge_index ``[2, E]``.

    Attributes:
        failed: ``(index, smiles, reason)`` of every molecule that could not be embedded and is left out.

    Raises:
        InputError: for a missing or empty file or list, or if no molecule could be embedded.
    """

    def __init__(
        self,
        smiles: Sequence[str] | str | Path | None = None,
        seed: int = 0,
        charges: str = "gasteiger",
        cache: bool | str | Path = True,
    ) -> None:
        names, given = _read(smiles)
        if charges not in ("gasteiger", "mmff94"):
            raise InputError(f"charges: expected 'gasteiger' or 'mmff94', got {charges!r}")
        if not 0 <= seed < 2**31:
            raise InputError(f"seed: expected an integer from 0 to 2³¹ − 1, got {seed}")
        folder = None if cache is False else cache_dir() / "molecules" if cache is True else Path(cache)
        self._arrays = _load_or_compute(given, seed, charges, folder)
        index = self._arrays["index"].tolist()
        self.smiles = [given[i] for i in index]
        self.names = [names[i] for i in index]
        reasons = json.loads(self._arrays["failed"].tobytes())
        self.failed: list[tuple[int, str, str]] = [(i, given[i], why) for i, why in reasons]
        if not index:
            raise InputError(
                f"smiles: none of {len(given)} molecule(s) could be embedded; {self.failed[0][2]}"
            )
        if self.failed:
            warnings.warn(
                f"{len(self.failed)} of {len(given)} molecules left out, see .failed; the first: "
                f"{self.failed[0][2]}",
                stacklevel=2,
            )

    def __len__(self) -> int:
        return len(self.smiles)

    def __getitem__(self, index: int) -> AFMData:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index: expected less than {len(self)}, got {index}")
        index = index % len(self)
        atoms = slice(*self._arrays["atom_ptr"][index : index + 2])
        edges = slice(*self._arrays["edge_ptr"][index : index + 2])
        return AFMData(
            z=torch.tensor(self._arrays["z"][atoms], dtype=torch.long),
            pos=torch.tensor(self._arrays["pos"][atoms]),
            charge=torch.tensor(self._arrays["charge"][atoms]),
            edge_index=torch.tensor(self._arrays["edge_index"][:, edges], dtype=torch.long),
            name=self.names[index],
            smiles=self.smiles[index],
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)})"


def _read(smiles: Sequence[str] | str | Path | None) -> tuple[list[str], list[str]]:
    """Names and SMILES of a list, a file or the embedded list."""
    if smiles is None:
        text = resources.files("torch_afm.datasets").joinpath("resources/molecules.smi").read_text("utf-8")
    elif isinstance(smiles, str | Path):
        path = Path(smiles)
        if path.suffix != ".smi" or not path.is_file():
            raise InputError(
                f"smiles: expected a list of SMILES or an existing .smi file, got {str(smiles)!r}"
            )
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"smiles: cannot read {path} ({error})") from None
    elif len(smiles) == 0:
        raise InputError("smiles: expected at least one SMILES, got an empty list")
    else:
        return [f"molecule-{i}" for i in range(1, len(smiles) + 1)], list(smiles)
    names, found = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split(maxsplit=1)
        if fields and not fields[0].startswith("#"):
            found.append(fields[0])
            names.append(fields[1].strip() if len(fields) > 1 else f"molecule-{number}")
    if not found:
        raise InputError(f"smiles: expected at least one SMILES, got none in {str(smiles)!r}")
    return names, found


def _load_or_compute(smiles: list[str], seed: int, charges: str, folder: Path | None) -> _Arrays:
    inputs = json.dumps([_VERSION, rdkit.__version__, seed, charges, smiles])
    key = hashlib.sha256(inputs.encode()).hexdigest()[:24]
    whole = None if folder is None else read_arrays(folder / f"{key}.npz")
    if whole is not None:
        return whole
    starts = range(0, len(smiles), _CHUNK)
    files = [] if folder is None else [folder / f"{key}.part{start:08d}.npz" for start in starts]
    parts = []
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=len(smiles), desc="molecules", unit="mol", disable=None) as bar,
    ):
        for i, start in enumerate(starts):
            part = read_arrays(files[i]) if files else None
            if part is None:
                chunk = smiles[start : start + _CHUNK]
                part = _pack(start, _with_progress(pool.map(_Embed(seed, charges), chunk), bar))
                if files and not write_arrays(files[i], part):
                    folder, files = None, []
            else:
                bar.update(len(smiles[start : start + _CHUNK]))
            parts.append(part)
    result = _concatenate(parts)
    if folder is not None and write_arrays(folder / f"{key}.npz", result):
        for file in files:
            file.unlink(missing_ok=True)
    return result


class _Embed:
    """Graph of a SMILES, or the reason why there is none."""

    def __init__(self, seed: int, charges: str) -> None:
        self.seed, self.charges = seed, charges

    def __call__(self, smiles: str) -> AFMData | str:
        try:
            return from_smiles(smiles, self.seed, self.charges)
        except InputError as error:
            return str(error)


def _with_progress(results: Iterable[AFMData | str], bar: tqdm) -> Iterator[AFMData | str]:
    for result in results:
        bar.update()
        yield result


def _pack(start: int, results: Iterable[AFMData | str]) -> _Arrays:
    """Flat arrays of the results of molecules ``start``, ``start + 1``, ..."""
    numbered = list(enumerate(results, start=start))
    graphs = [(i, r) for i, r in numbered if not isinstance(r, str)]
    failed = [(i, r) for i, r in numbered if isinstance(r, str)]
    return {
        "index": np.array([i for i, _ in graphs], dtype=np.int64),
        "atom_ptr": np.cumsum([0] + [g.z.numel() for _, g in graphs]),
        "edge_ptr": np.cumsum([0] + [g.edge_index.shape[1] for _, g in graphs]),
        "z": np.concatenate([np.empty(0, np.uint8)] + [g.z.numpy().astype(np.uint8) for _, g in graphs]),
        "pos": np.concatenate([np.empty((0, 3), np.float32)] + [g.pos.numpy() for _, g in graphs]),
        "charge": np.concatenate([np.empty(0, np.float32)] + [g.charge.numpy() for _, g in graphs]),
        "edge_index": np.concatenate(
            [np.empty((2, 0), np.int16)] + [g.edge_index.numpy().astype(np.int16) for _, g in graphs], axis=1
        ),
        "failed": np.frombuffer(json.dumps(failed).encode(), dtype=np.uint8),
    }


def _concatenate(parts: list[_Arrays]) -> _Arrays:
    result = {
        key: np.concatenate([p[key] for p in parts], axis=-1 if key == "edge_index" else 0)
        for key in parts[0]
    }
    for key in ("atom_ptr", "edge_ptr"):
        result[key] = np.cumsum([0] + [n for p in parts for n in np.diff(p[key])])
    failed = [f for p in parts for f in json.loads(p["failed"].tobytes())]
    result["failed"] = np.frombuffer(json.dumps(failed).encode(), dtype=np.uint8)
    return result
