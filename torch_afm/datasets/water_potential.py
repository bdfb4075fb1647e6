"""Energy of water on a metal, and its relaxation."""

from __future__ import annotations

import ase
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from torch_afm.utils import InputError

Array = NDArray[np.float64]

#: eV Å / e² and eV for kJ/mol.
_COULOMB, _KJ_MOL = 14.399645, 1 / 96.485332

#: TIP4P/2005f (González and Abascal, J. Chem. Phys. 135, 224516 (2011)): charge q of H in e, weight d of each
#: H in the place of -2 q, O + d (H + H - 2 O), Lennard-Jones of O, Morse potential of O-H, harmonic of H-O-H.
_CHARGE, _PLACE = 0.5564, 0.13194
_EPSILON, _SIGMA = 0.774908 * _KJ_MOL, 3.1644
_DEPTH, _STEEPNESS = 432.581 * _KJ_MOL, 2.287
_BEND, _ANGLE = 367.81 * _KJ_MOL, np.radians(107.4)
#: Length of an O-H bond in Å. The model's is 0.9419, for its vibrations; with this one hydrogen bonds make it
#: 0.99, as in structures by density functional theory.
_LENGTH = 0.967

#: Metal: Morse potential of O with its depth in eV, 1/Å and height in Å; share of the depth that is lost
#: between its atoms; repulsion of H in eV at a height in Å, with its decay in Å.
_WALL = 0.15, 1.3, 3.2
_CORRUGATION = 0.4
_HYDROGEN = 0.05, 2.2, 0.25

#: Å: sites interact as far as this or, in a small cell, half its width; pairs are listed a little farther.
_CUTOFF, _SKIN = 9.0, 1.0

#: eV/Å: forces that are none; iterations between lists of pairs, and how often.
_FORCE, _ROUND, _ROUNDS = 0.02, 60, 8

#: Annealing: time step in ps, friction in 1/ps, and masses in amu: heavy hydrogens allow for a long step, and
#: change no average.
_TIME_STEP, _FRICTION, _MASSES = 0.002, 5.0, (16.0, 6.0, 6.0)
_BOLTZMANN, _ACCELERATION = 8.617333e-5, 9648.5332


class WaterPotential:
    r"""Energy in eV of water on fcc(111), and forces, by a flexible TIP4P model

    .. math::
        \sum_\mathrm{OH} D (1 - e^{-\beta (r - r_0)})^2 + \sum_\mathrm{HOH} \tfrac{k}{2} (\theta - \theta_0)^2
        + \sum_{i<j} \left[ 4 \epsilon \left( \tfrac{\sigma^{12}}{r_{OO}^{12}}
        - \tfrac{\sigma^6}{r_{OO}^6} \right) + \sum_{ab} q_a q_b \, s(r_{ab}) \right] + \sum_i U(\mathbf{r}_i)

    with charges on the hydrogens and on a point M of the bisector, and the Coulomb potential shifted so that
    it ends with no force, :math:`s(r) = 1/r - 1/r_c + (r - r_c)/r_c^2` (Fennell and Gezelter, J. Chem. Phys.
    124, 234104 (2006)). The metal attracts oxygens by a Morse potential whose depth is greatest above its
    atoms, by the three shortest waves of its lattice as Steele's (Surf. Sci. 36, 317 (1973)), and keeps
    hydrogens off by an exponential one.

    Args:
        cell: cell vectors, the third along z.
        lattice: two vectors between neighbors of the metal, which has an atom at the origin; ``None`` for no
            metal.

    Shapes:
        cell ``[3, 3]``, lattice ``[2, 2]`` Å; positions ``[N, 3, 3]``: molecules, of O, H and H.
    """

    def __init__(self, cell: Array, lattice: Array | None = None) -> None:
        self.cell = np.asarray(cell, dtype=float)[:2, :2]
        width = abs(np.linalg.det(self.cell)) / np.linalg.norm(self.cell, axis=1).max()
        self.cutoff = min(_CUTOFF, width / 2)
        self.waves = None
        if lattice is not None:
            first, second = 2 * np.pi * np.linalg.inv(lattice).T
            self.waves = np.stack([first, second, -first - second])
        self.pairs = np.empty((2, 0), dtype=int)
        self.shifts = np.empty((0, 3))

    def list_pairs(self, pos: Array) -> None:
        """Remember which molecules interact, and through which side of the cell."""
        i, j = np.triu_indices(len(pos), 1)
        flat = pos[j, 0, :2] - pos[i, 0, :2]
        shift = np.zeros((len(i), 3))
        shift[:, :2] = -np.rint(flat @ np.linalg.inv(self.cell)) @ self.cell
        vector = pos[j, 0] - pos[i, 0] + shift
        near = np.einsum("ij,ij->i", vector, vector) < (self.cutoff + _SKIN) ** 2
        self.pairs, self.shifts = np.stack([i[near], j[near]]), shift[near]

    def __call__(self, pos: Array) -> tuple[float, Array]:
        """Energy, and forces in eV/Å, of the pairs last listed."""
        forces = np.zeros_like(pos)
        return self._inner(pos, forces) + self._between(pos, forces) + self._metal(pos, forces), forces

    def _inner(self, pos: Array, forces: Array) -> float:
        """Bonds and angles."""
        arms = pos[:, 1:] - pos[:, :1]
        lengths = np.linalg.norm(arms, axis=2)
        units = arms / lengths[..., None]
        decay = np.exp(-_STEEPNESS * (lengths - _LENGTH))
        pull = (2 * _DEPTH * _STEEPNESS * (1 - decay) * decay)[..., None] * units
        cosine = (units[:, 0] * units[:, 1]).sum(1).clip(-1, 1)
        angle = np.arccos(cosine)
        # dE/dcos = -k (θ - θ0) / sin θ
        slope = -_BEND * (angle - _ANGLE) / np.sqrt(1 - cosine**2).clip(1e-6)
        turn = np.stack(
            [units[:, 1] - cosine[:, None] * units[:, 0], units[:, 0] - cosine[:, None] * units[:, 1]], 1
        )
        gradient = pull + slope[:, None, None] * turn / lengths[..., None]
        forces[:, 1:] -= gradient
        forces[:, 0] += gradient.sum(1)
        return float(_DEPTH * ((1 - decay) ** 2).sum() + _BEND / 2 * ((angle - _ANGLE) ** 2).sum())

    def _between(self, pos: Array, forces: Array) -> float:
        """Lennard-Jones and Coulomb."""
        (i, j), cutoff = self.pairs, self.cutoff
        vector = pos[j, 0] - pos[i, 0] + self.shifts
        square = np.einsum("ij,ij->i", vector, vector)
        near = square < cutoff**2
        sixth = (_SIGMA**2 / square) ** 3
        energy = float((4 * _EPSILON * (sixth**2 - sixth))[near].sum())
        push = (near * 24 * _EPSILON * (2 * sixth**2 - sixth) / square)[:, None] * vector
        _scatter(forces[:, 0], i, j, push)

        sites = np.stack(
            [(1 - 2 * _PLACE) * pos[:, 0] + _PLACE * (pos[:, 1] + pos[:, 2]), pos[:, 1], pos[:, 2]], 1
        )
        charges = _CHARGE * np.array([-2.0, 1.0, 1.0])
        vector = sites[j][:, None, :, :] - sites[i][:, :, None, :] + self.shifts[:, None, None, :]
        distance = np.sqrt(np.einsum("pabx,pabx->pab", vector, vector))
        product = _COULOMB * np.outer(charges, charges) * (distance < cutoff)
        energy += float((product * (1 / distance - 1 / cutoff + (distance - cutoff) / cutoff**2)).sum())
        push = (product * (1 / distance**2 - 1 / cutoff**2) / distance)[..., None] * vector
        on_sites = np.zeros_like(sites)
        np.add.at(on_sites, i, -push.sum(2))
        np.add.at(on_sites, j, push.sum(1))
        forces[:, 0] += (1 - 2 * _PLACE) * on_sites[:, 0]
        forces[:, 1:] += on_sites[:, 1:] + _PLACE * on_sites[:, :1]
        return energy

    def _metal(self, pos: Array, forces: Array) -> float:
        if self.waves is None:
            return 0.0
        depth, steepness, height = _WALL
        phase = pos[:, 0, :2] @ self.waves.T
        on_top = (np.cos(phase).sum(1) + 1.5) / 4.5
        deep = depth * (1 - _CORRUGATION * (1 - on_top))
        decay = np.exp(-steepness * (pos[:, 0, 2] - height))
        well = decay**2 - 2 * decay
        energy = float((deep * well).sum())
        forces[:, 0, 2] += deep * 2 * steepness * (decay**2 - decay)
        forces[:, 0, :2] += (depth * _CORRUGATION * well)[:, None] * (np.sin(phase) @ self.waves) / 4.5
        strength, start, length = _HYDROGEN
        repulsion = strength * np.exp((start - pos[:, 1:, 2]) / length)
        forces[:, 1:, 2] += repulsion / length
        return energy + float(repulsion.sum())


def relax_water(
    atoms: ase.Atoms,
    lattice: Array | None = None,
    temperature: float = 0.0,
    picoseconds: float = 0.0,
    seed: int = 0,
) -> ase.Atoms:
    """Water on a metal at the nearest minimum of
    :class:`~torch_afm.datasets.water_potential.WaterPotential`, until no force is above 0.02 eV/Å or after
    480 iterations of L-BFGS; where asked for, annealed first by Langevin dynamics, at a temperature that
    falls to zero. The metal stays as it is; molecules stay whole, and charges and cell as they are.

    Args:
        atoms: atoms with ASE's tag 0 are the water, in the order O, H, H; the others are the metal, its top
            at z = 0.
        lattice: as of :class:`~torch_afm.datasets.water_potential.WaterPotential`.
        temperature: at which annealing begins, in K.
        picoseconds: of annealing.
        seed: of the annealing.

    Raises:
        InputError: for water in another order.
    """
    chosen = np.flatnonzero(atoms.get_tags() == 0)
    if len(chosen) % 3 or (atoms.numbers[chosen] != np.tile([8, 1, 1], len(chosen) // 3)).any():
        raise InputError("atoms: expected molecules of O, H, H with tag 0, got another order")
    pos = atoms.positions[chosen].reshape(-1, 3, 3)
    potential = WaterPotential(atoms.cell.array, lattice)
    pos = _minimized(potential, pos, 1)
    if temperature > 0 and picoseconds > 0:
        rng = np.random.default_rng(seed)
        pos = _annealed(potential, pos, temperature, round(picoseconds / _TIME_STEP), rng)
    relaxed: ase.Atoms = atoms.copy()
    relaxed.positions[chosen] = _minimized(potential, pos, _ROUNDS).reshape(-1, 3)
    return relaxed


def _minimized(potential: WaterPotential, pos: Array, rounds: int) -> Array:
    def objective(flat: Array) -> tuple[float, Array]:
        energy, forces = potential(flat.reshape(pos.shape))
        return energy, -forces.ravel()

    for _ in range(rounds):
        potential.list_pairs(pos)
        options = {"maxiter": _ROUND, "gtol": _FORCE}
        pos = minimize(objective, pos.ravel(), jac=True, method="L-BFGS-B", options=options).x.reshape(
            pos.shape
        )
        if np.abs(potential(pos)[1]).max() < _FORCE:
            break
    return pos


def _annealed(
    potential: WaterPotential, pos: Array, temperature: float, steps: int, rng: np.random.Generator
) -> Array:
    """After Langevin dynamics in the form of Leimkuhler and Matthews (BAOAB)."""
    masses = np.array(_MASSES)[None, :, None] / _ACCELERATION  # eV ps² / Å²
    potential.list_pairs(pos)
    velocity = rng.normal(size=pos.shape) * np.sqrt(_BOLTZMANN * temperature / masses)
    keep = np.exp(-_FRICTION * _TIME_STEP)
    forces = potential(pos)[1]
    for step in range(steps):
        warm = temperature * (1 - step / steps)
        if step and step % 25 == 0:
            potential.list_pairs(pos)
        velocity += _TIME_STEP / 2 * forces / masses
        pos = pos + _TIME_STEP / 2 * velocity
        noise = rng.normal(size=pos.shape) * np.sqrt(_BOLTZMANN * warm / masses)
        velocity = keep * velocity + np.sqrt(1 - keep**2) * noise
        pos = pos + _TIME_STEP / 2 * velocity
        forces = potential(pos)[1]
        velocity += _TIME_STEP / 2 * forces / masses
    return pos


def _scatter(forces: Array, i: NDArray[np.int64], j: NDArray[np.int64], push: Array) -> None:
    np.add.at(forces, i, -push)
    np.add.at(forces, j, push)
