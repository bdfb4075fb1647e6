"""Molecules in three dimensions: the embedded ones, and users' own."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rdkit import Chem
from torch_geometric.data import Data

from torch_afm.config.training import MOLECULE_SUFFIXES
from torch_afm.data import AFMData, to_rdmol
from torch_afm.datasets import readers
from torch_afm.datasets.base import GraphDataset
from torch_afm.datasets.smi import EMBEDDED, canonical_smiles, embedded_smiles
from torch_afm.datasets.splits import drop_repeated, published_split, split_by_molecule
from torch_afm.datasets.store import failures, join_arrays, load_or_compute, uncharged, unpack
from torch_afm.utils import InputError, cache_dir

#: Where to keep the result: the user's cache folder, nowhere, or in this folder.
Cache = bool | str | Path


class Skipped(NamedTuple):
    """A molecule that is left out.

    Attributes:
        number: its place among those given, from 0.
        origin: its SMILES, line, record or row.
        reason: why it is left out.
    """

    number: int
    origin: str
    reason: str


class MoleculeDataset(GraphDataset):
    """Molecules from SMILES, embedded by :func:`torch_afm.data.from_smiles`, or from files (:meth:`read`);
    made once, on all cores, and then read from a cache with a checksum.

    Item ``i`` is an :class:`AFMData` with z, pos, charge, edge_index, ``name`` (the second column of a .smi
    file, the comment of an xyz, the title of an SDF record, else ``molecule-<line>``, counted from 1) and,
    where it is known, ``smiles``. It is the caller's own: changing it leaves the data set as it is. A
    computation that was interrupted goes on where it stopped.

    Args:
        smiles: by default the embedded list of :mod:`torch_afm.datasets.enumerate`;
            ``embedded_smiles("planar")`` is that of :mod:`torch_afm.datasets.planar`.
        seed: of the conformers.
        charges: ``"gasteiger"`` or ``"mmff94"``.
        geometry: ``"rdkit"``, or ``"xtb"`` for the geometries, charges and atomic dipoles by GFN2-xTB that
            the package has of its lists (:mod:`torch_afm.datasets.geometries`); other molecules keep RDKit's
            geometry, ``charges``, and dipoles of zero, with a warning that counts them.
        cache: whether to keep the result, or the folder to keep it in; by default the user's cache folder.
        transform: applied to each molecule whenever it is asked for; ``dataset.transform`` may be set later.

    Shapes:
        z ``[N]``, pos ``[N, 3]`` in Å, charge ``[N]`` in e, edge_index ``[2, E]``; with ``geometry="xtb"``,
        dipole ``[N, 3]`` in e·Å.

    Attributes:
        failed: ``(number, origin, reason)`` of every molecule that is left out.

    Raises:
        InputError: for an empty list, or if not one molecule is left.
    """

    def __init__(
        self,
        smiles: Sequence[str] | None = None,
        seed: int = 0,
        charges: str = "gasteiger",
        cache: Cache = True,
        transform: Callable[[AFMData], AFMData] | None = None,
        geometry: str = "rdkit",
    ) -> None:
        self._fill(readers.smiles_source(smiles, seed, charges, geometry), cache)
        self.transform = transform

    @classmethod
    def read(
        cls,
        path: str | Path | Sequence[str | Path] | None = None,
        seed: int = 0,
        charges: str = "gasteiger",
        cache: Cache = True,
        geometry: str = "rdkit",
    ) -> MoleculeDataset:
        """Molecules of a file in the format of its suffix:

        - ``.smi``, ``.smi.xz``: a SMILES and, optionally, a name a line; ``#`` comments;
        - ``.xyz``, ``.extxyz``: one after the other: number of atoms, comment, ``element x y z`` and,
          optionally, the charge in column 5. A frame whose comment has ``Properties=`` or ``Lattice=`` is
          read as extended xyz. Bonds are those of :func:`torch_afm.data.covalent_bonds`;
        - ``.sdf``, ``.mol``: positions and bonds as they stand there, charges from the atom property
          ``PartialCharge``; hydrogens that the bonds call for are added where they lack, with a warning. A
          2-D drawing is left out;
        - ``.db``, ``.json``: an ASE database, names from the key ``name`` of its rows.

        What is periodic keeps ``cell`` and ``pbc``: :class:`~torch_afm.datasets.RotatedMolecules` takes none
        of it, :class:`~torch_afm.datasets.SurfaceWindows` does.

        Args:
            path: the file, or the name of an embedded list, ``organic`` (the default) or ``planar``; or
                several of them, whose molecules follow each other.
            seed: of the conformers of SMILES.
            charges: model of charges for molecules that the file gives none, or only zeros: ``"gasteiger"``,
                ``"mmff94"`` or, of files with geometries, ``"zero"``. It needs bond orders, which RDKit
                perceives; molecules without sensible Lewis structure keep zeros, with a warning that counts
                them.
            cache: as in the class.
            geometry: as in the class, of SMILES; ``"rdkit"`` for files that have geometries.

        Raises:
            InputError: for a file with another suffix, one that cannot be read, or holds not one molecule;
                for ``geometry="xtb"`` of a file with geometries; for no path, or one that comes twice.
        """
        if not isinstance(path, str | Path | None):
            names = [str(name) for name in path]
            if not names or len(set(names)) < len(names):
                raise InputError(f"molecules: expected one list or several different ones, got {names}")
            return cls._join([cls.read(name, seed, charges, cache, geometry) for name in path])
        if path is None or str(path) in EMBEDDED:
            smiles = embedded_smiles("organic" if path is None else str(path))
            return cls(smiles, seed, charges, cache, geometry=geometry)
        source = readers.SOURCES.get(Path(path).suffix.lower())
        if source is None:
            raise InputError(
                f"{path}: expected a file ending in {', '.join(MOLECULE_SUFFIXES)}, got {Path(path).suffix!r}"
            )
        if source is readers.smi_source:
            return cls._from(readers.smi_source(path, seed, charges, geometry), cache)
        if geometry != "rdkit":
            raise InputError(f"geometry: expected 'rdkit' for {path}, which has geometries, got {geometry!r}")
        return cls._from(source(path, seed, charges), cache)

    @classmethod
    def from_qm9(
        cls, molecules: str | Path | Sequence[Data], charges: str = "gasteiger", cache: Cache = True
    ) -> MoleculeDataset:
        """PyG's QM9 (Ramakrishnan et al., Sci. Data 1, 140022 (2014)) with the bonds that PyG gives it, and
        charges as in :meth:`read`.

        Args:
            molecules: the folder of :class:`torch_geometric.datasets.QM9`, which downloads into it what is
                not there yet, or its graphs (a slice, say).
            charges: ``"gasteiger"``, ``"mmff94"`` or ``"zero"``.
            cache: as in the class.

        Raises:
            InputError: if PyG cannot make the data set, or for no graphs.
        """
        return cls._from(readers.qm9_source(molecules, charges), cache)

    @classmethod
    def _from(cls, source: readers.Source, cache: Cache) -> MoleculeDataset:
        self = cls.__new__(cls)
        self._fill(source, cache, stacklevel=4)
        return self

    @classmethod
    def _join(cls, parts: Sequence[MoleculeDataset]) -> MoleculeDataset:
        self = cls.__new__(cls)
        super(MoleculeDataset, self).__init__()
        self._lists = [one for part in parts for one in part._lists]
        records = [n for _, n in self._lists]
        self._arrays = join_arrays([part._arrays for part in parts], records)
        self._names = [name for part in parts for name in part._names]
        self._smiles = [smiles for part in parts for smiles in part._smiles]
        starts = np.cumsum([0, *records]).tolist()
        self.failed = [
            skipped._replace(number=start + skipped.number)
            for part, start in zip(parts, starts, strict=False)
            for skipped in part.failed
        ]
        return self

    def _fill(self, source: readers.Source, cache: Cache, stacklevel: int = 3) -> None:
        super().__init__()
        folder = None if cache is False else cache_dir() / "molecules" if cache is True else Path(cache)
        self._arrays = load_or_compute(source, folder)
        ids = self._arrays["index"]
        self._names = [source.names[i] for i in ids]
        self._smiles = [None if source.smiles is None else source.smiles[i] for i in ids]
        embedded = next((n for n in EMBEDDED if tuple(source.smiles or ()) == embedded_smiles(n)), None)
        self._lists = [(embedded, len(source.records))]
        self.failed = [Skipped(i, source.origins[i], reason) for i, reason in failures(self._arrays)]
        if len(self) == 0:
            raise InputError(f"molecules: none of {len(self.failed)} can be used; {self._first_failure()}")
        if self.failed:
            warnings.warn(
                f"{len(self.failed)} of {len(self) + len(self.failed)} molecules left out, see .failed; the "
                f"first: {self._first_failure()}",
                stacklevel=stacklevel,
            )
        if source.without_geometry:
            warnings.warn(
                f"{source.without_geometry} of {len(source.records)} molecules have no GFN2-xTB geometry in "
                "the package and keep RDKit's",
                stacklevel=stacklevel,
            )
        if source.charges != "zero" and (number := uncharged(self._arrays)):
            warnings.warn(
                f"{number} of {len(self)} molecules have no charges, for no model of charges knows them: "
                "their images have no electrostatics",
                stacklevel=stacklevel,
            )

    def _first_failure(self) -> str:
        _, origin, reason = self.failed[0]
        return f"{origin}: {reason}"

    def split(self, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Indices of training, validation and test molecules: of the embedded lists those of
        :func:`~torch_afm.datasets.published_split`, of others :func:`~torch_afm.datasets.split_by_molecule`.
        Of several lists each keeps its split, but for molecules that come again, stereochemistry aside: what
        is a test molecule of one list is left out where another trains or validates with it, and likewise a
        validation molecule of one that is a training molecule of another.

        Args:
            seed: of the split of others.
        """
        found: list[tuple[np.ndarray, ...]] = []
        start = 0
        for name, records in self._lists:
            mine = np.flatnonzero((self.ids >= start) & (self.ids < start + records))
            if name is None:
                parts = [mine[part] for part in split_by_molecule(len(mine), seed=seed)]
            else:
                parts = [mine[np.isin(self.ids[mine] - start, part)] for part in published_split(name)]
            found.append(tuple(parts))
            start += records
        train, validation, test = (np.concatenate(parts) for parts in zip(*found, strict=True))
        if len(self._lists) == 1:
            return train, validation, test
        return drop_repeated((train, validation, test), self._canonical())

    def _canonical(self) -> list[str | None]:
        """Canonical SMILES, from the bonds where no SMILES are known."""
        known = (self._smiles[i] or Chem.MolToSmiles(to_rdmol(self.get(i))) for i in self.indices())
        return [canonical_smiles(smiles) for smiles in known]

    def summary(self) -> str:
        """How many molecules there are, and how many were left out for which cause."""
        lines = [f"{len(self)} of {len(self) + len(self.failed)} molecules"]
        causes = Counter(_cause(reason) for _, _, reason in self.failed)
        return "\n".join(lines + [f"{n} left out: {cause}" for cause, n in causes.most_common()])

    @property
    def ids(self) -> np.ndarray:
        """Of each molecule, its place among those given, from 0."""
        return self._arrays["index"][np.asarray(self.indices(), dtype=int)]

    @property
    def names(self) -> list[str]:
        """Of each molecule."""
        return [self._names[i] for i in self.indices()]

    @property
    def smiles(self) -> list[str] | None:
        """Of each molecule, where they are known."""
        found = [self._smiles[i] for i in self.indices()]
        known = [smiles for smiles in found if smiles is not None]
        return known if len(known) == len(found) else None

    def len(self) -> int:
        return len(self._names)

    def get(self, idx: int) -> AFMData:
        data = unpack(self._arrays, idx)
        data.name = self._names[idx]
        if (smiles := self._smiles[idx]) is not None:
            data.smiles = smiles
        return data

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} left out" if self.failed else ""
        return f"{type(self).__name__}({len(self)}{failed})"


def _cause(reason: str) -> str:
    """A reason without what is this molecule's own: place, numbers and what came."""
    general = re.sub(r"^.*?(line|row) \d+: ", "", reason).split(", got")[0]
    return re.sub(r"\d+", "n", re.sub(r" of '.*'", "", general))
