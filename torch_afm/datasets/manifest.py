"""The manifest of a folder of rendered training data: settings, molecules, versions, files."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from torch_afm import __version__
from torch_afm.config import from_dict, to_dict
from torch_afm.config.cache import CacheConfig
from torch_afm.data import AFMData
from torch_afm.datasets.slabs import is_surface
from torch_afm.io.files import write_json
from torch_afm.utils import InputError

_FORMAT = 1
_NAME = "manifest.json"
_PACKAGES = ("torch", "numpy", "scipy", "rdkit", "h5py")


@dataclass(frozen=True)
class Manifest:
    """Everything that tells two folders of training data apart, and the versions that wrote this one.

    Args:
        config: the settings.
        molecules: a name for each molecule, in order.
        fingerprint: SHA-256 of all molecules.
        source: where the molecules come from, in words.
        versions: version of each package.
        surfaces: whether the molecules are periodic surfaces.
    """

    config: CacheConfig
    molecules: tuple[str, ...]
    fingerprint: str
    source: str
    versions: dict[str, str]
    surfaces: bool = False

    @classmethod
    def from_molecules(cls, molecules: Sequence[AFMData], config: CacheConfig, source: str) -> Manifest:
        """The manifest of ``molecules``; one without ``name`` is named by its index.

        Raises:
            InputError: for no molecules, and scenes of periodic surfaces.
        """
        if len(molecules) == 0:
            raise InputError("molecules: expected at least one, got none")
        if config.scenes and is_surface(molecules[0]):
            raise InputError(f"scenes: expected 0 for periodic surfaces, got {config.scenes}")
        versions = {"torch_afm": __version__, "python": platform.python_version()}
        return cls(
            config=config,
            molecules=tuple(str(m.get("name", i)) for i, m in enumerate(molecules)),
            fingerprint=fingerprint(molecules),
            source=source,
            versions=versions | {package: version(package) for package in _PACKAGES},
            surfaces=is_surface(molecules[0]),
        )

    @property
    def orientations(self) -> int:
        """Rotations of each molecule, or windows of each surface; a scene has one."""
        return 1 if self.config.scenes else self.config.rotations

    @property
    def groups(self) -> int:
        """Rotations of all molecules, or scenes."""
        return self.config.scenes or len(self.molecules) * self.config.rotations

    @property
    def samples(self) -> int:
        """Stacks in all files."""
        return self.groups * self.config.draws

    @property
    def files(self) -> list[str]:
        """Names of all files: the first holds stacks 0 to ``file_samples`` - 1, and so on."""
        return [f"stacks-{i:05d}.h5" for i in range(-(-self.samples // self.config.file_samples))]

    def span(self, file: int) -> range:
        """Stacks in the file of number ``file``; stack ``i`` is tip draw ``i % draws`` of rotation
        or scene ``i // draws``."""
        n = self.config.file_samples
        return range(file * n, min((file + 1) * n, self.samples))

    def write(self, folder: Path) -> None:
        """Write ``manifest.json``, or check that the one there has the same settings and molecules.

        Raises:
            InputError: if it has not.
        """
        if (folder / _NAME).exists():
            before = Manifest.read(folder)
            changed = [k for k, v in to_dict(self.config).items() if to_dict(before.config)[k] != v]
            changed += ["molecules"] * (before.fingerprint != self.fingerprint)
            if changed:
                raise InputError(
                    f"{folder}: holds training data with other settings ({', '.join(changed)}); "
                    "give another folder, or delete it"
                )
            return
        document = {
            "format": _FORMAT,
            "config": to_dict(self.config),
            "source": self.source,
            "surfaces": self.surfaces,
            "samples": self.samples,
            "files": len(self.files),
            "versions": self.versions,
            "fingerprint": self.fingerprint,
            "molecules": self.molecules,
        }
        write_json(folder / _NAME, document)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of ``folder``.

        Raises:
            InputError: where there is none, or one that cannot be read, naming it.
        """
        path = folder / _NAME
        if not path.is_file():
            raise InputError(f"{folder}: expected training data with a {_NAME}, got a folder without one")
        try:
            document = json.loads(path.read_text("utf-8"))
            if document["format"] != _FORMAT:
                raise InputError(f"expected format {_FORMAT}, got {document['format']}")
            return cls(
                config=from_dict(CacheConfig, document["config"]),
                molecules=tuple(map(str, document["molecules"])),
                fingerprint=str(document["fingerprint"]),
                source=str(document["source"]),
                versions=dict(document["versions"]),
                surfaces=bool(document.get("surfaces", False)),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: expected the manifest of training data ({error})") from None


def fingerprint(molecules: Iterable[AFMData]) -> str:
    """SHA-256 of atoms, charges, bonds, dipoles and cells."""
    digest = hashlib.sha256()
    for molecule in molecules:
        for key, dtype in (("z", "<i8"), ("pos", "<f4"), ("charge", "<f4"), ("edge_index", "<i8")):
            digest.update(np.ascontiguousarray(molecule[key].numpy(), dtype=dtype).tobytes())
        if "dipole" in molecule:
            digest.update(np.ascontiguousarray(molecule.dipole.numpy(), dtype="<f4").tobytes())
        if "cell" in molecule:
            digest.update(molecule.cell.numpy().tobytes() + molecule.pbc.numpy().tobytes())
    return digest.hexdigest()
