"""A prediction of what a session shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from torch_afm.config import PredictOptions
from torch_afm.io import AFMStack
from torch_afm.io.scans import ScanStack
from torch_afm.live.session import Session
from torch_afm.prediction import ScanPrediction, predict
from torch_afm.utils import InputError


def choose_target(session: Session) -> AFMStack | ScanStack:
    """What is to be predicted from: the scan, else the image of the molecule.

    Raises:
        InputError: where there is neither.
    """
    target = session.image if session.scan is None else session.scan.raw
    if target is None:
        raise InputError("prediction: expected a scan or a molecule, got neither; drop one first")
    return target


def predict_target(
    target: AFMStack | ScanStack,
    weights: str = "auto",
    refine: bool = False,
    progress: Callable[[str], None] | None = None,
) -> ScanPrediction:
    """The structure that a scan or a stack shows, as ``torch-afm predict`` finds it.

    Args:
        target: the scan or the stack.
        weights: weights in the package, a folder, or ``"auto"``.
        refine: whether atoms are moved by gradient at the end, which takes most of the time.
        progress: called with each step before it begins.

    Raises:
        InputError: as :func:`torch_afm.prediction.predict`.
    """
    options = PredictOptions()
    options = dataclasses.replace(options, search=dataclasses.replace(options.search, refine=refine))
    return predict(target, weights, options, progress)
