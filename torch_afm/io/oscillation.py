"""The oscillation of a measured stack, in whole steps of height."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from torch_afm.config import Scan
from torch_afm.utils import InputError

#: Samples of one oscillation at most.
_MAX_SAMPLES = 200


def choose_oscillation(
    meta: Mapping[str, Any], model: Scan, dz: float, amplitude: float | None = None
) -> tuple[Scan, str, tuple[str, ...]]:
    """The model's scan with other height steps, and with the oscillation that is given, else that of the
    stack's header, else the model's.

    Args:
        meta: of the stack: ``"amplitude"`` [Å, peak to peak], ``"f0"`` [Hz] and ``"k"`` [N/m], numbers.
        model: the scan that the model was made for.
        dz: height step in Å.
        amplitude: peak to peak in Å, in place of the header's.

    Returns:
        The scan, what was chosen in words, and what may be wrong with it.

    Raises:
        InputError: for an amplitude of more than 200 height steps.
    """
    warnings = []
    stated = {key: float(meta[key]) for key in ("amplitude", "f0", "k") if key in meta}
    for key in [key for key, value in stated.items() if not value > 0]:
        warnings.append(f"the header says {key} {stated.pop(key):g}, which cannot be: the model's is taken")
    source = "given"
    if amplitude is None:
        source = "header" if "amplitude" in stated else "model"
        amplitude = stated.get("amplitude", model.amplitude)
    n = round(amplitude / dz)
    if n > _MAX_SAMPLES:
        raise InputError(
            f"amplitude: expected at most {_MAX_SAMPLES * dz:.1f} Å peak to peak, got "
            f"{amplitude:.4g} Å ({source})"
        )
    scan = dataclasses.replace(
        model, dz=dz, n_oscillation=max(2, n), f0=stated.get("f0", model.f0), k=stated.get("k", model.k)
    )
    if abs(scan.amplitude - amplitude) > max(0.05 * amplitude, 1e-3):
        warnings.append(
            f"an oscillation amplitude of {amplitude:.2f} Å is simulated as {scan.amplitude:.2f} Å, whole "
            "steps of height"
        )
    text = (
        f"amplitude {scan.amplitude:.2f} Å peak to peak ({source}), resonance frequency {scan.f0:.0f} Hz "
        f"({'header' if 'f0' in stated else 'model'})"
    )
    return scan, text, tuple(warnings)
