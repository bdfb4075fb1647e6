"""Rendered training data that look more like experiments."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_afm import __version__
from torch_afm.datasets.manifest import Manifest
from torch_afm.datasets.shards import (
    Shard,
    finished_digests,
    integrity_error,
    read_journal,
    remove_unfinished,
    write_journal,
)
from torch_afm.io.files import write_json, write_whole
from torch_afm.io.hdf5 import SampleFile, StoredSample, pack_samples
from torch_afm.models import StyleTranslator
from torch_afm.progress import ProgressBar
from torch_afm.transforms import Augment, change_stacks, handcrafted
from torch_afm.utils import InputError

#: Kind of training set -> whether stacks are translated, whether they are perturbed by hand.
KINDS = {
    "pure": (False, False),
    "handcrafted": (False, True),
    "style": (True, False),
    "hybrid": (True, True),
}
_NAME = "training_set.json"


def build_training_set(
    kind: str,
    rendered: str | Path,
    out: str | Path,
    weights: Sequence[str | Path] = (),
    perturbations: str = "complete",
    seed: int = 0,
) -> int:
    """One of the four training sets of arXiv:2509.02240 from rendered stacks of known structures, as a folder
    for :class:`~torch_afm.datasets.StoredReferences`: ``pure`` simulation, ``handcrafted`` perturbations,
    ``style`` translation, or ``hybrid``: translated, then perturbed. Stacks stay in Hz (perturbations, which
    go by a slice's range, are made on normalized slices, whose mean and deviation are then given back); the
    graphs stay as they are. Only reference stacks change: what the simulator shows of a partial molecule is
    simulated in prediction, too. ``StepDraws(augment=Augment(stack=()))`` adds nothing to these
    perturbations.

    ``training_set.json`` says what the set was made of and how, with the SHA-256 of the weights, and
    ``stacks-00000.drawn.json`` what was drawn for each stack of ``stacks-00000.h5``. Called again, the
    function goes on from where it was interrupted. Equal arguments give equal stacks.

    Args:
        kind: one of the four.
        rendered: a folder of ``torch-afm dataset``.
        out: made where it does not exist.
        weights: folders of translations, one of which is drawn for each stack.
        perturbations: which :func:`~torch_afm.transforms.handcrafted`.
        seed: seed of all that is drawn, with the number of the stack.

    Returns:
        the number of files written now.

    Raises:
        InputError: for another kind, weights that are missing or not wanted, ``rendered`` that is missing or
            damaged, and a folder that holds another set.
    """
    if kind not in KINDS:
        raise InputError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}")
    styled, perturbed = KINDS[kind]
    if styled != bool(weights):
        raise InputError(f"weights: expected {'at least one folder' if styled else 'none'} for {kind}")
    rendered, out = Path(rendered), Path(out)
    manifest = Manifest.read(rendered)
    change = _Change(weights, perturbations if perturbed else None, seed)
    out.mkdir(parents=True, exist_ok=True)
    _record(out, {"kind": kind, **_origin(rendered, manifest), **change.description()})
    dataclasses.replace(manifest, source=f"{manifest.source}; made {kind} from {rendered.name}").write(out)
    journal, intact = out / Shard().journal, finished_digests(rendered)
    remove_unfinished(out, set(manifest.files))
    done, written = read_journal(journal), 0
    for number, name in enumerate(ProgressBar(manifest.files, desc=kind, unit="file", leave=False)):
        reason = integrity_error(rendered / name, intact.get(name, set()))
        if reason:
            raise InputError(f"{rendered / name}: {reason}")
        if name in done and not integrity_error(out / name, {done[name]}):
            continue
        drawn: list[Any] = []
        samples = _changed(rendered / name, manifest.span(number), change, drawn)
        data = pack_samples(samples, manifest.config.storage, manifest.config.compression)
        write_json(out / f"{Path(name).stem}.drawn.json", drawn)
        write_whole(out / name, data)
        done[name] = hashlib.sha256(data).hexdigest()
        write_journal(journal, done)
        written += 1
    return written


class _Change:
    """What happens to stacks: translation, then perturbations."""

    def __init__(self, weights: Sequence[str | Path], perturbations: str | None, seed: int) -> None:
        self.weights = [Path(folder) for folder in weights]
        self.translators = [StyleTranslator.from_pretrained(folder) for folder in self.weights]
        self.augment = Augment(stack=handcrafted(perturbations) if perturbations else ())
        self.seed = seed

    def __call__(self, stack: Tensor, number: int) -> tuple[Tensor, dict[str, Any]]:
        """Stack ``[C, Z, Y, X]`` of that number changed, and what was drawn."""
        rng = np.random.default_rng((self.seed, number))
        stack = stack[None]
        drawn: dict[str, Any] = {}
        if self.translators:
            which = int(rng.integers(len(self.translators)))
            drawn |= {"weights": which, "seed": int(rng.integers(2**53))}
            stack = self.translators[which](stack, drawn["seed"])
        if self.augment.stack:
            _, _, depth, height, width = stack.shape
            drawn["steps"] = self.augment.draw_stack((depth, height, width), rng)
            mean = stack.mean((-2, -1), keepdim=True)
            deviation = stack.std((-2, -1), keepdim=True, correction=0)
            stack = change_stacks(stack, [[]], [drawn["steps"]]) * deviation + mean
        return stack[0], drawn

    def description(self) -> dict[str, Any]:
        """For the manifest."""
        files = [folder / "model.safetensors" for folder in self.weights]
        return {
            "weights": [str(folder) for folder in self.weights],
            "weights_sha256": [hashlib.sha256(file.read_bytes()).hexdigest() for file in files],
            "perturbations": [repr(one) for one in self.augment.stack],
            "seed": self.seed,
        }


def _origin(rendered: Path, manifest: Manifest) -> dict[str, Any]:
    return {
        "rendered": str(rendered),
        "fingerprint": manifest.fingerprint,
        "files": len(manifest.files),
        "samples": manifest.samples,
    }


def _changed(file: Path, span: range, change: Callable[..., Any], drawn: list[Any]) -> Iterator[StoredSample]:
    source = SampleFile(file)
    for row, number in enumerate(span):
        sample = source[row]
        stack, record = change(sample.stack, number)
        drawn.append(record)
        yield dataclasses.replace(sample, stack=stack)
    source.close()


def _record(out: Path, document: dict[str, Any]) -> None:
    """Write the manifest of the set, or check that the one there is the same but for where things stood."""
    path = out / _NAME
    if not path.exists():
        write_json(path, {"version": __version__, "torch": torch.__version__, **document})
        return
    try:
        before = json.loads(path.read_text("utf-8"))
        moved = {"weights", "rendered"}
        changed = sorted(key for key in document if key not in moved and before[key] != document[key])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected the manifest of a training set ({error})") from None
    if changed:
        raise InputError(
            f"{out}: holds another training set ({', '.join(changed)}); give another folder, or delete it"
        )
