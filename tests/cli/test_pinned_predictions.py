"""What the shipped weights make of eleven stacks does not change unnoticed."""

import contextlib
import json
import math
import tempfile
from pathlib import Path

import pytest

from tests.prediction.schema import check_record
from torch_afm.cli.main import main

_FOLDER = Path(__file__).parents[1] / "pinned"
_FILE = _FOLDER / "predictions.json"
_MODEL = ("--scan.pixels", "[64,64]")
_WIDE = ("--scan.window", "[[-10,10],[-10,10]]", "--scan.pixels", "[101,101]", "--scan.n_slices", "14")

#: Molecule -> options of ``simulate`` and of ``predict``.
CASES = {
    "phenol": (_MODEL, ()),
    "aspirin": (_MODEL, ()),
    "chloroaniline": (_MODEL, ()),
    "naphthoquinone": (
        _MODEL,
        (
            "--refine",
            "false",
        ),
    ),
    "ethylcyclohexane": (_MODEL, ()),
    "thiophenecarboxamide": (
        _MODEL,
        (
            "--physics",
            "no",
        ),
    ),
    "uracil": (_MODEL, ("--search", "beam", "--views", "1")),
    "cyanobenzaldehyde": (_WIDE, ()),
    "caffeine": (_MODEL, ("--weights", "small", "--refine", "false")),
    "methylpyridine": (_MODEL, ("--weights", "small")),
    "furfural": (_MODEL, ("--weights", "scan")),
}
#: What is compared; the rest says how, when and where.
_KEYS = ("classes", "atoms", "context", "bonds", "bond_probabilities", "ended", "imaging", "agreement")


def _predict(name: str, folder: Path) -> dict:
    simulated, predicted = CASES[name]
    stack, out = folder / f"{name}.npz", folder / name
    assert main(["simulate", str(_FOLDER / f"{name}.xyz"), "--out", str(stack), *simulated]) == 0
    assert main(["predict", str(stack), "--out", str(out), *predicted]) == 0
    result = json.loads((out / "prediction.json").read_text("utf-8"))
    check_record(result)
    return {key: result[key] for key in _KEYS if key in result}


def _differences(now, then, where: str = ""):
    """Each place where two results differ by more than another processor could make them."""
    if isinstance(then, dict):
        for key in sorted(now.keys() | then.keys()):
            if key in now and key in then:
                yield from _differences(now[key], then[key], f"{where}.{key}")
            else:
                yield f"{where}.{key}: {'new' if key in now else 'missing'}"
    elif isinstance(then, list) and isinstance(now, list) and len(now) == len(then):
        for i, (a, b) in enumerate(zip(now, then, strict=True)):
            yield from _differences(a, b, f"{where}[{i}]")
    elif isinstance(then, float) and isinstance(now, int | float):
        if not math.isclose(now, then, rel_tol=2e-3, abs_tol=5e-3):
            yield f"{where}: {now} was {then}"
    elif now != then and not where.startswith(".agreement.reasons"):
        yield f"{where}: {now} was {then}"


@pytest.mark.learnt
@pytest.mark.parametrize("name", CASES)
def test_shipped_weights_predict_what_they_did(name, tmp_path, capsys):
    then = json.loads(_FILE.read_text("utf-8"))[name]
    now = _predict(name, tmp_path)
    assert not list(_differences(now, then))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(None):
        results = {name: _predict(name, Path(scratch)) for name in CASES}

    def _short(value):
        if isinstance(value, float):
            return round(value, 5)
        if isinstance(value, dict):
            return {key: _short(one) for key, one in value.items()}
        return [_short(one) for one in value] if isinstance(value, list) else value

    _FILE.write_text(json.dumps(_short(results), indent=None, separators=(",", ":")) + "\n", "utf-8")
