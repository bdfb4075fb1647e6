"""The scripts of one idea each run, and the index lists all there is."""

import re
import runpy
import warnings
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples"

#: What the last lines that a script prints have to say.
SAID = {
    "dataset_loop": r"epoch 1: stacks \(4, 1, 10, 32, 32\), \d+ atoms there, \d+ to find",
    "gradient_of_a_stack": r"off by 0.200 Å before, by 0.0\d\d Å after",
    "one_layer": r"atoms \(21, 20\), molecules \(2, 128\)",
    "own_molecules": r"2 molecules, 20 atoms\nleft out: 2 line 3",
    "own_tip": r"soft CO: contrast of the nearest slice \d+\.\d+ Hz\nXe: ",
    "predict_and_refine": r"^(\d+) of \1 visible atoms, 0\.[012]\d Å off",
    "render_a_stack": r"\(1, 1, 10, 64, 64\): -\d",
    "score_a_prediction": r"recall 0.78, F1 0.82\nmissing \[0, 8\], extra \[0\]",
}


def test_every_script_is_checked_and_listed():
    scripts = {path.stem for path in (FOLDER / "scripts").glob("*.py")}
    assert scripts == set(SAID)
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(((?:scripts/)?[\w.]+\.(?:py|ipynb))\)", index))
    notebooks = {path.name for path in FOLDER.glob("*.ipynb")}
    assert linked == {f"scripts/{name}.py" for name in scripts} | notebooks


@pytest.mark.parametrize("name", sorted(SAID))
def test_script_runs(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*molecules left out")
        runpy.run_path(str(FOLDER / "scripts" / f"{name}.py"))
    assert re.search(SAID[name], capsys.readouterr().out)
