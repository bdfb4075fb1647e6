"""Electron densities and potentials of molecules by PySCF (the extra ``[dft]``), kept in the user's cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ase.units import Bohr
from safetensors.numpy import load, save

from torch_afm.data import AFMData, DensityGrid, PotentialGrid
from torch_afm.data.checks import check_distances, check_island
from torch_afm.elements import symbol
from torch_afm.ppm.isolated import molecule_potential
from torch_afm.ppm.placement import check_atoms
from torch_afm.utils import InputError, cache_dir

#: Å: of the grids, and what they reach beyond the atoms.
_SPACING, _MARGIN = 0.15, 4.0
#: Names what is computed, in the key of the cache.
_METHOD = "pbe gth-pbe tzvp 0.15 4.0 v1"
#: Points at which the density is computed at once.
_BLOCK = 20_000
#: Elements that gth-tzvp has; others get gth-dzvp-molopt-sr.
_TZVP = {"H", "B", "C", "N", "O", "F", "Na", "Mg", "Al", "Si", "P", "S", "Cl"}


def with_densities(
    data: AFMData, report: Callable[[str], None] | None = None, cached: bool = True
) -> AFMData:
    """A copy of a molecule with ``density`` and ``potential``, what a :class:`torch_afm.ppm.FDBM` needs: its
    PBE density with GTH pseudopotentials (gth-tzvp; gth-dzvp-molopt-sr where that lacks the element) on a
    grid of 0.15 Å that reaches 4 Å beyond the atoms, and the potential of it and of nuclei as Gaussians.

    Kept by elements and coordinates in ``densities`` of the user's cache folder
    (:func:`torch_afm.utils.cache_dir`), one safetensors file each: so give the molecule as it comes from its
    file or SMILES, and turn it afterwards (:class:`torch_afm.transforms.Orient` turns the grids).

    Args:
        data: one molecule with ``z``, ``pos`` and, where it is an ion, ``charge``.
        report: is called with each step of the work in words.
        cached: whether to use and fill the cache.

    Raises:
        InputError: without PySCF, for an empty or periodic molecule, an odd number of electrons, an element
            that has no basis set, and a density that does not converge.
    """
    check_island("data", data)
    pos, z, _ = check_atoms(data)
    if not len(z):
        raise InputError("data: expected at least one atom, got none")
    check_distances("pos", pos)
    numbers, places = z.cpu().numpy(), pos.detach().double().cpu().numpy()
    net = 0 if data.get("charge") is None else round(float(data.charge.sum()))
    path = _path(numbers, places, net)
    density = potential = None
    if cached:
        with contextlib.suppress(Exception):  # there is none, or it is damaged
            density, potential = _read(path)
    if density is None or potential is None:
        density, potential = _compute(numbers, places, net, report or (lambda step: None))
        if cached:
            with contextlib.suppress(OSError):
                _keep(path, density, potential)
    result = data.clone()
    result.density, result.potential = density, potential
    return result


def basis_of(element: str) -> str:
    """Name of the basis set of an element, as PySCF has it."""
    return "gth-tzvp" if element in _TZVP else "gth-dzvp-molopt-sr"


def _compute(
    z: np.ndarray, pos: np.ndarray, net: int, report: Callable[[str], None]
) -> tuple[DensityGrid, PotentialGrid]:
    molecule, matrix = _solve(z, pos, net, report)
    low, high = pos.min(0) - _MARGIN, pos.max(0) + _MARGIN
    shape = np.ceil((high - low) / _SPACING).astype(int)
    grid = DensityGrid(np.zeros(shape), low, _SPACING * np.diag(shape))
    points = grid.points().reshape(-1, 3)
    blocks = np.array_split(points, 1 + len(points) // _BLOCK)
    values = []
    for i, block in enumerate(blocks):
        report(f"density, {100 * i // len(blocks)} %")
        values.append(_density_at(molecule, matrix, block))
    density = DensityGrid(np.concatenate(values).reshape(shape), low, grid.cell)
    report("potential")
    return density, molecule_potential(density, pos, molecule.atom_charges().astype(float), net)


def _solve(z: np.ndarray, pos: np.ndarray, net: int, report: Callable[[str], None]) -> tuple[Any, np.ndarray]:
    """PySCF's molecule and the density matrix of its ground state."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pyscf import dft, gto
            from pyscf.lib.exceptions import BasisNotFoundError
    except ImportError:
        raise InputError("data: no PySCF to compute densities with; pip install 'torch_afm[dft]'") from None
    names = [symbol(v) for v in z.tolist()]
    basis = {name: basis_of(name) for name in names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            atoms = list(zip(names, pos.tolist(), strict=True))
            molecule = gto.M(atom=atoms, basis=basis, pseudo="gth-pbe", charge=net, spin=None, verbose=0)
        except (BasisNotFoundError, KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"z: no basis set or pseudopotential for an element ({reason})") from None
        if molecule.spin:
            raise InputError(f"charge: expected an even number of electrons, got {molecule.nelectron}")
        field = dft.RKS(molecule).density_fit()
        field.xc, field.grids.level, field.conv_tol = "pbe", 2, 1e-7
        field.callback = lambda state: report(f"cycle {state['cycle'] + 1} of the ground state")
        report("ground state")
        field.kernel()
        if not field.converged:
            field = field.newton()
            field.kernel()
    if not field.converged:
        raise InputError(
            "data: expected a ground state that converges, got none in PySCF; check the geometry"
        )
    return molecule, field.make_rdm1()


def _density_at(molecule: Any, matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Density in e/Å³ at ``points`` ``[P, 3]`` Å."""
    from pyscf.dft import numint

    values = numint.eval_rho(molecule, numint.eval_ao(molecule, points / Bohr), matrix)
    return np.asarray(values) / Bohr**3


def _path(z: np.ndarray, pos: np.ndarray, net: int) -> Path:
    key = hashlib.sha256(f"{_METHOD} {net}".encode())
    key.update(z.astype("<i8").tobytes())
    key.update(np.rint(pos * 1e4).astype("<i8").tobytes())
    return cache_dir() / "densities" / f"{key.hexdigest()[:32]}.safetensors"


def _read(path: Path) -> tuple[DensityGrid, PotentialGrid]:
    found = load(path.read_bytes())
    frame = found["origin"], found["cell"]
    return DensityGrid(found["density"], *frame), PotentialGrid(found["potential"], *frame)


def _keep(path: Path, density: DensityGrid, potential: PotentialGrid) -> None:
    """Write the file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"density": density.values.astype(np.float32), "potential": potential.values.astype(np.float32)}
    data = save(values | {"origin": density.origin, "cell": density.cell}, {"method": _METHOD})
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as opened:
        opened.write(data)
    os.replace(opened.name, path)
