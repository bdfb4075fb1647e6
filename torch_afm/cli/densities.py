"""Densities of ``torch-afm simulate --model fdbm``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from torch_afm.data import AFMData
from torch_afm.io import read_density
from torch_afm.ppm import FDBM, TipDensity
from torch_afm.ppm.atomic_densities import with_atomic_densities
from torch_afm.ppm.dft import with_densities
from torch_afm.progress import StatusLine
from torch_afm.utils import InputError


def add_densities(sample: AFMData, args: Namespace) -> tuple[AFMData, FDBM | None]:
    """The sample with its density and potential, and the model of the options; the sample as it is and
    ``None`` with another model."""
    if args.model != "fdbm":
        return sample, None
    model = _model(args)
    if args.density in (None, "pyscf"):
        status = StatusLine("simulate")
        try:
            return with_densities(sample, status), model
        finally:
            status.close()
    if args.density == "atoms":
        return with_atomic_densities(sample), model
    sample.density, _ = read_density(args.density, args.density_unit)
    return sample, model


def describe_model(model: FDBM, args: Namespace) -> dict[str, Any]:
    """The model for the ``meta`` of a stack."""
    density = args.density or "pyscf"
    return {
        "a": float(model.a),
        "b": float(model.b),
        "d3": model.d3,
        "density": density if density in ("pyscf", "atoms") else Path(density).name,
        "tip_density": Path(args.tip_density or "CO").name,
    }


def _model(args: Namespace) -> FDBM:
    given: dict[str, Any] = {}
    if args.pauli_a is not None:
        given["a"] = args.pauli_a
    if args.pauli_b is not None:
        given["b"] = args.pauli_b
    if args.d3 is not None:
        given["d3"] = None if args.d3 == "none" else args.d3
    if args.tip_density not in (None, "CO"):
        density, atoms = read_density(args.tip_density, args.density_unit)
        try:
            given["tip"] = TipDensity.from_density(density, atoms.numbers, atoms.positions)
        except InputError as error:
            raise InputError(f"--tip-density: {error}") from None
    return FDBM(**given)
