"""Relaxation with the atoms that were found held where the image shows them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import ase.units
import numpy as np
import torch
from ase.calculators.calculator import BaseCalculator
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers
from scipy.optimize import minimize
from torch import Tensor

from torch_afm.data import AFMData, to_ase
from torch_afm.generation.chemistry.sanitise import sanitise, to_part
from torch_afm.units import KCAL_PER_MOL
from torch_afm.utils import InputError, check_finite, check_shape

#: Component of a force in eV/Å below which a relaxation ends.
MAX_FORCE = 0.01

#: Energy in eV and its gradient in eV/Å ``[N, 3]`` at positions ``[N, 3]`` in Å.
Energy = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass(frozen=True)
class Relaxed:
    """A relaxed graph.

    Args:
        graph: with new positions; everything else as it came.
        hydrogens: the atoms that filled the open valences, relaxed.
        energy_before: potential energy in eV before, without the restraints.
        energy_after: the same afterwards.
        force_field: what was used: ``"mmff94"``, ``"uff"``, or the name of the calculator.
        converged: whether it came to rest.
    """

    graph: AFMData
    hydrogens: AFMData
    energy_before: float
    energy_after: float
    force_field: str
    converged: bool


def relax(
    graph: AFMData,
    force_field: str | BaseCalculator = "auto",
    restraint: str = "harmonic",
    sigma: Tensor | float = 0.1,
    temperature: float = 300.0,
    max_steps: int = 500,
    fill: bool = True,
) -> Relaxed:
    r"""Relax a graph, its atoms held to where they were found. With harmonic restraints the energy is

    .. math::
        E(\mathbf{x}) + \frac{k_B T}{2} \sum_{i, k} \left( \frac{x_{ik} - x_{ik}^0}{\sigma_{ik}} \right)^2,

    so alone an atom would stay within :math:`\sigma` of its place at :math:`T`: the log-density of a normal
    distribution beside that of Boltzmann. Minimised by L-BFGS. Valences that cut bonds leave open are filled
    with hydrogens, which move freely and are not part of the graph that returns.

    Args:
        graph: ``z``, ``pos`` [Å], ``edge_index``; its own ``sigma`` [Å] is used where it has one.
        force_field: ``"mmff94"`` (Halgren, J. Comput. Chem. 17, 490 (1996)), ``"uff"`` (Rappé et al., JACS
            114, 10024 (1992)), ``"auto"``: MMFF94, or UFF where it has no parameters; or any ASE calculator.
        restraint: ``"harmonic"``, ``"fixed"`` (the hydrogens alone move) or ``"none"``.
        sigma: standard deviations in Å where the graph has none.
        temperature: T in K; the higher, the stronger the restraints.
        max_steps: of the optimiser.
        fill: fill open valences.

    Shapes:
        sigma ``[N, 3]``, ``[N]`` or a number.

    Raises:
        InputError: for other words or shapes, deviations that are not positive, or a force field without
            parameters for the graph.
    """
    if restraint not in ("harmonic", "fixed", "none"):
        raise InputError(f"restraint: expected 'harmonic', 'fixed' or 'none', got {restraint!r}")
    if isinstance(force_field, str) and force_field not in ("auto", "mmff94", "uff"):
        raise InputError(
            f"force_field: expected 'auto', 'mmff94', 'uff' or an ASE calculator, got {force_field!r}"
        )
    if not temperature > 0 or max_steps < 1:
        raise InputError(f"temperature, max_steps: expected above 0, got {temperature} and {max_steps}")
    n = graph.z.numel()
    given = graph.sigma if "sigma" in graph else sigma
    stiffness = ase.units.kB * temperature / _deviations(given, n) ** 2  # eV/Å²
    if not n:
        return Relaxed(graph, AFMData.empty(), 0.0, 0.0, str(force_field), True)
    sound = graph if "bond_order" in graph else sanitise(graph)
    mol = to_part(sound)
    if fill:
        mol = Chem.AddHs(mol, addCoords=True)
    if isinstance(force_field, str):
        energy, name = _by_rdkit(mol, force_field)
    else:
        energy, name = _by_ase(mol, force_field), type(force_field).__name__
    start = mol.GetConformer().GetPositions()
    held = np.zeros_like(start)
    if restraint == "harmonic":
        held[:n] = stiffness
    moving = np.ones_like(start, dtype=bool)
    moving[:n] = restraint != "fixed"
    pos, converged = _minimise(energy, start, held, moving, max_steps)
    check_finite("force_field: positions", pos)
    relaxed = copy.copy(graph)
    relaxed.pos = torch.from_numpy(pos[:n]).to(graph.pos)
    hydrogens = AFMData(
        z=torch.ones(len(pos) - n, dtype=torch.long),
        pos=torch.from_numpy(pos[n:]).to(graph.pos),
        charge=torch.zeros(len(pos) - n),
        edge_index=torch.empty(2, 0, dtype=torch.long),
    )
    return Relaxed(relaxed, hydrogens, energy(start)[0], energy(pos)[0], name, converged)


def _deviations(sigma: Tensor | float, n: int) -> np.ndarray:
    """Standard deviations ``[N, 3]``."""
    given = torch.as_tensor(sigma, dtype=torch.float64).detach().cpu()
    if given.ndim == 1:
        given = given[:, None].expand(-1, 3)
    values = given.expand(n, 3).numpy() if given.ndim == 0 else given.numpy()
    check_shape("sigma", values, (n, 3))
    if not (np.isfinite(values) & (values > 0)).all():
        raise InputError("sigma: expected positive standard deviations in Å, got others")
    return values


def _by_rdkit(mol: Chem.Mol, wanted: str) -> tuple[Energy, str]:
    name = wanted
    if wanted == "auto":
        name = "mmff94" if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol) else "uff"
    if name == "mmff94":
        properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol)
        field = properties and rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties)
    else:
        known = rdForceFieldHelpers.UFFHasAllMoleculeParams(mol)
        field = rdForceFieldHelpers.UFFGetMoleculeForceField(mol) if known else None
    if field is None:
        raise InputError(f"force_field: {name} has no parameters for this graph")
    field.Initialize()

    def energy(pos: np.ndarray) -> tuple[float, np.ndarray]:
        flat = pos.ravel().tolist()
        # In this order: the gradient takes its distances from the last call for an energy.
        value = field.CalcEnergy(flat) * KCAL_PER_MOL
        return value, np.array(field.CalcGrad(flat)).reshape(pos.shape) * KCAL_PER_MOL

    return energy, name


def _by_ase(mol: Chem.Mol, calculator: BaseCalculator) -> Energy:
    z = torch.tensor([a.GetAtomicNum() for a in mol.GetAtoms()])
    atoms = to_ase(AFMData(z=z, pos=torch.from_numpy(mol.GetConformer().GetPositions())))
    atoms.calc = calculator

    def energy(pos: np.ndarray) -> tuple[float, np.ndarray]:
        atoms.positions = pos
        return float(atoms.get_potential_energy()), -atoms.get_forces()

    return energy


def _minimise(
    energy: Energy, start: np.ndarray, held: np.ndarray, moving: np.ndarray, max_steps: int
) -> tuple[np.ndarray, bool]:
    """Positions of least energy, with springs ``held`` in eV/Å²; what does not move stays exactly."""
    if not moving.any():
        return start, True

    def total(free: np.ndarray) -> tuple[float, np.ndarray]:
        pos = start.copy()
        pos[moving] = free
        value, gradient = energy(pos)
        away = pos - start
        return value + float((held * away**2).sum()) / 2, (gradient + held * away)[moving]

    found = minimize(
        total,
        start[moving],
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": max_steps, "gtol": MAX_FORCE, "ftol": 0},
    )
    pos = start.copy()
    pos[moving] = found.x
    return pos, bool(np.abs(total(found.x)[1]).max() <= MAX_FORCE)
