"""Which of some molecules a scan shows, and how it lies."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from torch_afm.config import Tip
from torch_afm.config.generators import PRESETS
from torch_afm.config.identification import IdentifyOptions
from torch_afm.identification.candidates import Candidate, read_candidates
from torch_afm.identification.fits import Fit, Fitter
from torch_afm.identification.result import Answer, Identification
from torch_afm.io import AFMStack
from torch_afm.io.journal import append_record, keep_settings, read_records
from torch_afm.io.scans import ScanStack, prepare_scan, read_scan
from torch_afm.metrics.evidence import other_evidence, probabilities
from torch_afm.prediction.slices import trained_height
from torch_afm.utils import InputError

T = TypeVar("T")

#: Å: longest side of a scan that is searched.
_WIDEST = 40.0


def identify(
    scan: str | Path | Sequence[str | Path] | AFMStack | ScanStack,
    candidates: Iterable[Candidate | str | Path],
    options: IdentifyOptions | None = None,
    progress: Callable[[str], None] | None = None,
    folder: str | Path | None = None,
) -> Identification:
    """Which of some molecules a scan shows, and how it lies.

    Of each candidate, in all of its orientations, the image is correlated with the scan over turns, places
    and heights (:class:`PoseSearch`), and the best poses are fitted for some steps (:class:`PoseObjective`),
    more of them of the best candidates. Of the best of these the fit is repeated with everything that is not
    known of the instrument: scale and shear of the scanner, stiffness, depth and tilt of the probe, strength
    of the charges, radii of elements, and torsions. They are ranked by their evidence in Laplace's
    approximation, the posterior density at its maximum times the volume of what is as good (MacKay, Neural
    Comput. 4, 415 (1992)): fitted parameters count against a candidate. A molecule that is not among the
    candidates has an evidence of its own.

    Args:
        scan: as :func:`torch_afm.predict` takes it.
        candidates: the molecules, as :func:`read_candidates` takes them: SMILES, files, lists.
        options: everything that can be chosen.
        progress: called with each step, in words, before it begins.
        folder: where candidates that were compared are kept, so that the same call goes on after an
            interruption; nowhere by default.

    Raises:
        InputError: for anything wrong with the scan, no candidates, and scans that are too wide.
    """
    options = options or IdentifyOptions()
    report = progress or (lambda _: None)
    report("reading the scan")
    stack = scan if isinstance(scan, ScanStack) else read_scan(scan, **vars(options.reading))
    model = PRESETS["scan"].scan
    prepared = prepare_scan(stack, model, options.preparation, whole=True)
    sides = [high - low for low, high in prepared.scan.window]
    if max(sides) > _WIDEST:
        raise InputError(
            f"window: expected a scan of at most {_WIDEST:.0f} x {_WIDEST:.0f} Å around the molecule, got "
            f"{sides[0]:.0f} x {sides[1]:.0f} Å; cut out a window of it"
        )
    report("reading the candidates")
    molecules = list(read_candidates(candidates, options.conformers, options.seed, options.xtb))
    if not molecules:
        raise InputError("candidates: expected one or more, got none")
    lower = (model.n_slices - prepared.scan.n_slices) * model.dz
    z_top = trained_height(prepared.scan, model, Tip.preset(options.tip)) - lower
    fitter = Fitter(prepared.stack.tensor()[0, 0], prepared.scan, z_top, options)
    journal = None
    if folder is not None:
        journal = Path(folder) / "compared.jsonl"
        Path(folder).mkdir(parents=True, exist_ok=True)
        settings = {
            "candidates": [
                f"{c.name} {_checksum(*(m.pos.numpy() for m in c.conformers))}" for c in molecules
            ],
            "options": repr(options),
            "scan": f"{prepared.scan!r} {_checksum(prepared.raw.values)}",
        }
        keep_settings(Path(folder) / "compared.json", settings, description="a comparison")
    done = [] if journal is None else read_records(journal)
    found = [
        [Fit.from_record(molecule, fit, options.seed) for fit in record["fits"]]
        for molecule, record in zip(molecules, done, strict=False)
    ]
    left = molecules[len(done) :]
    for candidate, fits in _each(fitter.find, [(candidate,) for candidate in left]):
        report(f"searching for {len(molecules)} candidates, {len(found) + 1}: {candidate.name}")
        found.append(fits())
        if journal is not None:
            append_record(journal, {"name": candidate.name, "fits": [fit.record() for fit in found[-1]]})
    likely = sorted(range(len(found)), key=lambda i: -found[i][0].evidence)
    compared = likely[: options.compared]
    fitted: dict[int, list[Fit]] = {}
    for i, (_, fits) in zip(compared, _each(fitter.compare, [(found[i],) for i in compared]), strict=True):
        report(f"comparing {len(compared)} candidates, {len(fitted) + 1}: {molecules[i].name}")
        fitted[i] = fits()
    order = sorted(fitted, key=lambda i: -fitted[i][0].evidence)
    chosen = [(molecules[i], fitted[i]) for i in order[: options.fits]]
    answers: list[Answer] = []
    for candidate, answer in _each(fitter.answer, chosen):
        report(f"fitting {len(chosen)} candidates, {len(answers) + 1}: {candidate.name}")
        answers.append(answer())
    answers.sort(key=lambda answer: -answer.evidence)
    evidence = [answer.evidence for answer in answers]
    chances, none = probabilities(evidence, other_evidence(fitter.floor))
    answers = [dataclasses.replace(a, probability=float(p)) for a, p in zip(answers, chances, strict=True)]
    rest = [*order[options.fits :], *likely[options.compared :]]
    return Identification(
        answers=tuple(answers),
        none=none,
        others=tuple(molecules[i].name for i in rest),
        prepared=prepared,
        noise=fitter.floor,
        options=options,
    )


def _each(
    function: Callable[..., T], arguments: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[Any, Callable[[], T]]]:
    """The first argument of each call, and what waits for its result: on as many threads as torch uses, for
    the simulator and torch leave a core idle between them."""
    pool = ThreadPoolExecutor(torch.get_num_threads())
    try:
        futures = [pool.submit(function, *given) for given in arguments]
        for given, future in zip(arguments, futures, strict=True):
            yield given[0], future.result
    finally:
        pool.shutdown(cancel_futures=True)


def _checksum(*arrays: np.ndarray) -> str:
    total = 0
    for array in arrays:
        total = zlib.crc32(array.tobytes(), total)
    return f"{total:08x}"
