"""The rules of the house that a program can check."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "torch_afm"
MODULES = sorted(PACKAGE.rglob("*.py"))

#: Modules that are tested with others, and by which tests.
TESTED_ELSEWHERE = {
    "testing.py": "by all tests that use it",
}


def _tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text("utf-8"))


def test_no_module_is_longer_than_400_lines():
    lengths = {str(m.relative_to(ROOT)): len(m.read_text("utf-8").splitlines()) for m in MODULES}
    assert {name: n for name, n in lengths.items() if n > 400} == {}


def test_no_input_is_checked_by_an_assert():
    asserts = [f"{m}:{n.lineno}" for m in MODULES for n in ast.walk(_tree(m)) if isinstance(n, ast.Assert)]
    assert asserts == []


def test_no_code_asks_which_network_or_prediction_it_has():
    """Networks and predictions are used by their interface."""
    kinds = ("Generator", "GeneratorConfig", "Prediction")
    asked = [
        f"{m}:{call.lineno}"
        for m in MODULES
        for call in ast.walk(_tree(m))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in ("isinstance", "issubclass")
        and any(
            isinstance(name, ast.Name | ast.Attribute) and ast.unparse(name).endswith(kinds)
            for name in ast.walk(call.args[1])
        )
    ]
    assert asked == []


@pytest.mark.parametrize("module", [m for m in MODULES if m.name != "__init__.py"], ids=str)
def test_every_module_has_its_tests(module):
    path = module.relative_to(PACKAGE)
    if path.parts[:2] == ("cli", "parsers") or str(path) in TESTED_ELSEWHERE:
        return
    assert (ROOT / "tests" / path.parent / f"test_{path.name}").exists()
